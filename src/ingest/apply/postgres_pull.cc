#include "ingest/apply/postgres_pull.h"

#include <array>

namespace tw::ingest {

using postgres::Parameter;
using postgres::QuoteIdentifier;

namespace {

constexpr std::string_view kOwnJobs = "tidewire_job";

StoredText NullIfEmpty(std::string_view text) {
  if (text.empty()) return std::nullopt;
  return StorableText(text);
}

// "a" = $1 and "b" = $2
template <typename Columns, typename Name>
std::string Condition(const Columns& columns, Name name) {
  std::string sql;
  size_t number = 0;
  for (const auto& column : columns) {
    sql += (sql.empty() ? "" : " and ") + QuoteIdentifier(name(column)) + " = $" +
           std::to_string(++number);
  }
  return sql;
}

}  // namespace

PostgresPull::PostgresPull(PostgresSession& session,
                           std::vector<std::shared_ptr<const Source>> sources,
                           std::string jobs_table)
    : session_(session),
      sources_(std::move(sources)),
      jobs_table_(jobs_table == kOwnJobs ? "tidewire.job" : std::move(jobs_table)) {}

Result<std::string> PostgresPull::ReadState(std::string_view key) {
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query("select value from tidewire.state where key = $1", {Parameter(key)}));
  return std::string(rows.empty() ? "" : rows.Text(0, 0));
}

Status PostgresPull::WriteState(std::string_view key, std::string_view value) {
  if (value.empty()) {
    return session_.Send("delete from tidewire.state where key = $1", {Parameter(key)});
  }
  return session_.Send(
      "insert into tidewire.state(key, value) values ($1, $2) "
      "on conflict(key) do update set value = excluded.value",
      {Parameter(key), Parameter(value)});
}

Result<std::vector<PulledTenant>> PostgresPull::PulledTenants(uint16_t source) {
  const TenantPlan& plan = sources_[source]->tenants;
  std::string sql = "select " + QuoteIdentifier(plan.id_column) + "::text, " +
                    QuoteIdentifier(plan.name_column) + ", " +
                    (plan.timezone_column.empty() ? "''" : QuoteIdentifier(plan.timezone_column));
  for (const auto& [name, column] : plan.more) sql += ", " + QuoteIdentifier(column) + "::text";
  sql += " from " + QualifiedName(plan.table);
  if (!plan.active_column.empty()) {
    sql += " where " + QuoteIdentifier(plan.active_column) + "::text in ('true', 't', '1')";
  }
  TW_ASSIGN_OR_RETURN(const auto rows, session_.Query(sql + " order by 1"));
  std::vector<PulledTenant> tenants;
  for (size_t i = 0; i < rows.size(); ++i) {
    PulledTenant& tenant = tenants.emplace_back();
    tenant.tenant.id = rows.Text(i, 0);
    tenant.tenant.name = rows.Text(i, 1);
    tenant.tenant.timezone = rows.Text(i, 2);
    for (size_t k = 0; k < plan.more.size(); ++k) {
      if (rows.IsNull(i, k + 3)) continue;
      tenant.more.emplace(plan.more[k].first, std::string(rows.Text(i, k + 3)));
    }
  }
  if (plan.credentials) TW_RETURN_IF_ERROR(ReadCredentials(*plan.credentials, tenants));
  return tenants;
}

Status PostgresPull::ReadCredentials(const CredentialsPlan& plan,
                                     std::vector<PulledTenant>& tenants) {
  TW_ASSIGN_OR_RETURN(const auto rows,
                      session_.Query("select " + QuoteIdentifier(plan.tenant_column) + "::text, " +
                                     QuoteIdentifier(plan.name_column) + "::text, " +
                                     QuoteIdentifier(plan.value_column) + "::text from " +
                                     QualifiedName(plan.table)));
  StringMap<PulledTenant*> by_id;
  for (PulledTenant& tenant : tenants) by_id.emplace(tenant.tenant.id, &tenant);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto found = by_id.find(rows.Text(i, 0));
    if (found == by_id.end() || rows.IsNull(i, 2)) continue;
    found->second->credentials[std::string(rows.Text(i, 1))] = rows.Text(i, 2);
  }
  return {};
}

