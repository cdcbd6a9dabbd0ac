// The store when it is a Postgres database: capture, change log, rights and reads, joined to the
// loops.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/claims_evaluator.h"
#include "app/configuration.h"
#include "app/database_judge.h"
#include "app/loop_parts.h"
#include "app/query_service.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "capture/postgres/commit_log.h"
#include "capture/postgres/postgres_capture.h"
#include "io/file.h"
#include "query/postgres_reader.h"
#include "query/write/postgres_writer.h"
#include "telemetry/metrics.h"

namespace tw::app {

// What store.* means for capture.
capture::PostgresCaptureOptions PostgresOptions(const MainConfig& config, Random& random);

// Thread: made and stopped by the owner; the sink's calls come from the capture's thread.
class PostgresStore final : public capture::PostgresSink {
 public:
  // Opens the change log; does not connect. Everything given outlives the store.
  static Result<std::unique_ptr<PostgresStore>> Open(const MainConfig& config,
                                                     io::FileSystem& files, Clock& clock,
                                                     Random& random, telemetry::Registry& metrics);
  ~PostgresStore() override;

  // Before Start: the loops that get what comes.
  void Attach(Loops& loops) { loops_ = &loops; }
  void Attach(QueryService& queries) { queries_ = &queries; }
  void Start();
  void Stop();

  // Of what is durable here; the loops begin there. Epoch 0: never connected.
  Position head() const { return log_->head(); }
  std::string degraded() const { return capture_->degraded(); }
  bool failed() const { return capture_->failed(); }
  capture::CommitLog& log() { return *log_; }
  query::PostgresReaders& readers() { return *readers_; }
  query::PostgresWriters& writers() { return *writers_; }
  ClaimsEvaluator& claims() { return *claims_; }
  DatabaseJudges& judges() { return *judges_; }

  void OnHistory(Position head) override;
  Status OnCatalog(const std::vector<RelationPtr>& relations, postgres::Connection& sql) override;
  void OnBatch(BatchPtr batch) override;
  void OnMessage(std::string_view prefix, std::string_view content) override;
  void OnMutations(std::vector<std::string> ids, Position position) override;
  void OnTruncate(const Relation& relation) override;
  Result<bool> OnTick(postgres::Connection& sql) override;
  void OnState(const std::string& degraded) override;
  bool Congested() override;

 private:
  PostgresStore() = default;
  // Calls `visit(parts)` on each loop, in the order of these calls.
  template <typename Visit>
  void OnEachLoop(Visit visit);

  Loops* loops_ = nullptr;
  QueryService* queries_ = nullptr;
  std::unique_ptr<capture::CommitLog> log_;
  std::unique_ptr<capture::PostgresCapture> capture_;
  std::unique_ptr<query::PostgresReaders> readers_;
  std::unique_ptr<query::PostgresWriters> writers_;
  std::unique_ptr<ClaimsEvaluator> claims_;
  std::unique_ptr<DatabaseJudges> judges_;
  // Handed to loops and the query hub and not dealt with, over all of them.
  std::atomic<int64_t> in_flight_bytes_{0};
  std::string fingerprint_;
  bool told_ = false;  // The loops have a history that clients may have seen.
};

// History for one loop, from the change log; read by a thread of the pool.
class PostgresHistory final : public session::History {
 public:
  PostgresHistory(query::ReaderPool& pool, io::Loop& loop, capture::CommitLog& log)
      : pool_(pool), loop_(loop), log_(log) {}
  void Read(uint64_t after, uint64_t changes_max,
            Function<void(Result<BatchPtr>)> done) override;

 private:
  query::ReaderPool& pool_;
  io::Loop& loop_;
  capture::CommitLog& log_;
};

}  // namespace tw::app
