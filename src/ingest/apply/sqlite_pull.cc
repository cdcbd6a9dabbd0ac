#include "ingest/apply/sqlite_pull.h"

#include <sqlite3.h>

#include <algorithm>

#include "ingest/apply/sqlite_effects.h"

namespace tw::ingest {
namespace {

using sqlite::QuoteIdentifier;
using sqlite::Statement;

constexpr std::string_view kOwnJobs = "tidewire_job";

constexpr std::string_view kSchema = R"sql(
create table if not exists tidewire_state(
  key text primary key,
  value text not null
) without rowid;

create table if not exists tidewire_seen(
  scope text not null,
  row_key text not null,
  pass integer not null,
  swept integer not null default 0,
  primary key(scope, row_key)
) without rowid;

create table if not exists tidewire_run(
  id text not null,
  job text not null,
  source text not null,
  stream text not null,
  tenant text not null,
  purpose text not null,
  status text not null,
  error text,
  started_at text not null,
  ended_at text not null,
  records integer not null,
  changed integer not null,
  primary key(id)
);
create index if not exists tidewire_run_ended on tidewire_run(ended_at);
create index if not exists tidewire_run_tenant on tidewire_run(source, tenant, ended_at);

create table if not exists tidewire_check(
  source text not null,
  name text not null,
  tenant text not null,
  metric text not null,
  status text not null,
  source_total integer,
  mirror_total integer,
  checked_at text not null,
  primary key(source, name, tenant, metric)
) without rowid;

create table if not exists tidewire_dead_record(
  source text not null,
  stream text not null,
  tenant text not null,
  record_id blob not null,
  reason text not null,
  error text not null,
  config_version text not null,
  record text not null,
  at text not null,
  primary key(source, stream, tenant, record_id)
) without rowid;

create table if not exists tidewire_request(
  id integer primary key,
  verb text not null,
  argument text not null,
  asked_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  done_at text,
  result text
);
create index if not exists tidewire_request_open on tidewire_request(id) where done_at is null;

create table if not exists tidewire_alert(
  id integer primary key,
  rule text not null,
  source text not null,
  tenant text not null,
  level text not null,
  text text not null,
  fired_at text not null,
  last_at text not null,
  count integer not null default 1,
  resolved_at text
);
create unique index if not exists tidewire_alert_open
  on tidewire_alert(rule, source, tenant) where resolved_at is null;
)sql";

constexpr std::string_view kOwnJobsSchema = R"sql(
create table if not exists tidewire_job(
  job_name text primary key,
  job_type text,
  schedule text,
  endpoint text,
  is_active integer not null default 1,
  last_run_at text,
  last_status text,
  last_error text,
  next_run_at text
);
)sql";

}  // namespace

Result<std::unique_ptr<SqlitePull>> SqlitePull::Create(
    sqlite::Database& database, std::span<const std::shared_ptr<const Source>> sources,
    const std::string& jobs_table) {
  TW_RETURN_IF_ERROR(database.Execute(kSchema));
  if (jobs_table == kOwnJobs) TW_RETURN_IF_ERROR(database.Execute(kOwnJobsSchema));
  std::unique_ptr<SqlitePull> effects(new SqlitePull(database, sources));
  TW_RETURN_IF_ERROR(effects->PrepareJobs(jobs_table));
  return effects;
}

Status SqlitePull::PrepareJobs(const std::string& table) {
  TW_ASSIGN_OR_RETURN(Statement * read, Get("select name from pragma_table_info(?1)"));
  read->BindText(1, table);
  StringSet columns_of;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read->Step());
    if (!row) break;
    columns_of.emplace(read->ColumnText(0));
  }
  if (!columns_of.contains("job_name") || !columns_of.contains("is_active")) {
    return Fail(ErrorCode::kInvalidArgument,
                "the jobs table " + table + " needs the columns job_name, unique, and is_active");
  }
  const std::string quoted = QuoteIdentifier(table);
  read_jobs_ = "select job_name, is_active from " + quoted;
  std::string columns = "job_name, is_active";
  std::string values = "?1, ?2";
  std::string updates;
  int index = 3;
  for (const std::string_view column : kJobColumns) {
    const std::string parameter = "?" + std::to_string(index++);
    if (!columns_of.contains(column)) continue;
    columns += ", " + std::string(column);
    values += ", " + parameter;
    updates += (updates.empty() ? "" : ", ") + std::string(column) + " = " + parameter;
  }
  insert_job_ = "insert into " + quoted + "(" + columns + ") values (" + values +
                ") on conflict(job_name) do nothing";
  TW_RETURN_IF_ERROR(Get(insert_job_));  // Fails when job_name is not unique.
  if (!updates.empty()) {
    update_job_ = "update " + quoted + " set " + updates + " where job_name = ?1";
  }
  return {};
}

