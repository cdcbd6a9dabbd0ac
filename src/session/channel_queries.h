// The live queries of one channel.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "json/json.h"
#include "model/claims.h"
#include "session/live_queries.h"

namespace tw::session {

class ChannelQueries final : public QueryChannel {
 public:
  using Reply = std::function<void(const std::optional<std::string>& ref, protocol::ReplyStatus,
                                   std::string_view response)>;
  // `client`: prefix of the mutation ids to be told of; empty: none. All given outlives this.
  ChannelQueries(LiveQueries& queries, protocol::Version version, const std::string& topic,
                 router::Receiver& receiver, std::string client, Reply reply);
  ~ChannelQueries() override;

  void OnOpen(std::optional<std::string_view> ref, const json::Value& payload,
              const ClaimsPtr& claims);
  void OnClose(std::optional<std::string_view> ref, const json::Value& payload);
  void SetClaims(const ClaimsPtr& claims);
  size_t size() const { return follows_.size(); }

  protocol::Version version() const override { return version_; }
  const std::string& topic() const override { return topic_; }
  router::Receiver& receiver() override { return receiver_; }
  void ReplyTo(const std::optional<std::string>& ref, protocol::ReplyStatus status,
               std::string_view response) override {
    reply_(ref, status, response);
  }
  void Forget(QueryFollow& follow) override { follows_.erase(std::string(follow.sub())); }

 private:
  LiveQueries& queries_;
  const protocol::Version version_;
  const std::string& topic_;
  router::Receiver& receiver_;
  const std::string client_;
  const Reply reply_;
  std::map<std::string, std::unique_ptr<QueryFollow>, std::less<>> follows_;
};

}  // namespace tw::session
