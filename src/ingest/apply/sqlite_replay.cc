#include "ingest/apply/sqlite_replay.h"

#include <limits>

namespace tw::ingest {

using sqlite::QuoteIdentifier;

Result<std::vector<LoggedDelivery>> SqliteReplay::LoggedDeliveries(uint16_t source,
                                                                   const ReplayFilter& filter,
                                                                   uint64_t after, int max) {
  const LogPlan& plan = sources_[source]->log;
  const std::string id = plan.delivery_id_column.empty() ? std::string("null")
                                                         : QuoteIdentifier(plan.delivery_id_column);
  TW_ASSIGN_OR_RETURN(
      auto read, database_.Prepare(
                     "select id, received_at, status, coalesce(" + id + ", ''), body from " +
                     QuoteIdentifier(plan.table) +
                     " where id > ?1 and id <= ?2 and source = ?3 and (?4 = '' or " +
                     QuoteIdentifier(plan.tenant_column) +
                     " = ?4) and (?5 = '' or event_type = ?5) and (?6 = '' or status = ?6 or "
                     "substr(status, 1, length(?6) + 1) = ?6 || ':') and status not glob 'dead:*' "
                     "and status not glob 'parked:*' and received_at >= ?7 "
                     "and (?8 = '' or received_at < ?8) order by id limit ?9"));
  const std::string from = filter.from ? FormatTimestampMs(*filter.from) : std::string();
  const std::string to = filter.to ? FormatTimestampMs(*filter.to) : std::string();
  read.BindInt(1, static_cast<int64_t>(after));
  read.BindInt(2, filter.last_sequence == 0 ? std::numeric_limits<int64_t>::max()
                                            : static_cast<int64_t>(filter.last_sequence));
  read.BindText(3, sources_[source]->name);
  read.BindText(4, filter.tenant);
  read.BindText(5, filter.type);
  read.BindText(6, filter.status);
  read.BindText(7, from);
  read.BindText(8, to);
  read.BindInt(9, max);
  std::vector<LoggedDelivery> deliveries;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read.Step());
    if (!row) return deliveries;
    LoggedDelivery& delivery = deliveries.emplace_back();
    delivery.sequence = static_cast<uint64_t>(read.ColumnInt(0));
    TW_ASSIGN_OR_RETURN(delivery.received_at, ParseTimestamp(read.ColumnText(1)));
    delivery.status = read.ColumnText(2);
    delivery.signed_id = read.ColumnText(3);
    if (!read.ColumnIsNull(4)) delivery.body = std::string(read.ColumnBlob(4));
  }
}

}  // namespace tw::ingest
