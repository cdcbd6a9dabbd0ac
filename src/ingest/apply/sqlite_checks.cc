// SqlitePull: what checks read and leave.
#include "ingest/apply/sqlite_effects.h"
#include "ingest/apply/sqlite_pull.h"

namespace tw::ingest {

using sqlite::QuoteIdentifier;
using sqlite::Statement;

Result<int64_t> SqlitePull::CountRows(TableRef ref, std::span<const ColumnValue> where,
                                      std::span<const RowCondition> conditions) {
  std::string sql = "select count(*) from " +
                    QuoteIdentifier(sources_[ref.source]->tables[ref.table].name) + " where 1";
  for (const ColumnValue& column : where) {
    sql += " and " + QuoteIdentifier(column.column) + " = ?";
  }
  for (const RowCondition& condition : conditions) {
    const std::string column = QuoteIdentifier(condition.column);
    switch (condition.kind) {
      case RowCondition::Kind::kTrue:
        sql += " and " + column + " in (1, '1', 'true', 't')";
        break;
      case RowCondition::Kind::kFalse:
        sql += " and coalesce(" + column + ", 0) not in (1, '1', 'true', 't')";
        break;
      case RowCondition::Kind::kNull:
        sql += " and " + column + " is null";
        break;
      case RowCondition::Kind::kNotNull:
        sql += " and " + column + " is not null";
        break;
      case RowCondition::Kind::kEqual:
        sql += " and " + column + " = ?";
        break;
      case RowCondition::Kind::kNotEqual:
        sql += " and " + column + " <> ?";
        break;
    }
  }
  TW_ASSIGN_OR_RETURN(Statement * read, Get(sql));
  int index = 1;
  for (const ColumnValue& column : where) BindValue(*read, index++, column.value);
  for (const RowCondition& condition : conditions) {
    const bool compares = condition.kind == RowCondition::Kind::kEqual ||
                          condition.kind == RowCondition::Kind::kNotEqual;
    if (compares) read->BindText(index++, condition.value);
  }
  TW_RETURN_IF_ERROR(read->Step());
  const int64_t count = read->ColumnInt(0);
  read->Reset();
  return count;
}

Status SqlitePull::WriteCheck(const CheckRecord& check) {
  const bool known = check.source_total.has_value();
  TW_ASSIGN_OR_RETURN(
      Statement * write,
      Get(known ? "insert or replace into tidewire_check values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
                : "update tidewire_check set status = ?4, checked_at = ?5 "
                  "where source = ?1 and name = ?2 and tenant = ?3"));
  const std::string at = FormatTimestampMs(check.at);
  write->BindText(1, check.source);
  write->BindText(2, check.check);
  write->BindText(3, check.tenant);
  if (!known) {
    write->BindText(4, check.status);
    write->BindText(5, at);
    return write->Run();
  }
  write->BindText(4, check.metric);
  write->BindText(5, check.status);
  write->BindInt(6, *check.source_total);
  write->BindInt(7, check.mirror_total.value_or(0));
  write->BindText(8, at);
  return write->Run();
}

Result<Reconciled> SqlitePull::RunsOf(std::string_view source, std::string_view stream,
                                      std::string_view tenant, std::string_view purpose,
                                      WallTime since) {
  TW_ASSIGN_OR_RETURN(
      Statement * read,
      Get("select count(*), max(ended_at) from tidewire_run where source = ?1 and tenant = ?2 and "
          "ended_at > ?3 and stream = ?4 and purpose = ?5"));
  const std::string bound = FormatTimestampMs(since);
  read->BindText(1, source);
  read->BindText(2, tenant);
  read->BindText(3, bound);
  read->BindText(4, stream);
  read->BindText(5, purpose);
  TW_RETURN_IF_ERROR(read->Step());
  Reconciled reconciled{.today = static_cast<uint32_t>(read->ColumnInt(0))};
  if (!read->ColumnIsNull(1)) {
    if (const auto last = ParseTimestamp(read->ColumnText(1)); last.ok()) reconciled.last = *last;
  }
  read->Reset();
  return reconciled;
}

}  // namespace tw::ingest
