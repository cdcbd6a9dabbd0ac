#include "app/refused_desk.h"


#include "json/json.h"

namespace tw::app {
namespace {

constexpr int kPieceMax = 500;
constexpr int kDiscardedMax = 10'000;

std::string ErrorText(std::string_view message) {
  json::Writer writer;
  writer.Object().Key("error").String(message).End();
  return writer.Take();
}

}  // namespace

void ReleasedIds::Add(std::span<const uint64_t> ids, bool durable) {
  const std::lock_guard lock(mutex_);
  auto& into = durable ? ended_.durable : ended_.failed;
  into.insert(into.end(), ids.begin(), ids.end());
}

ReleasedIds::Ended ReleasedIds::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(ended_, {});
}

Result<std::optional<std::string>> RefusedDesk::Do(const ingest::OperatorRequest& request) {
  if (release_ && release_->request == request.id) return Continue(*release_);
  if (release_) return std::optional<std::string>();  // One at a time.
  const auto document = json::Parse(request.argument);
  if (!document.ok()) return std::optional(ErrorText("not understood"));
  const json::Value root = document->root();
  const auto part = [&](std::string_view name) {
    return std::string(root[name].AsString().value_or(""));
  };
  const ingest::RefusedFilter filter{part("source"), part("reason"), part("id")};
  if (request.verb == "refused_discard") {
    TW_ASSIGN_OR_RETURN(std::string said, Discard(filter));
    return std::optional(std::move(said));
  }
  if (request.verb != "refused_release") return std::optional(ErrorText("not understood"));
  release_ = Release{.request = request.id,
                     .filter = filter,
                     .unverified = root["unverified"].AsBool().value_or(false),
                     .pending = {}};
  return Continue(*release_);
}

std::optional<ingest::Delivery> RefusedDesk::Judge(const Release& release,
                                                   const ingest::Delivery& refused) const {
  const ingest::Endpoint* const endpoint = wiring_.endpoints->OfSource(refused.source);
  if (endpoint == nullptr) return std::nullopt;
  auto judged = endpoint->Rejudge(refused);
  if (judged || !release.unverified) return judged;
  ingest::Delivery delivery = refused;
  delivery.authentication = ingest::Authentication::kNone;
  return delivery;
}

Result<std::optional<std::string>> RefusedDesk::Continue(Release& release) {
  const ReleasedIds::Ended ended = wiring_.ended.Take();
  for (const uint64_t id : ended.durable) {
    TW_RETURN_IF_ERROR(wiring_.store.Remove(static_cast<int64_t>(id)));
    if (release.pending.erase(id) > 0) ++release.released;
  }
  for (const uint64_t id : ended.failed) {
    if (release.pending.erase(id) > 0) ++release.failed;
  }
  if (!release.read_all) {
    TW_ASSIGN_OR_RETURN(auto refused, wiring_.store.Read(release.filter, release.after, kPieceMax));
    release.read_all = static_cast<int>(refused.size()) < kPieceMax;
    for (ingest::RefusedDelivery& one : refused) {
      auto delivery = Judge(release, one.delivery);
      if (!delivery) {
        ++release.still_refused;
        release.after = one.id;
        continue;
      }
      const auto id = static_cast<uint64_t>(one.id);
      if (!wiring_.submit(*std::move(delivery), {kReleaseOwner, id}).ok()) {
        // The inbox is busy: from here on at the next turn.
        release.read_all = false;
        break;
      }
      release.pending.insert(id);
      release.after = one.id;
    }
  }
  if (!release.read_all || !release.pending.empty()) return std::optional<std::string>();
  json::Writer writer;
  writer.Object().Key("released").Int(static_cast<int64_t>(release.released));
  writer.Key("still_refused").Int(static_cast<int64_t>(release.still_refused));
  writer.Key("failed").Int(static_cast<int64_t>(release.failed)).End();
  release_.reset();
  return std::optional(writer.Take());
}

Result<std::string> RefusedDesk::Discard(const ingest::RefusedFilter& filter) {
  TW_ASSIGN_OR_RETURN(const auto refused, wiring_.store.Read(filter, 0, kDiscardedMax));
  for (const ingest::RefusedDelivery& one : refused) {
    TW_RETURN_IF_ERROR(wiring_.store.Remove(one.id));
  }
  json::Writer writer;
  writer.Object().Key("discarded").Int(static_cast<int64_t>(refused.size())).End();
  return writer.Take();
}

}  // namespace tw::app
