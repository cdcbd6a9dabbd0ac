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

void ConnectBuses(const Loops& loops) {
  std::vector<session::ChannelBus::Peer> peers;
  for (const auto& parts : loops) {
    peers.push_back({.bus = parts->bus.get(), .post = [&loop = parts->loop](Function<void()> task) {
                       loop.Post(std::move(task));
                     }});
  }
  for (const auto& parts : loops) parts->bus->Connect(peers);
}

void TellRevocations(const Loops& loops, const auth::RevocationsPtr& revocations) {
  for (const auto& loop : loops) {
    loop->loop.Post([&parts = *loop, revocations] {
      parts.verifier->SetRevocations(revocations);
      const auto sessions = parts.services->sessions;
      for (session::Session* const session : sessions) session->OnRevocations();
    });
  }
}

void DisconnectBuses(const Loops& loops) {
  for (const auto& parts : loops) {
    if (parts->bus != nullptr) parts->bus->Connect({});
  }
}

void CompletionRouter::OnDurable(std::span<const ingest::Completion> group) {
  for (auto& [owner, ids] : ByLoop(group)) {
    if (owner == kReleaseOwner) {
      released_.Add(ids, true);
      continue;
    }
    LoopParts& parts = *loops_[owner];
    parts.loop.Post([&parts, ids = std::move(ids)] { parts.gateway->OnHooksDurable(ids); });
  }
}

void CompletionRouter::OnFailed(std::span<const ingest::Completion> group, const Error& error) {
  for (auto& [owner, ids] : ByLoop(group)) {
    if (owner == kReleaseOwner) {
      released_.Add(ids, false);
      continue;
    }
    LoopParts& parts = *loops_[owner];
    parts.loop.Post([&parts, ids = std::move(ids), code = error.code] {
      parts.gateway->OnHooksFailed(ids, code);
    });
  }
}

}  // namespace tw::app
