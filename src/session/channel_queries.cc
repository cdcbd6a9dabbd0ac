#include "session/channel_queries.h"

#include <utility>
#include <vector>

namespace tw::session {

using protocol::ReplyStatus;

namespace {

std::string RefusalJson(const query::CallError& error) {
  json::Writer writer;
  writer.Object().Key("reason").String(error.message).Key("code").String(error.code);
  if (!error.pointer.empty()) writer.Key("pointer").String(error.pointer);
  writer.End();
  return writer.Take();
}

}  // namespace

ChannelQueries::ChannelQueries(LiveQueries& queries, protocol::Version version,
                               const std::string& topic, router::Receiver& receiver,
                               std::string client, Reply reply)
    : queries_(queries),
      version_(version),
      topic_(topic),
      receiver_(receiver),
      client_(std::move(client)),
      reply_(std::move(reply)) {
  if (!client_.empty()) queries_.AddClient(client_, *this);
}

ChannelQueries::~ChannelQueries() {
  if (!client_.empty()) queries_.RemoveClient(client_, *this);
}

void ChannelQueries::OnOpen(std::optional<std::string_view> ref, const json::Value& payload,
                            const ClaimsPtr& claims) {
  std::optional<std::string> own_ref(ref);
  const auto refuse = [&](const query::CallError& error) {
    reply_(own_ref, ReplyStatus::kError, RefusalJson(error));
  };
  if (follows_.size() >= queries_.limits().per_channel_max) {
    return refuse({"live_queries_max", "this channel follows too many queries", ""});
  }
  auto follow = queries_.Open(*this, payload, claims, own_ref);
  if (!follow) return refuse(follow.error());
  // A second one of the same query takes the place of the first.
  std::string sub = (*follow)->sub();
  follows_.insert_or_assign(std::move(sub), std::move(*follow));
}

void ChannelQueries::OnClose(std::optional<std::string_view> ref, const json::Value& payload) {
  const auto found = follows_.find(payload["sub"].AsString().value_or(""));
  if (found != follows_.end()) follows_.erase(found);
  reply_(std::optional<std::string>(ref), ReplyStatus::kOk, "{}");
}

void ChannelQueries::SetClaims(const ClaimsPtr& claims) {
  std::vector<std::string> gone;
  for (const auto& [sub, follow] : follows_) {
    if (!queries_.Move(*follow, claims)) gone.push_back(sub);
  }
  for (const std::string& sub : gone) follows_.erase(sub);
}

}  // namespace tw::session