Result<Statement*> SqlitePull::Get(const std::string& sql) {
  auto found = statements_.find(sql);
  if (found == statements_.end()) {
    TW_ASSIGN_OR_RETURN(Statement statement, database_.Prepare(sql));
    found = statements_.emplace(sql, std::move(statement)).first;
  }
  return &found->second;
}

Result<std::string> SqlitePull::ReadState(std::string_view key) {
  TW_ASSIGN_OR_RETURN(Statement * read, Get("select value from tidewire_state where key = ?1"));
  read->BindText(1, key);
  TW_ASSIGN_OR_RETURN(const bool found, read->Step());
  if (!found) return std::string();
  std::string value(read->ColumnText(0));
  read->Reset();
  return value;
}

Status SqlitePull::WriteState(std::string_view key, std::string_view value) {
  TW_ASSIGN_OR_RETURN(Statement * write,
                      Get(value.empty() ? "delete from tidewire_state where key = ?1"
                                        : "insert or replace into tidewire_state values (?1, ?2)"));
  write->BindText(1, key);
  if (!value.empty()) write->BindText(2, value);
  return write->Run();
}

Result<std::vector<PulledTenant>> SqlitePull::PulledTenants(uint16_t source) {
  const TenantPlan& plan = sources_[source]->tenants;
  const std::string active =
      plan.active_column.empty() ? std::string("1") : QuoteIdentifier(plan.active_column);
  std::string sql = "select cast(" + QuoteIdentifier(plan.id_column) + " as text), " +
                    QuoteIdentifier(plan.name_column) + ", " +
                    (plan.timezone_column.empty() ? "''" : QuoteIdentifier(plan.timezone_column));
  for (const auto& [name, column] : plan.more) sql += ", " + QuoteIdentifier(column);
  sql += " from " + QuoteIdentifier(plan.table) + " where " + active + " order by 1";
  TW_ASSIGN_OR_RETURN(Statement * read, Get(sql));
  std::vector<PulledTenant> tenants;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read->Step());
    if (!row) break;
    PulledTenant& tenant = tenants.emplace_back();
    tenant.tenant.id = read->ColumnText(0);
    tenant.tenant.name = read->ColumnText(1);
    tenant.tenant.timezone = read->ColumnText(2);
    for (size_t i = 0; i < plan.more.size(); ++i) {
      const int column = static_cast<int>(i) + 3;
      if (read->ColumnIsNull(column)) continue;
      tenant.more.emplace(plan.more[i].first, std::string(read->ColumnText(column)));
    }
  }
  if (plan.credentials) TW_RETURN_IF_ERROR(ReadCredentials(*plan.credentials, tenants));
  return tenants;
}

Status SqlitePull::ReadCredentials(const CredentialsPlan& plan,
                                   std::vector<PulledTenant>& tenants) {
  TW_ASSIGN_OR_RETURN(Statement * read,
                      Get("select cast(" + QuoteIdentifier(plan.tenant_column) + " as text), " +
                          QuoteIdentifier(plan.name_column) + ", " +
                          QuoteIdentifier(plan.value_column) + " from " +
                          QuoteIdentifier(plan.table)));
  StringMap<PulledTenant*> by_id;
  for (PulledTenant& tenant : tenants) by_id.emplace(tenant.tenant.id, &tenant);
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read->Step());
    if (!row) return {};
    const auto found = by_id.find(read->ColumnText(0));
    if (found == by_id.end() || read->ColumnIsNull(2)) continue;
    found->second->credentials[std::string(read->ColumnText(1))] = read->ColumnText(2);
  }
}

