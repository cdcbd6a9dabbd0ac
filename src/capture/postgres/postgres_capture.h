// Follows a Postgres database: one thread that reads the stream, and one that keeps the change log.
//
//   walsender ─▶ assembler ─▶ changes ─┬─▶ Sink (at once)
//                                      └─▶ log writer ─▶ segment files ─▶ "flushed" to the server
//
// Promises     Each commit reaches the sink once, whole, in commit order, with positions that depend
//              on the WAL alone. The server is told that a commit is flushed only when the log has
//              synced it; what was shown and not synced comes again after a crash, under the same
//              positions. A history that cannot be continued is never continued: OnHistory says so.
//              Loss of the server is retried for ever, with full jitter.
// Thread       Start and Stop: the owner's. The sink is called on the capture's thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "capture/postgres/assembler.h"
#include "capture/postgres/commit_log.h"
#include "capture/postgres/recent_commits.h"
#include "capture/postgres/relation_book.h"
#include "capture/postgres/source.h"
#include "model/change.h"
#include "telemetry/metrics.h"

namespace tw::capture {

// What comes out. Called on the capture's thread; must not block for long.
class PostgresSink {
 public:
  virtual ~PostgresSink() = default;
  // What follows continues at `head`, and what was before is not its past: another server, a lost
  // slot, a first start. Clients must read anew.
  virtual void OnHistory(Position head) = 0;
  // Tables, policies or grants may have changed; read them through `sql`. `relations` are the shapes
  // that the following changes have. Errors: those of `sql`; the stream is then opened anew.
  virtual Status OnCatalog(const std::vector<RelationPtr>& relations, postgres::Connection& sql) = 0;
  virtual void OnBatch(BatchPtr batch) = 0;
  // pg_logical_emit_message(true, …), at its place among the batches.
  virtual void OnMessage(std::string_view prefix, std::string_view content) = 0;
  // Ids of pg_logical_emit_message(true, 'tidewire.mutation', id), once all of their commit has
  // been handed over: its changes, if any are followed, lie at or before `position`.
  virtual void OnMutations(std::vector<std::string> ids, Position position) = 0;
  virtual void OnTruncate(const Relation& relation) = 0;
  // About once a second, between commits. True: tables or rights have changed, and OnCatalog follows.
  virtual Result<bool> OnTick(postgres::Connection& sql) = 0;
  // The stream is lost, with the reason, or flows again (empty).
  virtual void OnState(const std::string& degraded) = 0;
  // True while what was handed over has not been dealt with: no more for now.
  virtual bool Congested() = 0;
};

struct PostgresCaptureOptions {
  std::string dsn;
  SourceOptions source;
  AssemblerLimits assembler;
  RetentionLimits retention;
  // WAL that our slot may hold back; beyond it the slot is dropped and clients read anew, rather
  // than fill the server's disk. 0: no limit.
  uint64_t wal_keep_bytes_max = uint64_t{16} << 30;
  std::chrono::milliseconds retry_min{500};
  std::chrono::milliseconds retry_max{20'000};
};

class PostgresCapture {
 public:
  // Everything given outlives the capture. `log` is used by it alone, but for CommitLog::Read.
  PostgresCapture(PostgresCaptureOptions options, CommitLog& log, io::FileSystem& files,
                  PostgresSink& sink, Clock& clock, Random& random, telemetry::Registry& metrics);
  ~PostgresCapture();

  void Start();
  void Stop();

  // Creates the capture's metrics, for references that are written without a database.
  static void DeclareMetrics(telemetry::Registry& metrics) { Metrics declared(metrics); }

  // Empty while the stream flows; else why not, for people. Any thread.
  std::string degraded() const;
  // Set when the change log can no longer be written: the process must exit. Any thread.
  bool failed() const { return failed_.load(); }
  // Which commits lie where, for exact reads. Any thread.
  RecentCommits& recent() { return recent_; }

 private:
  struct Metrics {
    explicit Metrics(telemetry::Registry& registry);
    telemetry::Counter& changes;
    telemetry::Counter& commits;
    telemetry::Counter& reconnects;
    telemetry::Counter& spilled;
    telemetry::Counter& unkeyed;
    telemetry::Counter& histories;
    telemetry::Gauge& connected;
    telemetry::Gauge& lag_bytes;
    telemetry::Gauge& wal_retained;
  };
  // One connection's life.
  struct Session;

  void Run();
  void RunWriter();
  Status RunOnce();
  Status Prepare(Session& session);
  Status PrepareSlot(Session& session);
  Status Begin(Session& session, postgres::Lsn start, const std::string& identity);
  Status LoadTables(Session& session);
  Status Stream(Session& session);
  Status OnData(Session& session, std::string_view bytes);
  Status Handle(Session& session, Transaction& transaction);
  Status HandleMessage(Session& session, std::string_view bytes);
  Status OnRelation(Session& session, const postgres::RelationMessage& message);
  Status RefreshCatalog(Session& session);
  void AddChange(Session& session, Change change);
  Status FlushBatch(Session& session, bool last_part);
  Status WaitForRoom(Session& session);
  Status Reply(Session& session, bool now);
  Status Tick(Session& session);
  Status DropSlot(Session& session);
  Status GuardWal(Session& session);
  void SetDegraded(std::string reason);
  void Sleep(std::chrono::milliseconds time);

  const PostgresCaptureOptions options_;
  CommitLog& log_;
  io::FileSystem& files_;
  PostgresSink& sink_;
  Clock& clock_;
  Random& random_;
  Metrics metrics_;
  RecentCommits recent_;

  // What has been handed to the sink, whatever the log has synced.
  Position published_;
  postgres::Lsn published_end_;      // Every commit that ends at or before it is in there.
  CommitLog::Part published_part_;   // Of a commit that was cut in the middle.

  std::atomic<bool> stopping_{false};
  std::atomic<bool> failed_{false};
  int wake_ = -1;  // eventfd: the log has synced, or Stop.
  mutable std::mutex mutex_;  // Guards what follows.
  std::condition_variable writer_wake_;
  std::string degraded_ = "not connected to PostgreSQL yet";
  std::deque<LoggedBatch> queue_;  // For the log.
  size_t queue_bytes_ = 0;
  postgres::Lsn mark_;             // To be marked when the queue is empty.
  bool trim_due_ = false;
  bool writer_stopping_ = false;
  std::thread thread_;
  std::thread writer_;
};

}  // namespace tw::capture
