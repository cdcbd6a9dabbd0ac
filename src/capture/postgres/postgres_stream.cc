// The stream's side of PostgresCapture: messages, transactions, acknowledgements.
#include <unistd.h>

#include <algorithm>

#include "capture/postgres/position.h"
#include "capture/postgres/postgres_capture.h"
#include "capture/postgres/session.h"
#include "telemetry/log.h"

namespace tw::capture {

using postgres::Lsn;
using postgres::Parameter;
using telemetry::Level;

namespace {

constexpr std::chrono::milliseconds kTickInterval{1'000};
constexpr std::chrono::milliseconds kGuardInterval{10'000};
// How often the place of an idle stream is made durable, so that the server may forget WAL.
constexpr std::chrono::milliseconds kMarkInterval{10'000};
constexpr std::chrono::milliseconds kPollMax{200};
// A part of a large commit that is handed on at once.
constexpr size_t kPartChangesMax = 10'000;
constexpr size_t kPartBytesMax = CommitLog::kBatchBytesMax;
// Of what other programs call mutation ids; more are not confirmed.
constexpr size_t kMutationIdBytesMax = 128;
constexpr size_t kMutationsOfCommitMax = 10'000;
// A confirmation costs the server a little: not for every commit.
constexpr std::chrono::milliseconds kConfirmInterval{100};

}  // namespace

Status PostgresCapture::Stream(Session& session) {
  const MonoTime start = clock_.Mono();
  session.next_status = start + session.status_interval;
  session.next_mark = start + kMarkInterval;
  session.next_guard = start;
  while (!stopping_.load() && !failed_.load()) {
    TW_ASSIGN_OR_RETURN(const auto event, session.stream.Next(kPollMax, wake_));
    uint64_t count = 0;
    bool asked = false;
    if (const auto* data = std::get_if<postgres::StreamData>(&event)) {
      session.server_end = std::max(session.server_end, data->server_end);
      TW_RETURN_IF_ERROR(OnData(session, data->bytes));
    } else if (const auto* keepalive = std::get_if<postgres::Keepalive>(&event)) {
      session.server_end = std::max(session.server_end, keepalive->server_end);
      // Everything before it has come: nothing is open, so that all of it is handled.
      if (!session.assembler.in_transaction()) {
        session.received = std::max(session.received, keepalive->server_end);
        published_end_ = std::max(published_end_, session.received);
        recent_.Pass(session.received);
      }
      asked = keepalive->reply_requested;
    } else {
      (void)!read(wake_, &count, sizeof count);
    }
    TW_RETURN_IF_ERROR(Reply(session, asked));
    if (clock_.Mono() >= session.next_tick && !session.assembler.in_transaction()) {
      TW_RETURN_IF_ERROR(Tick(session));
    }
  }
  return Reply(session, true);
}

Status PostgresCapture::OnData(Session& session, std::string_view bytes) {
  const uint64_t spilled = session.assembler.spilled_bytes();
  TW_ASSIGN_OR_RETURN(auto transaction, session.assembler.Add(bytes));
  if (const uint64_t now = session.assembler.spilled_bytes(); now > spilled) {
    metrics_.spilled.Add(now - spilled);
  }
  if (!transaction) return {};
  TW_RETURN_IF_ERROR(Handle(session, *transaction));
  session.received = std::max(session.received, transaction->commit.end_lsn);
  recent_.Pass(session.received);
  return {};
}

Status PostgresCapture::Handle(Session& session, Transaction& transaction) {
  // The server may begin before what was asked for.
  if (transaction.commit.end_lsn <= published_end_) return {};
  session.begin = transaction.begin;
  session.info = {transaction.commit.commit_lsn, transaction.commit.end_lsn, transaction.begin.xid};
  session.changes = transaction.changes;
  session.number = 0;
  session.skip =
      published_part_.commit_lsn == transaction.commit.commit_lsn ? published_part_.changes : 0;
  session.batch = nullptr;
  // Nobody reads what is between: rights are those behind the commit, for all that it did.
  if (transaction.has_ddl) TW_RETURN_IF_ERROR(LoadTables(session));
  session.mutations.clear();
  for (;;) {
    TW_ASSIGN_OR_RETURN(const auto message, transaction.Next());
    if (!message) break;
    TW_RETURN_IF_ERROR(HandleMessage(session, *message));
  }
  TW_RETURN_IF_ERROR(FlushBatch(session, true));
  if (published_part_.commit_lsn == session.info.commit_lsn) {
    // Its last part went before a message, or before the connection was lost.
    published_part_ = {};
    recent_.Add(session.info.xid, published_.offset);
  }
  if (!session.mutations.empty()) {
    sink_.OnMutations(std::exchange(session.mutations, {}), published_);
  }
  published_end_ = transaction.commit.end_lsn;
  metrics_.commits.Add();
  return {};
}

Status PostgresCapture::HandleMessage(Session& session, std::string_view bytes) {
  TW_ASSIGN_OR_RETURN(const auto message, postgres::DecodeMessage(bytes));
  const auto change = [&](uint32_t oid) -> Status {
    ++session.number;
    const StreamedTable* const table = session.book.Find(oid);
    if (table == nullptr) {
      return Fail(ErrorCode::kDataLoss, "a change of a relation that was not announced");
    }
    if (table->relation->key.empty()) {
      metrics_.unkeyed.Add();
      return {};
    }
    if (session.skip > 0) {
      --session.skip;
      return {};
    }
    AddChange(session, session.book.MakeChange(*table, message));
    const bool full = session.batch->changes.size() >= kPartChangesMax ||
                      session.batch->bytes >= kPartBytesMax;
    // The last change of a commit waits for the commit's end.
    return full && session.number < session.changes ? FlushBatch(session, false) : Status();
  };
  if (const auto* insert = std::get_if<postgres::Insert>(&message)) return change(insert->relation);
  if (const auto* update = std::get_if<postgres::Update>(&message)) return change(update->relation);
  if (const auto* deleted = std::get_if<postgres::Delete>(&message)) {
    return change(deleted->relation);
  }
  if (const auto* relation = std::get_if<postgres::RelationMessage>(&message)) {
    return OnRelation(session, *relation);
  }
  if (const auto* truncate = std::get_if<postgres::Truncate>(&message)) {
    TW_RETURN_IF_ERROR(FlushBatch(session, false));
    for (const uint32_t oid : truncate->relations) {
      if (const StreamedTable* table = session.book.Find(oid)) sink_.OnTruncate(*table->relation);
    }
    return {};
  }
  if (const auto* text = std::get_if<postgres::LogicalMessage>(&message)) {
    if (text->prefix == kDdlPrefix) return {};
    // Says something of the whole commit, wherever in it it stands.
    if (text->prefix == "tidewire.mutation") {
      if (text->transactional && text->content.size() <= kMutationIdBytesMax &&
          session.mutations.size() < kMutationsOfCommitMax) {
        session.mutations.emplace_back(text->content);
      }
      return {};
    }
    TW_RETURN_IF_ERROR(FlushBatch(session, false));
    sink_.OnMessage(text->prefix, text->content);
    return {};
  }
  if (const auto* type = std::get_if<postgres::TypeMessage>(&message)) {
    return session.types.Knows(type->oid) ? Status() : session.types.Load(session.sql);
  }
  // Where a commit was first made, and what a newer server may send, concern nobody here.
  return {};
}

void PostgresCapture::AddChange(Session& session, Change change) {
  change.offset = OffsetOf(session.info.commit_lsn, session.number, session.changes);
  change.committed_at = session.begin.committed_at;
  if (session.batch == nullptr) session.batch = std::make_shared<Batch>();
  session.batch->bytes +=
      sizeof(Change) + ApproximateBytes(change.old_row) + ApproximateBytes(change.new_row);
  session.batch->changes.push_back(std::move(change));
}

Status PostgresCapture::OnRelation(Session& session, const postgres::RelationMessage& message) {
  const bool unknown = std::ranges::any_of(message.columns, [&](const auto& column) {
    return !session.types.Knows(column.type_oid);
  });
  if (unknown) TW_RETURN_IF_ERROR(session.types.Load(session.sql));
  const StreamedTable* const known = session.book.Find(message.oid);
  const RelationPtr before = known == nullptr ? nullptr : known->relation;
  TW_RETURN_IF_ERROR(session.book.Add(message, [&](uint32_t oid) {
    return ReadPrimaryKey(session.sql, oid);
  }));
  // Announced before its first use and after every invalidation: mostly as it was.
  if (session.book.Find(message.oid)->relation == before) return {};
  TW_RETURN_IF_ERROR(FlushBatch(session, false));
  return RefreshCatalog(session);
}

Status PostgresCapture::Reply(Session& session, bool now) {
  const MonoTime time = clock_.Mono();
  bool idle = false;
  {
    const std::lock_guard lock(mutex_);
    idle = queue_.empty();
    // What concerned nobody is marked now and then, so that the server need not keep it for us.
    if (idle && time >= session.next_mark && session.received > log_.durable()) {
      session.next_mark = time + kMarkInterval;
      mark_ = session.received;
      writer_wake_.notify_one();
    }
  }
  const Lsn flushed = log_.durable();
  const bool news = flushed > session.reported &&
                    time >= session.next_status - session.status_interval + kConfirmInterval;
  metrics_.lag_bytes.Set(static_cast<int64_t>(
      session.server_end.bytes - std::min(session.server_end.bytes, session.received.bytes)));
  if (!now && !news && time < session.next_status) return {};
  session.next_status = time + session.status_interval;
  session.reported = flushed;
  return session.stream.SendStatus(std::max(session.received, flushed), flushed, clock_.Wall());
}

Status PostgresCapture::Tick(Session& session) {
  session.next_tick = clock_.Mono() + kTickInterval;
  {
    const std::lock_guard lock(mutex_);
    trim_due_ = true;
  }
  writer_wake_.notify_one();
  TW_ASSIGN_OR_RETURN(const bool changed, sink_.OnTick(session.sql));
  if (changed) TW_RETURN_IF_ERROR(LoadTables(session));
  return clock_.Mono() >= session.next_guard ? GuardWal(session) : Status();
}

// A slot that holds back more WAL than allowed is given up: the server's disk comes first.
Status PostgresCapture::GuardWal(Session& session) {
  session.next_guard = clock_.Mono() + kGuardInterval;
  TW_ASSIGN_OR_RETURN(
      const auto slot,
      session.sql.Query("select pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint,"
                        " wal_status from pg_catalog.pg_replication_slots where slot_name = $1",
                        {Parameter(options_.source.slot)}));
  if (slot.empty()) return Fail(ErrorCode::kNotFound, "the replication slot was dropped");
  metrics_.wal_retained.Set(slot.Int(0, 0));
  const auto retained = static_cast<uint64_t>(std::max<int64_t>(0, slot.Int(0, 0)));
  if (options_.wal_keep_bytes_max == 0 || retained <= options_.wal_keep_bytes_max) return {};
  if (options_.source.slot_kind == postgres::SlotKind::kTemporary) {
    return Fail(ErrorCode::kResourceExhausted, "store.wal_keep_max is reached");
  }
  telemetry::Log(Level::kError, "WalGuard",
                 "the slot holds back more WAL than store.wal_keep_max: it is dropped, changes are"
                 " lost and clients read anew",
                 {{"retained_bytes", retained}, {"slot", options_.source.slot}});
  TW_RETURN_IF_ERROR(DropSlot(session));
  return Fail(ErrorCode::kResourceExhausted, "store.wal_keep_max was reached; the slot is made anew");
}

Status PostgresCapture::DropSlot(Session& session) {
  session.stream.Close();
  // The walsender needs a moment to let go; dropping an active slot raises.
  const std::string terminate =
      "select pg_terminate_backend(active_pid) from pg_catalog.pg_replication_slots where"
      " slot_name = $1 and active_pid is not null";
  TW_RETURN_IF_ERROR(session.sql.Query(terminate, {Parameter(options_.source.slot)}));
  for (int attempt = 0;; ++attempt) {
    constexpr int kAttemptsMax = 50;
    const auto dropped = session.sql.Query("select pg_drop_replication_slot($1)",
                                           {Parameter(options_.source.slot)});
    if (dropped.ok()) return {};
    if (attempt == kAttemptsMax) return std::unexpected(dropped.error());
    Sleep(std::chrono::milliseconds{100});
  }
}

}  // namespace tw::capture