Result<bool> PostgresPull::MarkSeen(std::string_view scope, std::string_view row_key,
                                    uint64_t pass) {
  const std::string number = std::to_string(pass);
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query("with before as (select swept from tidewire.seen "
                     "where scope = $1 and row_key = $2), "
                     "written as (insert into tidewire.seen(scope, row_key, pass) "
                     "values ($1, $2, $3) on conflict(scope, row_key) do update set "
                     "pass = excluded.pass, swept = false) select swept from before",
                     {Parameter(scope), Parameter(row_key), Parameter(number)}));
  return !rows.empty() && rows.Bool(0, 0);
}

Result<int64_t> PostgresPull::CountSeen(std::string_view scope) {
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query("select count(*) from tidewire.seen where scope = $1 and not swept",
                     {Parameter(scope)}));
  return rows.Int(0, 0);
}

Result<std::vector<std::string>> PostgresPull::Unseen(std::string_view scope, uint64_t before_pass,
                                                      int max) {
  const std::string pass = std::to_string(before_pass);
  const std::string limit = std::to_string(max);
  TW_ASSIGN_OR_RETURN(const auto rows,
                      session_.Query("select row_key from tidewire.seen where scope = $1 and "
                                     "not swept and pass < $2 limit $3",
                                     {Parameter(scope), Parameter(pass), Parameter(limit)}));
  std::vector<std::string> keys;
  for (size_t i = 0; i < rows.size(); ++i) keys.emplace_back(rows.Text(i, 0));
  return keys;
}

Status PostgresPull::MarkSwept(std::string_view scope, std::string_view row_key) {
  return session_.Send("update tidewire.seen set swept = true where scope = $1 and row_key = $2",
                       {Parameter(scope), Parameter(row_key)});
}

Result<std::vector<std::vector<Value>>> PostgresPull::KeysWhere(
    TableRef ref, std::span<const ColumnValue> where) {
  const TablePlan& plan = sources_[ref.source]->tables[ref.table];
  std::string sql = "select ";
  for (size_t i = 0; i < plan.key.size(); ++i) {
    sql += (i > 0 ? ", " : "") + QuoteIdentifier(plan.key[i].column);
  }
  Parameters parameters;
  for (const ColumnValue& column : where) parameters.AddOptional(TextOfValue(column.value));
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query(sql + " from " + QualifiedName(plan.name) + " where " +
                         Condition(where, [](const ColumnValue& c) { return c.column; }),
                     parameters.views()));
  std::vector<std::vector<Value>> keys;
  for (size_t i = 0; i < rows.size(); ++i) {
    auto& key = keys.emplace_back();
    for (size_t k = 0; k < plan.key.size(); ++k) {
      key.push_back(ValueOfText(rows.OptionalText(i, k), plan.key[k].type));
    }
  }
  return keys;
}

Status PostgresPull::DeleteRow(TableRef ref, std::span<const Value> key) {
  const TablePlan& plan = sources_[ref.source]->tables[ref.table];
  Parameters parameters;
  parameters.Add(key);
  return session_.Send(
      "delete from " + QualifiedName(plan.name) + " where " +
          Condition(plan.key, [](const ColumnBinding& c) { return std::string_view(c.column); }),
      parameters.views());
}

Status PostgresPull::UpsertFreshness(uint16_t source, std::span<const ColumnValue> key,
                                     std::span<const ColumnValue> values) {
  std::string columns;
  std::string numbers;
  std::string conflict;
  std::string updates;
  Parameters parameters;
  size_t count = 0;
  const auto add = [&](const ColumnValue& column) {
    const std::string quoted = QuoteIdentifier(column.column);
    columns += (columns.empty() ? "" : ", ") + quoted;
    numbers += (count > 0 ? ", $" : "$") + std::to_string(count + 1);
    ++count;
    parameters.AddOptional(TextOfValue(column.value));
    return quoted;
  };
  for (const ColumnValue& column : key) {
    const std::string quoted = add(column);
    conflict += (conflict.empty() ? "" : ", ") + quoted;
  }
  for (const ColumnValue& column : values) {
    const std::string quoted = add(column);
    updates += (updates.empty() ? "" : ", ") + quoted + " = excluded." + quoted;
  }
  return session_.Send("insert into " + QualifiedName(sources_[source]->freshness->table) + "(" +
                           columns + ") values (" + numbers + ") on conflict(" + conflict +
                           ") do " + (updates.empty() ? "nothing" : "update set " + updates),
                       parameters.views());
}

