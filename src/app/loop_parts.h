// What one event loop owns, and the mailboxes between loops.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "app/refused_desk.h"
#include "auth/token_verifier.h"
#include "gateway/gateway.h"
#include "ingest/inbox/inbox_writer.h"
#include "io/loop.h"
#include "io/stream.h"
#include "query/reader_pool.h"
#include "session/invalidations.h"
#include "session/live_queries.h"
#include "session/session.h"
#include "session/snapshot_desk.h"
#include "session/verdict_book.h"

namespace tw::app {

struct LoopParts;
using Loops = std::vector<std::unique_ptr<LoopParts>>;

// History for one loop: read by the pool, answered on the loop.
class PoolHistory final : public session::History {
 public:
  PoolHistory(query::ReaderPool& pool, io::Loop& loop) : pool_(pool), loop_(loop) {}

  void Read(uint64_t after, uint64_t changes_max, Function<void(Result<BatchPtr>)> done) override;

 private:
  query::ReaderPool& pool_;
  io::Loop& loop_;
};

// Everything of one event loop.
struct LoopParts {
  explicit LoopParts(Clock& clock) : loop(clock) {}
  io::Loop loop;
  std::unique_ptr<session::LiveFeed> feed;
  std::unique_ptr<session::History> history;
  std::unique_ptr<session::LiveQueries> queries;
  std::unique_ptr<session::Invalidations> invalidations;
  std::unique_ptr<session::ChannelBus> bus;
  std::unique_ptr<auth::TokenVerifier> verifier;
  std::unique_ptr<session::RightsSource> rights;  // Null on the embedded store.
  std::unique_ptr<session::DatabaseJudge> judge;          // The same.
  std::unique_ptr<session::VerdictBook> verdicts;         // The same.
  std::unique_ptr<session::SnapshotSource> snapshot_source;
  std::unique_ptr<session::SnapshotDesk> snapshots;
  std::unique_ptr<session::SessionServices> services;
  std::unique_ptr<gateway::Gateway> gateway;
  io::TlsSlot tls;  // Null: plain.
  std::unique_ptr<io::Listener> listener;
  std::thread thread;
};

// Lets every loop's channels hear the others.
void ConnectBuses(const Loops& loops);
// From here on these tokens count no more, on every loop. Any thread; only posts.
void TellRevocations(const Loops& loops, const auth::RevocationsPtr& revocations);
// Sessions that end from here on tell no other loop, which may be gone before them.
void DisconnectBuses(const Loops& loops);

// Brings durable groups back to the loops whose connections wait for them.
// Thread: the inbox writer's.
class CompletionRouter final : public ingest::CompletionSink {
 public:
  CompletionRouter(Loops& loops, ReleasedIds& released) : loops_(loops), released_(released) {}
  void OnDurable(std::span<const ingest::Completion> group) override;
  void OnFailed(std::span<const ingest::Completion> group, const Error& error) override;

 private:
  Loops& loops_;
  ReleasedIds& released_;
};

}  // namespace tw::app
