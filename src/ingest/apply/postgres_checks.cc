// PostgresPull: what checks read and leave.
#include "ingest/apply/postgres_pull.h"

namespace tw::ingest {

using postgres::Parameter;
using postgres::QuoteIdentifier;

Result<int64_t> PostgresPull::CountRows(TableRef ref, std::span<const ColumnValue> where,
                                        std::span<const RowCondition> conditions) {
  std::string sql = "select count(*) from " +
                    QualifiedName(sources_[ref.source]->tables[ref.table].name) + " where true";
  Parameters parameters;
  size_t number = 0;
  for (const ColumnValue& column : where) {
    sql += " and " + QuoteIdentifier(column.column) + " = $" + std::to_string(++number);
    parameters.AddOptional(TextOfValue(column.value));
  }
  for (const RowCondition& condition : conditions) {
    const std::string column = QuoteIdentifier(condition.column);
    const auto compare = [&](std::string_view sign) {
      sql += " and " + column + " " + std::string(sign) + " $" + std::to_string(++number);
      parameters.Add(condition.value);
    };
    switch (condition.kind) {
      case RowCondition::Kind::kTrue:
        sql += " and " + column + "::text in ('true', 't', '1')";
        break;
      case RowCondition::Kind::kFalse:
        sql += " and coalesce(" + column + "::text, '') not in ('true', 't', '1')";
        break;
      case RowCondition::Kind::kNull:
        sql += " and " + column + " is null";
        break;
      case RowCondition::Kind::kNotNull:
        sql += " and " + column + " is not null";
        break;
      case RowCondition::Kind::kEqual:
        compare("=");
        break;
      case RowCondition::Kind::kNotEqual:
        compare("<>");
        break;
    }
  }
  TW_ASSIGN_OR_RETURN(const auto rows, session_.Query(sql, parameters.views()));
  return rows.Int(0, 0);
}

Status PostgresPull::WriteCheck(const CheckRecord& check) {
  Parameters parameters;
  parameters.Add(check.source);
  parameters.Add(check.check);
  parameters.Add(check.tenant);
  if (!check.source_total) {
    parameters.Add(check.status);
    parameters.Add(FormatTimestampMs(check.at));
    return session_.Send(
        "update tidewire.check set status = $4, checked_at = $5 "
        "where source = $1 and name = $2 and tenant = $3",
        parameters.views());
  }
  parameters.Add(check.metric);
  parameters.Add(check.status);
  parameters.Add(*check.source_total);
  parameters.Add(check.mirror_total.value_or(0));
  parameters.Add(FormatTimestampMs(check.at));
  return session_.Send(
      "insert into tidewire.check values ($1, $2, $3, $4, $5, $6, $7, $8) "
      "on conflict(source, name, tenant, metric) do update set status = excluded.status, "
      "source_total = excluded.source_total, mirror_total = excluded.mirror_total, "
      "checked_at = excluded.checked_at",
      parameters.views());
}

Result<Reconciled> PostgresPull::RunsOf(std::string_view source, std::string_view stream,
                                        std::string_view tenant, std::string_view purpose,
                                        WallTime since) {
  const std::string bound = FormatTimestampMs(since);
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query("select count(*), (extract(epoch from max(ended_at)) * 1000000)::bigint "
                     "from tidewire.run where source = $1 and tenant = $2 and ended_at > $3 and "
                     "stream = $4 and purpose = $5",
                     {Parameter(source), Parameter(tenant), Parameter(bound), Parameter(stream),
                      Parameter(purpose)}));
  Reconciled reconciled{.today = static_cast<uint32_t>(rows.Int(0, 0))};
  if (!rows.IsNull(0, 1)) {
    reconciled.last = WallTime(std::chrono::microseconds(rows.Int(0, 1)));
  }
  return reconciled;
}

}  // namespace tw::ingest