Status PostgresPull::InsertRun(const RunRecord& run) {
  Parameters parameters;
  for (const std::string_view text :
       {run.id, run.job, run.source, run.stream, run.tenant, run.purpose, run.status}) {
    parameters.Add(text);
  }
  parameters.AddOptional(NullIfEmpty(run.error));
  parameters.Add(FormatTimestampMs(run.started_at));
  parameters.Add(FormatTimestampMs(run.ended_at));
  parameters.Add(static_cast<int64_t>(run.records));
  parameters.Add(static_cast<int64_t>(run.changed));
  return session_.Send(
      "insert into tidewire.run values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
      "on conflict(id) do update set status = excluded.status, error = excluded.error, "
      "ended_at = excluded.ended_at, records = excluded.records, changed = excluded.changed",
      parameters.views());
}

Result<int64_t> PostgresPull::RunsSince(std::string_view source, std::string_view tenant,
                                        WallTime since) {
  const std::string bound = FormatTimestampMs(since);
  TW_ASSIGN_OR_RETURN(const auto rows,
                      session_.Query("select count(*) from tidewire.run where source = $1 and "
                                     "tenant = $2 and ended_at > $3",
                                     {Parameter(source), Parameter(tenant), Parameter(bound)}));
  return rows.Int(0, 0);
}

Status PostgresPull::TrimRuns(WallTime before, int max) {
  const std::string bound = FormatTimestampMs(before);
  const std::string limit = std::to_string(max);
  return session_.Send(
      "delete from tidewire.run where id in (select id from tidewire.run where ended_at < $1 "
      "order by ended_at limit $2)",
      {Parameter(bound), Parameter(limit)});
}

Status PostgresPull::BuryRecord(const DeadRecord& record) {
  Parameters parameters;
  parameters.Add(record.source);
  parameters.Add(record.stream);
  parameters.Add(record.tenant);
  parameters.AddBytes(record.record_id);
  parameters.Add(record.reason);
  parameters.Add(StorableText(record.error));
  parameters.Add(record.config_version);
  parameters.AddBytes(record.record);
  parameters.Add(FormatTimestampMs(record.at));
  return session_.Send(
      "insert into tidewire.dead_record values ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
      "on conflict(source, stream, tenant, record_id) do update set reason = excluded.reason, "
      "error = excluded.error, config_version = excluded.config_version, "
      "record = excluded.record, at = excluded.at",
      parameters.views());
}

Result<std::vector<KeptEvent>> PostgresPull::DeadLetters(const DeadFilter& filter, int max) {
  Parameters parameters;
  parameters.Add(filter.source);
  parameters.AddBytes(filter.type);
  parameters.Add(filter.reason);
  parameters.Add(filter.id);
  parameters.Add(int64_t{max});
  parameters.Add(filter.after);
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query("select id, source, sequence, event_index, event_type, reason, error, "
                     "config_version, received_at, event, signed_id from tidewire.dead_letter "
                     "where id > $6 and ($1 = '' or source = $1) and "
                     "($2::bytea = '' or event_type = $2) and ($3 = '' or reason = $3) and "
                     "($4 = '' or id::text = $4) order by id limit $5",
                     parameters.views()));
  std::vector<KeptEvent> letters;
  for (size_t i = 0; i < rows.size(); ++i) {
    KeptEvent& letter = letters.emplace_back();
    letter.id = rows.Int(i, 0);
    letter.source = rows.Text(i, 1);
    letter.sequence = static_cast<uint64_t>(rows.Int(i, 2));
    letter.index = static_cast<uint32_t>(rows.Int(i, 3));
    letter.event_type = postgres::BytesOfText(rows.Text(i, 4));
    letter.reason = rows.Text(i, 5);
    letter.error = rows.Text(i, 6);
    letter.config_version = rows.Text(i, 7);
    letter.received_at = WallTime(std::chrono::microseconds(rows.Int(i, 8)));
    letter.event = postgres::BytesOfText(rows.Text(i, 9));
    letter.signed_id = postgres::BytesOfText(rows.Text(i, 10));
    letter.channel = "webhook";
  }
  return letters;
}

Status PostgresPull::RemoveDeadLetter(int64_t id) {
  const std::string text = std::to_string(id);
  return session_.Send("delete from tidewire.dead_letter where id = $1", {Parameter(text)});
}

Result<bool> PostgresPull::JobsHave(std::string_view column) {
  TW_ASSIGN_OR_RETURN(const std::string type, session_.TypeOf(jobs_table_, column));
  return !type.empty();
}

