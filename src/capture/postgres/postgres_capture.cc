#include "capture/postgres/postgres_capture.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"
#include "capture/postgres/position.h"
#include "capture/postgres/session.h"
#include "crypto/hash.h"
#include "telemetry/log.h"

namespace tw::capture {

using postgres::Connection;
using postgres::Lsn;
using postgres::Parameter;
using postgres::SlotKind;
using telemetry::Level;

namespace {

constexpr std::chrono::milliseconds kStatementTimeout{30'000};
// What the log writer may be behind.
constexpr size_t kQueueBatchesMax = 2'048;
constexpr size_t kQueueBytesMax = 8u << 20;
constexpr size_t kGroupBytesMax = 16u << 20;

// The same for every process that follows this database, whatever its machine.
uint64_t EpochOf(const std::string& identity) {
  const crypto::Digest digest = crypto::Sha256(identity);
  uint64_t epoch = 0;
  for (size_t i = 0; i < sizeof epoch; ++i) {
    epoch = epoch << 8 | static_cast<uint8_t>(digest.view()[i]);
  }
  return epoch == 0 ? 1 : epoch;
}

}  // namespace

PostgresCapture::Metrics::Metrics(telemetry::Registry& r)
    : changes(r.GetCounter("tidewire_capture_changes_total",
                           "Committed row changes read from the store.")),
      commits(r.GetCounter("tidewire_capture_commits_total",
                           "Commits read from PostgreSQL's stream.")),
      reconnects(r.GetCounter("tidewire_capture_reconnects_total",
                              "Connections to PostgreSQL that ended and were retried.")),
      spilled(r.GetCounter("tidewire_capture_spilled_bytes_total",
                           "Bytes of large transactions that waited on disk.")),
      unkeyed(r.GetCounter("tidewire_capture_unkeyed_total",
                           "Changes of tables without a primary key, which nobody gets.")),
      histories(r.GetCounter("tidewire_capture_histories_total",
                             "Histories begun anew: clients had to read again.")),
      connected(r.GetGauge("tidewire_capture_connected", "1 while PostgreSQL's stream flows.")),
      lag_bytes(r.GetGauge("tidewire_capture_lag_bytes",
                           "WAL that PostgreSQL has and we have not handled.")),
      wal_retained(r.GetGauge("tidewire_capture_wal_retained_bytes",
                              "WAL that PostgreSQL keeps because of our slot.")) {}

PostgresCapture::PostgresCapture(PostgresCaptureOptions options, CommitLog& log,
                                 io::FileSystem& files, PostgresSink& sink, Clock& clock,
                                 Random& random, telemetry::Registry& metrics)
    : options_(std::move(options)),
      log_(log),
      files_(files),
      sink_(sink),
      clock_(clock),
      random_(random),
      metrics_(metrics),
      published_(log.head()),
      published_end_(log.durable()),
      published_part_(log.unfinished().value_or(CommitLog::Part{})),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  TW_CHECK(wake_ >= 0);
}

PostgresCapture::~PostgresCapture() {
  Stop();
  close(wake_);
}

void PostgresCapture::Start() {
  writer_ = std::thread([this] { RunWriter(); });
  thread_ = std::thread([this] { Run(); });
}

void PostgresCapture::Stop() {
  stopping_.store(true);
  const uint64_t one = 1;
  (void)!write(wake_, &one, sizeof one);
  if (thread_.joinable()) thread_.join();
  {
    const std::lock_guard lock(mutex_);
    writer_stopping_ = true;
  }
  writer_wake_.notify_all();
  if (writer_.joinable()) writer_.join();
}

std::string PostgresCapture::degraded() const {
  const std::lock_guard lock(mutex_);
  return degraded_;
}

void PostgresCapture::SetDegraded(std::string reason) {
  metrics_.connected.Set(reason.empty() ? 1 : 0);
  bool changed = false;
  {
    const std::lock_guard lock(mutex_);
    changed = degraded_.empty() != reason.empty();
    degraded_ = reason;
  }
  if (changed) sink_.OnState(reason);
}

// Interrupted by Stop: the eventfd stays readable.
void PostgresCapture::Sleep(std::chrono::milliseconds time) {
  const MonoTime until = clock_.Mono() + time;
  while (!stopping_.load() && clock_.Mono() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
}

void PostgresCapture::Run() {
  std::chrono::milliseconds ceiling = options_.retry_min;
  while (!stopping_.load()) {
    const uint64_t before = metrics_.commits.value();
    const Status ended = RunOnce();
    if (stopping_.load()) break;
    if (failed_.load()) return;
    const std::string reason = ended.ok() ? "the stream ended" : ended.error().message;
    metrics_.reconnects.Add();
    SetDegraded(reason);
    if (metrics_.commits.value() != before) ceiling = options_.retry_min;
    // Full jitter: many of us that lost one server do not come back together.
    const auto wait = std::chrono::milliseconds{
        1 + static_cast<int64_t>(random_.Below(static_cast<uint64_t>(ceiling.count())))};
    telemetry::Log(Level::kError, "PostgresUnavailable",
                   "PostgreSQL cannot be followed; it is retried and nothing is lost meanwhile",
                   {{"error", reason}, {"retry_ms", wait.count()}});
    Sleep(wait);
    ceiling = std::min(ceiling * 2, options_.retry_max);
  }
  SetDegraded("stopped");
}

Status PostgresCapture::RunOnce() {
  postgres::ConnectOptions connect{.dsn = options_.dsn,
                                   .application_name = "tidewire",
                                   .statement_timeout = kStatementTimeout,
                                   // A read that row-level security would thin out raises.
                                   .settings = {{"row_security", "off"}}};
  TW_ASSIGN_OR_RETURN(Connection sql, Connection::Open(connect));
  TW_RETURN_IF_ERROR(EnsurePublication(sql, options_.source));
  TW_ASSIGN_OR_RETURN(const auto findings, Inspect(sql, options_.source));
  for (const Finding& finding : findings) {
    if (finding.severity != Finding::Severity::kError) continue;
    if (finding.table.empty()) {
      return Fail(ErrorCode::kFailedPrecondition,
                  finding.code + ": " + finding.message +
                      (finding.sql.empty() ? "" : "; run: " + finding.sql));
    }
    telemetry::Log(Level::kWarning, finding.code, finding.message, {{"sql", finding.sql}});
  }
  connect.settings.clear();
  TW_ASSIGN_OR_RETURN(auto stream, postgres::ReplicationStream::Open(connect));
  Session session(std::move(sql), std::move(stream), log_.shapes(), files_, options_.assembler);
  TW_RETURN_IF_ERROR(Prepare(session));
  const Status ended = Stream(session);
  session.stream.Close();
  // Decoding looks for the publication in the catalogue as it was at that place of the log, so that
  // making it again does not help a slot that is still before it.
  const std::string missing =
      "publication \"" + options_.source.publication + "\" does not exist";
  if (ended.ok() || ended.error().message.find(missing) == std::string::npos) return ended;
  telemetry::Log(Level::kError, "PublicationWasDropped",
                 "changes were committed while there was no publication: they are lost, the slot is"
                 " made anew and clients read anew",
                 {{"publication", options_.source.publication}, {"slot", options_.source.slot}});
  if (options_.source.slot_kind == SlotKind::kDurable) TW_RETURN_IF_ERROR(DropSlot(session));
  return ended;
}

Status PostgresCapture::Prepare(Session& session) {
  TW_RETURN_IF_ERROR(session.types.Load(session.sql));
  TW_RETURN_IF_ERROR(PrepareSlot(session));
  TW_RETURN_IF_ERROR(LoadTables(session));
  TW_ASSIGN_OR_RETURN(const auto timeout,
                      session.sql.Query("select setting::int from pg_catalog.pg_settings where"
                                        " name = 'wal_sender_timeout'"));
  if (const int64_t ms = timeout.empty() ? 0 : timeout.Int(0, 0); ms > 0) {
    session.status_interval = std::min(session.status_interval, std::chrono::milliseconds{ms / 3});
  }
  if (const Status started = session.stream.Start({options_.source.slot,
                                                   options_.source.publication, session.after});
      !started.ok()) {
    return Annotate(started.error(), "slot '" + options_.source.slot + "'");
  }
  session.received = session.after;
  recent_.Reset(published_.offset, session.after);
  SetDegraded("");
  telemetry::Log(Level::kInfo, "PostgresFollowed", "following PostgreSQL",
                 {{"database", session.sql.database()},
                  {"slot", options_.source.slot},
                  {"after", ToString(session.after)}});
  return {};
}

// Decides from where the stream goes on, and whether that is our history.
Status PostgresCapture::PrepareSlot(Session& session) {
  TW_ASSIGN_OR_RETURN(const auto system, session.stream.Identify());
  if (system.flushed > kLsnMax) {
    return Fail(ErrorCode::kFailedPrecondition, "this server has written more WAL than positions"
                                                " can count: " + ToString(system.flushed));
  }
  TW_ASSIGN_OR_RETURN(const auto database,
                      session.sql.Query("select oid from pg_catalog.pg_database where datname ="
                                        " current_database()"));
  std::string identity = system.system_id + "/" + std::to_string(system.timeline) + "/" +
                         std::string(database.Text(0, 0)) + "/" + options_.source.publication;
  if (options_.source.slot_kind == SlotKind::kTemporary) {
    TW_ASSIGN_OR_RETURN(const auto made,
                        session.stream.CreateSlot(options_.source.slot, SlotKind::kTemporary));
    // Nobody can tell what was missed: each start is a history of its own.
    return Begin(session, made.consistent_point, identity + "/" + random_.Hex(8));
  }
  TW_ASSIGN_OR_RETURN(
      const auto slot,
      session.sql.Query("select confirmed_flush_lsn, wal_status from"
                        " pg_catalog.pg_replication_slots where slot_name = $1",
                        {Parameter(options_.source.slot)}));
  if (slot.empty()) {
    TW_ASSIGN_OR_RETURN(const auto made,
                        session.stream.CreateSlot(options_.source.slot, SlotKind::kDurable));
    return Begin(session, made.consistent_point, identity);
  }
  if (slot.Text(0, 1) == "lost") {
    TW_RETURN_IF_ERROR(session.sql.Query("select pg_drop_replication_slot($1)",
                                         {Parameter(options_.source.slot)}));
    telemetry::Log(Level::kError, "SlotLost", "the replication slot was invalidated; changes are"
                   " lost and clients read anew", {{"slot", options_.source.slot}});
    TW_ASSIGN_OR_RETURN(const auto made,
                        session.stream.CreateSlot(options_.source.slot, SlotKind::kDurable));
    return Begin(session, made.consistent_point, identity);
  }
  TW_ASSIGN_OR_RETURN(const Lsn confirmed, postgres::ParseLsn(slot.Text(0, 0)));
  const auto history = log_.history();
  // Ahead of what we know: somebody else has read from our slot, or our log is gone. Behind what
  // the server has: it was put back to an older state.
  const bool continues = history && history->identity == identity &&
                         confirmed <= published_end_ && published_end_ <= system.flushed;
  if (!continues) return Begin(session, confirmed, identity);
  session.after = published_end_;
  return {};
}

Status PostgresCapture::Begin(Session& session, Lsn start, const std::string& identity) {
  // The log's writer must not put older batches behind the start.
  for (;;) {
    if (stopping_.load()) return Fail(ErrorCode::kUnavailable, "stopping");
    {
      const std::lock_guard lock(mutex_);
      if (queue_.empty() || failed_.load()) break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  const HistoryStart history{EpochOf(identity), start, identity};
  TW_RETURN_IF_ERROR(log_.StartHistory(history));
  metrics_.histories.Add();
  published_ = {history.epoch, OffsetBefore(start)};
  published_end_ = start;
  published_part_ = {};
  session.after = start;
  sink_.OnHistory(published_);
  return {};
}

Status PostgresCapture::LoadTables(Session& session) {
  TW_ASSIGN_OR_RETURN(const auto tables,
                      ReadPublishedTables(session.sql, options_.source.publication));
  for (const PublishedTable& table : tables) {
    // The catalogue may be ahead of the stream: what the stream has announced holds until it says
    // otherwise.
    if (session.book.Find(table.oid) != nullptr) continue;
    TW_RETURN_IF_ERROR(session.book.Add(table.Message(), [&](uint32_t) { return table.key; }));
  }
  return RefreshCatalog(session);
}

Status PostgresCapture::RefreshCatalog(Session& session) {
  std::vector<RelationPtr> relations = session.book.relations();
  std::erase_if(relations, [](const RelationPtr& relation) { return relation->key.empty(); });
  return sink_.OnCatalog(relations, session.sql);
}

// The log writer: what queued up while the last group was synced is the next group.
void PostgresCapture::RunWriter() {
  for (;;) {
    std::vector<LoggedBatch> group;
    Lsn mark;
    bool trim = false;
    {
      std::unique_lock lock(mutex_);
      writer_wake_.wait(lock, [this] {
        return writer_stopping_ || !queue_.empty() || mark_.bytes != 0 || trim_due_;
      });
      if (queue_.empty() && writer_stopping_) return;
      size_t bytes = 0;
      for (const LoggedBatch& logged : queue_) {
        if (!group.empty() && bytes + logged.batch->bytes > kGroupBytesMax) break;
        bytes += logged.batch->bytes;
        group.push_back(logged);
      }
      if (group.empty()) mark = std::exchange(mark_, Lsn{});
      trim = std::exchange(trim_due_, false);
    }
    Status done;
    if (!group.empty()) done = log_.Append(group);
    if (done.ok() && mark.bytes != 0) done = log_.Mark(mark);
    if (done.ok() && trim) done = log_.Trim(options_.retention, clock_.Wall());
    if (!done.ok()) {
      telemetry::Log(Level::kError, "ChangeLogFailed", "the change log cannot be written",
                     {{"error", done.error().message}});
      if (done.error().code != ErrorCode::kResourceExhausted) {
        failed_.store(true);
        return;
      }
      // A full disk: the stream waits, and PostgreSQL keeps the WAL.
      std::this_thread::sleep_for(options_.retry_min);
      const std::lock_guard lock(mutex_);
      if (writer_stopping_) return;
      continue;
    }
    {
      const std::lock_guard lock(mutex_);
      for (size_t i = 0; i < group.size(); ++i) {
        queue_bytes_ -= queue_.front().batch->bytes;
        queue_.pop_front();
      }
    }
    const uint64_t one = 1;
    (void)!write(wake_, &one, sizeof one);
  }
}

Status PostgresCapture::WaitForRoom(Session& session) {
  for (;;) {
    bool full = sink_.Congested();
    {
      const std::lock_guard lock(mutex_);
      full = full || queue_.size() >= kQueueBatchesMax || queue_bytes_ >= kQueueBytesMax;
    }
    if (!full) return {};
    if (stopping_.load() || failed_.load()) return Fail(ErrorCode::kUnavailable, "stopping");
    TW_RETURN_IF_ERROR(Reply(session, false));
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
}

Status PostgresCapture::FlushBatch(Session& session, bool last_part) {
  if (session.batch == nullptr) return {};
  TW_RETURN_IF_ERROR(WaitForRoom(session));
  // Amid a large commit the server must hear from us as well.
  TW_RETURN_IF_ERROR(Reply(session, false));
  session.info.last_part = last_part;
  std::shared_ptr<Batch> batch = std::exchange(session.batch, nullptr);
  batch->after = published_.offset;
  batch->one_commit = last_part && published_part_.commit_lsn != session.info.commit_lsn;
  published_.offset = batch->changes.back().offset;
  batch->position = published_;
  metrics_.changes.Add(batch->changes.size());
  if (last_part) {
    published_part_ = {};
    recent_.Add(session.info.xid, published_.offset);
  } else {
    const bool more = published_part_.commit_lsn == session.info.commit_lsn;
    published_part_ = {session.info.commit_lsn,
                       batch->changes.size() + (more ? published_part_.changes : 0)};
  }
  const BatchPtr shared = std::move(batch);
  sink_.OnBatch(shared);
  {
    const std::lock_guard lock(mutex_);
    queue_bytes_ += shared->bytes;
    queue_.push_back({shared, session.info});
  }
  writer_wake_.notify_one();
  return {};
}

}  // namespace tw::capture