Result<bool> SqlitePull::MarkSeen(std::string_view scope, std::string_view row_key,
                                  uint64_t pass) {
  TW_ASSIGN_OR_RETURN(Statement * read, Get("select swept from tidewire_seen "
                                            "where scope = ?1 and row_key = ?2"));
  read->BindText(1, scope);
  read->BindText(2, row_key);
  TW_ASSIGN_OR_RETURN(const bool known, read->Step());
  const bool swept = known && read->ColumnInt(0) != 0;
  read->Reset();
  TW_ASSIGN_OR_RETURN(Statement * write,
                      Get("insert or replace into tidewire_seen values (?1, ?2, ?3, 0)"));
  write->BindText(1, scope);
  write->BindText(2, row_key);
  write->BindInt(3, static_cast<int64_t>(pass));
  TW_RETURN_IF_ERROR(write->Run());
  return swept;
}

Result<int64_t> SqlitePull::CountSeen(std::string_view scope) {
  TW_ASSIGN_OR_RETURN(Statement * read, Get("select count(*) from tidewire_seen "
                                            "where scope = ?1 and swept = 0"));
  read->BindText(1, scope);
  TW_ASSIGN_OR_RETURN(const bool row, read->Step());
  const int64_t count = row ? read->ColumnInt(0) : 0;
  read->Reset();
  return count;
}

Result<std::vector<std::string>> SqlitePull::Unseen(std::string_view scope, uint64_t before_pass,
                                                    int max) {
  TW_ASSIGN_OR_RETURN(Statement * read, Get("select row_key from tidewire_seen where scope = ?1 "
                                            "and swept = 0 and pass < ?2 limit ?3"));
  read->BindText(1, scope);
  read->BindInt(2, static_cast<int64_t>(before_pass));
  read->BindInt(3, max);
  std::vector<std::string> keys;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read->Step());
    if (!row) return keys;
    keys.emplace_back(read->ColumnText(0));
  }
}

Status SqlitePull::MarkSwept(std::string_view scope, std::string_view row_key) {
  TW_ASSIGN_OR_RETURN(Statement * write, Get("update tidewire_seen set swept = 1 "
                                             "where scope = ?1 and row_key = ?2"));
  write->BindText(1, scope);
  write->BindText(2, row_key);
  return write->Run();
}

Result<std::vector<std::vector<Value>>> SqlitePull::KeysWhere(TableRef ref,
                                                              std::span<const ColumnValue> where) {
  const TablePlan& plan = sources_[ref.source]->tables[ref.table];
  std::string sql = "select ";
  for (size_t i = 0; i < plan.key.size(); ++i) {
    sql += (i > 0 ? ", " : "") + QuoteIdentifier(plan.key[i].column);
  }
  sql += " from " + QuoteIdentifier(plan.name) + " where ";
  for (size_t i = 0; i < where.size(); ++i) {
    sql += (i > 0 ? " and " : "") + QuoteIdentifier(where[i].column) + " = ?";
  }
  TW_ASSIGN_OR_RETURN(Statement * read, Get(sql));
  for (size_t i = 0; i < where.size(); ++i) {
    BindValue(*read, static_cast<int>(i) + 1, where[i].value);
  }
  std::vector<std::vector<Value>> keys;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read->Step());
    if (!row) return keys;
    auto& key = keys.emplace_back();
    for (size_t i = 0; i < plan.key.size(); ++i) {
      key.push_back(ReadValue(*read, static_cast<int>(i)));
    }
  }
}

Status SqlitePull::DeleteRow(TableRef ref, std::span<const Value> key) {
  const TablePlan& plan = sources_[ref.source]->tables[ref.table];
  std::string sql = "delete from " + QuoteIdentifier(plan.name) + " where ";
  for (size_t i = 0; i < plan.key.size(); ++i) {
    sql += (i > 0 ? " and " : "") + QuoteIdentifier(plan.key[i].column) + " = ?";
  }
  TW_ASSIGN_OR_RETURN(Statement * write, Get(sql));
  BindValues(*write, 1, key);
  return write->Run();
}

