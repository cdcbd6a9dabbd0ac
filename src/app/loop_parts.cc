#include "app/loop_parts.h"

#include <map>
#include <utility>

namespace tw::app {
namespace {

// The ids of a group by the loop that they belong to.
std::map<uint64_t, std::vector<uint64_t>> ByLoop(std::span<const ingest::Completion> group) {
  std::map<uint64_t, std::vector<uint64_t>> by_loop;
  for (const auto& completion : group) {
    by_loop[completion.token.owner].push_back(completion.token.id);
  }
  return by_loop;
}

}  // namespace

void PoolHistory::Read(uint64_t after, uint64_t changes_max,
                       Function<void(Result<BatchPtr>)> done) {
  auto shared = std::make_shared<Function<void(Result<BatchPtr>)>>(std::move(done));
  const Status submitted =
      pool_.Submit([this, after, changes_max, shared](query::ReadConnection& reader) {
        auto batch = reader.log.Read(after, changes_max);
        loop_.Post([shared, batch = std::move(batch)]() mutable { (*shared)(std::move(batch)); });
      });
  if (!submitted.ok()) {
    loop_.Post([shared, error = submitted.error()] { (*shared)(std::unexpected(error)); });
  }
}

void LoopBus::Publish(router::BroadcastPtr message) {
  for (size_t i = 0; i < loops_.size(); ++i) {
    if (i == own_) continue;
    loops_[i]->loop.Post([feed = loops_[i]->feed.get(), message] {
      feed->broadcasts().Send(*message, nullptr);
    });
  }
}

void CompletionRouter::OnDurable(std::span<const ingest::Completion> group) {
  for (auto& [owner, ids] : ByLoop(group)) {
    LoopParts& parts = *loops_[owner];
    parts.loop.Post([&parts, ids = std::move(ids)] { parts.gateway->OnHooksDurable(ids); });
  }
}

void CompletionRouter::OnFailed(std::span<const ingest::Completion> group, const Error& error) {
  for (auto& [owner, ids] : ByLoop(group)) {
    LoopParts& parts = *loops_[owner];
    parts.loop.Post([&parts, ids = std::move(ids), code = error.code] {
      parts.gateway->OnHooksFailed(ids, code);
    });
  }
}

}  // namespace tw::app
