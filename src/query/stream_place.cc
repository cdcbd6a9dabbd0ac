#include "query/stream_place.h"

namespace tw::query {
namespace {

// The stream mostly passes a place by itself.
constexpr std::chrono::milliseconds kPassMax{5};

std::unexpected<Error> Behind() {
  return Fail(
      ErrorCode::kUnavailable,
      "the change stream is behind, so that the place of this read is not known; try again");
}

}  // namespace

Result<StreamPlace::Snapshot> StreamPlace::Take(postgres::Connection& connection) const {
  Snapshot snapshot{.epoch = log_.head().epoch};
  // Whatever the snapshot sees was in the WAL before this was asked.
  TW_ASSIGN_OR_RETURN(const auto place, connection.Query("select pg_current_snapshot(),"
                                                         " pg_current_wal_insert_lsn()"));
  TW_ASSIGN_OR_RETURN(snapshot.transactions, capture::ParseSnapshot(place.Text(0, 0)));
  TW_ASSIGN_OR_RETURN(snapshot.end, postgres::ParseLsn(place.Text(0, 1)));
  return snapshot;
}

Result<std::optional<Position>> StreamPlace::Locate(postgres::Connection& connection,
                                                    const Snapshot& snapshot) const {
  TW_RETURN_IF_ERROR(WaitFor(connection, snapshot.end));
  TW_ASSIGN_OR_RETURN(const auto offset, recent_.Locate(snapshot.transactions));
  if (!offset || log_.head().epoch != snapshot.epoch) return std::nullopt;
  return Position{snapshot.epoch, *offset};
}

StreamPlace::Mark StreamPlace::Now() const {
  return {log_.head().epoch, recent_.count()};
}

Result<Position> StreamPlace::OfCommit(postgres::Connection& connection, const Mark& mark,
                                       uint32_t xid) const {
  TW_ASSIGN_OR_RETURN(const auto end, EndOfWal(connection));
  auto offset = recent_.WaitForCommit(xid, mark.commits, end, kPassMax);
  if (!offset.ok()) {
    // The end of the WAL may be another's open transaction, so that nothing passes it by itself.
    TW_RETURN_IF_ERROR(WaitFor(connection, end));
    offset = recent_.WaitForCommit(xid, mark.commits, end, kPassMax);
  }
  TW_RETURN_IF_ERROR(offset);
  if (log_.head().epoch != mark.epoch) return Behind();
  // What changed nothing that is followed is anywhere before what came last.
  return Position{mark.epoch, offset->value_or(recent_.newest_offset())};
}

Result<Position> StreamPlace::OfNow(postgres::Connection& connection) const {
  const uint64_t epoch = log_.head().epoch;
  TW_ASSIGN_OR_RETURN(const auto end, EndOfWal(connection));
  TW_RETURN_IF_ERROR(WaitFor(connection, end));
  if (log_.head().epoch != epoch) return Behind();
  return Position{epoch, recent_.newest_offset()};
}

Result<postgres::Lsn> StreamPlace::EndOfWal(postgres::Connection& connection) const {
  TW_ASSIGN_OR_RETURN(const auto end, connection.Query("select pg_current_wal_insert_lsn()"));
  return postgres::ParseLsn(end.Text(0, 0));
}

Status StreamPlace::WaitFor(postgres::Connection& connection, postgres::Lsn end) const {
  if (recent_.WaitFor(end, kPassMax)) return {};
  // The end of the WAL may be no commit's end and never be sent: a commit of our own is, and it
  // comes after everything that the snapshot saw.
  TW_RETURN_IF_ERROR(
      connection.Query("select pg_logical_emit_message(true, 'tidewire.fence', '')"));
  return recent_.WaitFor(end, wait_max_) ? Status() : Behind();
}

}  // namespace tw::query