Status SqlitePull::UpsertFreshness(uint16_t source, std::span<const ColumnValue> key,
                                   std::span<const ColumnValue> values) {
  std::string columns;
  std::string parameters;
  std::string conflict;
  std::string updates;
  for (const ColumnValue& column : key) {
    const std::string quoted = QuoteIdentifier(column.column);
    columns += (columns.empty() ? "" : ", ") + quoted;
    parameters += parameters.empty() ? "?" : ", ?";
    conflict += (conflict.empty() ? "" : ", ") + quoted;
  }
  for (const ColumnValue& column : values) {
    const std::string quoted = QuoteIdentifier(column.column);
    columns += ", " + quoted;
    parameters += ", ?";
    updates += (updates.empty() ? "" : ", ") + quoted + " = excluded." + quoted;
  }
  TW_ASSIGN_OR_RETURN(
      Statement * write,
      Get("insert into " + QuoteIdentifier(sources_[source]->freshness->table) + "(" + columns +
          ") values (" + parameters + ") on conflict(" + conflict + ") do " +
          (updates.empty() ? std::string("nothing") : "update set " + updates)));
  int index = 1;
  for (const ColumnValue& column : key) BindValue(*write, index++, column.value);
  for (const ColumnValue& column : values) BindValue(*write, index++, column.value);
  return write->Run();
}

Status SqlitePull::InsertRun(const RunRecord& run) {
  TW_ASSIGN_OR_RETURN(Statement * write, Get("insert or replace into tidewire_run values "
                                             "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"));
  const std::string started = FormatTimestampMs(run.started_at);
  const std::string ended = FormatTimestampMs(run.ended_at);
  int index = 1;
  for (const std::string_view text :
       {run.id, run.job, run.source, run.stream, run.tenant, run.purpose, run.status}) {
    write->BindText(index++, text);
  }
  if (run.error.empty()) {
    write->BindNull(index++);
  } else {
    write->BindText(index++, run.error);
  }
  write->BindText(index++, started);
  write->BindText(index++, ended);
  write->BindInt(index++, static_cast<int64_t>(run.records));
  write->BindInt(index++, static_cast<int64_t>(run.changed));
  return write->Run();
}

Result<int64_t> SqlitePull::RunsSince(std::string_view source, std::string_view tenant,
                                      WallTime since) {
  TW_ASSIGN_OR_RETURN(Statement * read, Get("select count(*) from tidewire_run where source = ?1 "
                                            "and tenant = ?2 and ended_at > ?3"));
  const std::string bound = FormatTimestampMs(since);
  read->BindText(1, source);
  read->BindText(2, tenant);
  read->BindText(3, bound);
  TW_ASSIGN_OR_RETURN(const bool row, read->Step());
  const int64_t count = row ? read->ColumnInt(0) : 0;
  read->Reset();
  return count;
}

Status SqlitePull::TrimRuns(WallTime before, int max) {
  TW_ASSIGN_OR_RETURN(Statement * write,
                      Get("delete from tidewire_run where id in (select id from tidewire_run "
                          "where ended_at < ?1 order by ended_at limit ?2)"));
  const std::string bound = FormatTimestampMs(before);
  write->BindText(1, bound);
  write->BindInt(2, max);
  return write->Run();
}

Status SqlitePull::BuryRecord(const DeadRecord& record) {
  TW_ASSIGN_OR_RETURN(Statement * write, Get("insert or replace into tidewire_dead_record values "
                                             "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"));
  const std::string at = FormatTimestampMs(record.at);
  write->BindText(1, record.source);
  write->BindText(2, record.stream);
  write->BindText(3, record.tenant);
  write->BindBlob(4, record.record_id);
  write->BindText(5, record.reason);
  write->BindText(6, record.error);
  write->BindText(7, record.config_version);
  write->BindText(8, record.record);
  write->BindText(9, at);
  return write->Run();
}

Result<std::vector<KeptEvent>> SqlitePull::DeadLetters(const DeadFilter& filter, int max) {
  TW_ASSIGN_OR_RETURN(
      Statement * read,
      Get("select id, source, sequence, event_index, event_type, reason, error, config_version, "
          "received_at, event, signed_id from tidewire_dead_letter where id > ?6 and "
          "(?1 = '' or source = ?1) and (?2 = '' or event_type = ?2) and (?3 = '' or reason = ?3) "
          "and (?4 = '' or id = cast(?4 as integer)) order by id limit ?5"));
  read->BindText(1, filter.source);
  read->BindText(2, filter.type);
  read->BindText(3, filter.reason);
  read->BindText(4, filter.id);
  read->BindInt(5, max);
  read->BindInt(6, filter.after);
  std::vector<KeptEvent> letters;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read->Step());
    if (!row) return letters;
    KeptEvent& letter = letters.emplace_back();
    letter.id = read->ColumnInt(0);
    letter.source = read->ColumnText(1);
    letter.sequence = static_cast<uint64_t>(read->ColumnInt(2));
    letter.index = static_cast<uint32_t>(read->ColumnInt(3));
    letter.event_type = read->ColumnText(4);
    letter.reason = read->ColumnText(5);
    letter.error = read->ColumnText(6);
    letter.config_version = read->ColumnText(7);
    letter.received_at = WallTime(std::chrono::microseconds(read->ColumnInt(8)));
    letter.event = read->ColumnText(9);
    letter.signed_id = read->ColumnText(10);
    letter.channel = "webhook";
  }
}