Result<std::vector<JobRow>> PostgresPull::ReadJobs() {
  TW_ASSIGN_OR_RETURN(const bool has_name, JobsHave("job_name"));
  TW_ASSIGN_OR_RETURN(const bool has_active, JobsHave("is_active"));
  if (!has_name || !has_active) {
    return Fail(ErrorCode::kFailedPrecondition,
                "the jobs table " + jobs_table_ +
                    " needs the columns job_name, unique, and is_active");
  }
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query("select job_name, is_active::text in ('true', 't', '1') from " +
                     QualifiedName(jobs_table_)));
  std::vector<JobRow> jobs;
  for (size_t i = 0; i < rows.size(); ++i) {
    JobRow& job = jobs.emplace_back();
    job.name = rows.Text(i, 0);
    job.active = rows.Bool(i, 1);
  }
  return jobs;
}

Status PostgresPull::WriteJob(const JobRow& row) {
  const std::array<StoredText, kJobColumns.size()> texts = {
      NullIfEmpty(row.type),
      NullIfEmpty(row.schedule),
      NullIfEmpty(row.endpoint),
      row.last_run_at ? StoredText(FormatTimestampMs(*row.last_run_at)) : std::nullopt,
      NullIfEmpty(row.last_status),
      NullIfEmpty(row.last_error),
      row.next_run_at ? StoredText(FormatTimestampMs(*row.next_run_at)) : std::nullopt};
  std::string columns = "job_name, is_active";
  std::string numbers = "$1, $2";
  std::string updates;
  Parameters parameters;
  parameters.Add(row.name);
  // "1" and "0" are integers' and booleans' alike.
  parameters.Add(row.active ? "1" : "0");
  size_t count = 2;
  for (size_t i = 0; i < kJobColumns.size(); ++i) {
    TW_ASSIGN_OR_RETURN(const bool has, JobsHave(kJobColumns[i]));
    if (!has) continue;
    const std::string column(kJobColumns[i]);
    columns += ", " + column;
    numbers += ", $" + std::to_string(++count);
    updates += (updates.empty() ? "" : ", ") + column + " = excluded." + column;
    parameters.AddOptional(texts[i]);
  }
  return session_.Send("insert into " + QualifiedName(jobs_table_) + "(" + columns + ") values (" +
                           numbers + ") on conflict(job_name) do " +
                           (updates.empty() ? "nothing" : "update set " + updates),
                       parameters.views());
}

Result<std::vector<OperatorRequest>> PostgresPull::PendingRequests() {
  TW_ASSIGN_OR_RETURN(const auto rows,
                      session_.Query("select id, verb, argument from tidewire.request "
                                     "where done_at is null order by id limit 100"));
  std::vector<OperatorRequest> requests;
  for (size_t i = 0; i < rows.size(); ++i) {
    requests.push_back(
        {rows.Int(i, 0), std::string(rows.Text(i, 1)), std::string(rows.Text(i, 2))});
  }
  return requests;
}

Status PostgresPull::EndRequest(int64_t id, std::string_view result, WallTime at) {
  const std::string number = std::to_string(id);
  const std::string done = FormatTimestampMs(at);
  return session_.Send(
      "update tidewire.request set done_at = $2, result = $3 where id = $1 and done_at is null",
      {Parameter(number), Parameter(done), Parameter(result)});
}

Status PostgresPull::WriteAlert(const Alert& alert) {
  const std::string at = FormatTimestampMs(alert.at);
  if (alert.resolved) {
    return session_.Send(
        "update tidewire.alert set resolved_at = $4 where rule = $1 and source = $2 and "
        "tenant = $3 and resolved_at is null",
        {Parameter(alert.rule), Parameter(alert.source), Parameter(alert.tenant), Parameter(at)});
  }
  const std::string text = StorableText(alert.text);
  return session_.Send(
      "insert into tidewire.alert as t(rule, source, tenant, level, text, fired_at, last_at) "
      "values ($1, $2, $3, $4, $5, $6, $6) on conflict(rule, source, tenant) "
      "where resolved_at is null do update set last_at = excluded.last_at, count = t.count + 1, "
      "level = excluded.level, text = excluded.text",
      {Parameter(alert.rule), Parameter(alert.source), Parameter(alert.tenant),
       Parameter(LevelText(alert.level)), Parameter(text), Parameter(at)});
}

}  // namespace tw::ingest