Status SqlitePull::RemoveDeadLetter(int64_t id) {
  TW_ASSIGN_OR_RETURN(Statement * write, Get("delete from tidewire_dead_letter where id = ?1"));
  write->BindInt(1, id);
  return write->Run();
}

Result<std::vector<JobRow>> SqlitePull::ReadJobs() {
  TW_ASSIGN_OR_RETURN(Statement * read, Get(read_jobs_));
  std::vector<JobRow> rows;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read->Step());
    if (!row) return rows;
    JobRow& job = rows.emplace_back();
    job.name = read->ColumnText(0);
    const std::string_view active = read->ColumnText(1);
    job.active = active == "1" || active == "true" || active == "t";
  }
}

Status SqlitePull::WriteJob(const JobRow& row) {
  const std::string last =
      row.last_run_at ? FormatTimestampMs(*row.last_run_at) : std::string();
  const std::string next = row.next_run_at ? FormatTimestampMs(*row.next_run_at) : std::string();
  for (const std::string* sql : {&insert_job_, &update_job_}) {
    if (sql->empty()) continue;
    TW_ASSIGN_OR_RETURN(Statement * write, Get(*sql));
    const int count = sqlite3_bind_parameter_count(write->handle());
    write->BindText(1, row.name);
    if (sql == &insert_job_) write->BindInt(2, row.active ? 1 : 0);
    const std::string* texts[] = {&row.type,        &row.schedule,   &row.endpoint, &last,
                                  &row.last_status, &row.last_error, &next};
    int index = 3;
    for (const std::string* text : texts) {
      if (index > count) break;
      if (text->empty()) {
        write->BindNull(index++);
      } else {
        write->BindText(index++, *text);
      }
    }
    TW_RETURN_IF_ERROR(write->Run());
  }
  return {};
}

Result<std::vector<OperatorRequest>> SqlitePull::PendingRequests() {
  TW_ASSIGN_OR_RETURN(Statement * read, Get("select id, verb, argument from tidewire_request "
                                            "where done_at is null order by id limit 100"));
  std::vector<OperatorRequest> requests;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read->Step());
    if (!row) return requests;
    requests.push_back({read->ColumnInt(0), std::string(read->ColumnText(1)),
                        std::string(read->ColumnText(2))});
  }
}

Status SqlitePull::EndRequest(int64_t id, std::string_view result, WallTime at) {
  TW_ASSIGN_OR_RETURN(Statement * write, Get("update tidewire_request set done_at = ?2, result = "
                                             "?3 where id = ?1 and done_at is null"));
  const std::string done = FormatTimestampMs(at);
  write->BindInt(1, id);
  write->BindText(2, done);
  write->BindText(3, result);
  return write->Run();
}

Status SqlitePull::WriteAlert(const Alert& alert) {
  const std::string at = FormatTimestampMs(alert.at);
  TW_ASSIGN_OR_RETURN(
      Statement * write,
      Get(alert.resolved
              ? "update tidewire_alert set resolved_at = ?6, level = level, text = text "
                "where rule = ?1 and source = ?2 and tenant = ?3 and resolved_at is null "
                "and ?4 = ?4 and ?5 = ?5"
              : "insert into tidewire_alert(rule, source, tenant, level, text, fired_at, last_at) "
                "values (?1, ?2, ?3, ?4, ?5, ?6, ?6) on conflict(rule, source, tenant) "
                "where resolved_at is null do update set last_at = excluded.last_at, "
                "count = count + 1, level = excluded.level, text = excluded.text"));
  write->BindText(1, alert.rule);
  write->BindText(2, alert.source);
  write->BindText(3, alert.tenant);
  write->BindText(4, LevelText(alert.level));
  write->BindText(5, alert.text);
  write->BindText(6, at);
  return write->Run();
}

}  // namespace tw::ingest
