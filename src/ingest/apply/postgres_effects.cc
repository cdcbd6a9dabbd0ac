#include "ingest/apply/postgres_effects.h"

#include <algorithm>

#include "base/check.h"
#include "ingest/apply/row_writer.h"
#include "postgres/array.h"

namespace tw::ingest {

using postgres::Parameter;
using postgres::QuoteIdentifier;

namespace {

// "a" = $1 and "b" = $2
std::string KeyCondition(const TablePlan& plan, size_t first) {
  std::string sql;
  for (const ColumnBinding& column : plan.key) {
    sql += (sql.empty() ? "" : " and ") + QuoteIdentifier(column.column) + " = $" +
           std::to_string(first++);
  }
  return sql;
}

}  // namespace

void PostgresEffects::Forget() {
  facts_.clear();
  changed_by_hash_.clear();
  matches_.clear();
  aliases_.clear();
  new_aliases_.clear();
  states_.clear();
  rows_.clear();
  log_.assign(sources_.size(), {});
}

Status PostgresEffects::Begin() {
  Forget();
  return session_.Begin();
}

Status PostgresEffects::Commit() {
  TW_RETURN_IF_ERROR(Flush());
  TW_RETURN_IF_ERROR(session_.Commit());
  Forget();
  return {};
}

void PostgresEffects::Rollback() {
  Forget();
  session_.Rollback();
}

Status PostgresEffects::Savepoint() {
  TW_RETURN_IF_ERROR(Flush());
  // The error of something before must not be taken for the event's.
  TW_RETURN_IF_ERROR(session_.Sync());
  return session_.Send("savepoint tidewire_event");
}

Status PostgresEffects::Release() {
  TW_RETURN_IF_ERROR(Flush());
  TW_RETURN_IF_ERROR(session_.Send("release savepoint tidewire_event"));
  return session_.Sync();
}

Status PostgresEffects::RollbackToSavepoint() {
  Forget();
  (void)session_.Sync();  // What the event had sent: known to fail, or undone.
  TW_RETURN_IF_ERROR(session_.Send("rollback to savepoint tidewire_event"));
  TW_RETURN_IF_ERROR(session_.Send("release savepoint tidewire_event"));
  return session_.Sync();
}

Status PostgresEffects::Flush() {
  TW_RETURN_IF_ERROR(FlushNewFacts());
  TW_RETURN_IF_ERROR(FlushChangedFacts());
  TW_RETURN_IF_ERROR(FlushAliases());
  TW_RETURN_IF_ERROR(FlushStates());
  for (uint16_t source = 0; source < sources_.size(); ++source) {
    TW_RETURN_IF_ERROR(FlushLog(source));
  }
  return {};
}

Result<uint64_t> PostgresEffects::ReadAppliedSequence() {
  TW_ASSIGN_OR_RETURN(const auto rows, session_.Query("select value from tidewire.ingest_state "
                                                      "where key = 'applied_sequence'"));
  return rows.empty() ? uint64_t{0} : static_cast<uint64_t>(rows.Int(0, 0));
}

Status PostgresEffects::WriteAppliedSequence(uint64_t sequence) {
  const std::string text = std::to_string(sequence);
  return session_.Send(
      "insert into tidewire.ingest_state(key, value) values ('applied_sequence', $1) "
      "on conflict(key) do update set value = excluded.value",
      {Parameter(text)});
}

Result<std::optional<Row>> PostgresEffects::ReadRow(TableRef table, std::span<const Value> key) {
  const TablePlan& plan = Plan(table);
  if (const auto known = rows_.find(StateKey(plan.name, RowKeyText(key))); known != rows_.end()) {
    return known->second;
  }
  const ReadColumns read = ColumnsRead(plan, "");
  Parameters parameters;
  parameters.Add(key);
  // Locked, so that nobody changes it between this look and our write.
  TW_ASSIGN_OR_RETURN(const auto rows,
                      session_.Query("select " + read.sql + " from " + QualifiedName(plan.name) +
                                         " where " + KeyCondition(plan, 1) +
                                         " for no key update",
                                     parameters.views()));
  if (rows.empty()) return std::optional<Row>();
  Row row;
  for (size_t i = 0; i < read.types.size(); ++i) {
    row.push_back(ValueOfText(rows.OptionalText(0, i), read.types[i]));
  }
  return std::optional(std::move(row));
}

Result<Value> PostgresEffects::InsertRow(TableRef table, std::span<const ColumnValue> values) {
  const TablePlan& plan = Plan(table);
  std::string columns;
  std::string numbers;
  Parameters parameters;
  Value stage;
  bool wants_default = plan.stage.has_value();
  for (size_t i = 0; i < values.size(); ++i) {
    columns += (i > 0 ? ", " : "") + QuoteIdentifier(values[i].column);
    numbers += (i > 0 ? ", $" : "$") + std::to_string(i + 1);
    parameters.AddOptional(TextOfValue(values[i].value));
    if (plan.stage && values[i].column == plan.stage->column) {
      stage = values[i].value;
      wants_default = false;
    }
  }
  std::string key;
  std::vector<Value> key_values;
  for (const ColumnBinding& column : plan.key) {
    key += (key.empty() ? "" : ", ") + QuoteIdentifier(column.column);
    const auto value = std::ranges::find(values, column.column, &ColumnValue::column);
    key_values.push_back(value == values.end() ? Value() : value->value);
  }
  rows_.erase(StateKey(plan.name, RowKeyText(key_values)));
  // A row that somebody else has made since our look is no fault of the event: the batch is tried
  // again and finds it.
  const std::string sql = "insert into " + QualifiedName(plan.name) + "(" + columns + ") values (" +
                          numbers + ") on conflict(" + key + ") do nothing";
  if (!wants_default) {
    TW_RETURN_IF_ERROR(session_.Send(sql, parameters.views(), postgres::Expected::kOneRow));
    return stage;
  }
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query(sql + " returning " + QuoteIdentifier(plan.stage->column), parameters.views()));
  if (rows.empty()) {
    return Fail(ErrorCode::kUnavailable,
                "a row of " + plan.name + " was made by somebody else meanwhile");
  }
  return ValueOfText(rows.OptionalText(0, 0), ColumnType::kText);
}

Status PostgresEffects::UpdateRow(TableRef table, std::span<const Value> key,
                                  std::span<const ColumnValue> changed) {
  TW_CHECK(!changed.empty());
  const TablePlan& plan = Plan(table);
  rows_.erase(StateKey(plan.name, RowKeyText(key)));
  std::string set;
  std::string differs;
  Parameters parameters;
  for (size_t i = 0; i < changed.size(); ++i) {
    const std::string column = QuoteIdentifier(changed[i].column);
    const std::string number = "$" + std::to_string(i + 1);
    set += (i > 0 ? ", " : "") + column + " = " + number;
    // Equal by the type's own rule (numeric 12.50 and 12.5) is no change. json has no rule.
    TW_ASSIGN_OR_RETURN(const std::string type, session_.TypeOf(plan.name, changed[i].column));
    const std::string cast = type == "json" ? "::text" : "";
    differs += (i > 0 ? " or " : "") + column + cast + " is distinct from " +
               (type.empty() ? number : number + "::" + type) + cast;
    parameters.AddOptional(TextOfValue(changed[i].value));
  }
  parameters.Add(key);
  return session_.Send("update " + QualifiedName(plan.name) + " set " + set + " where " +
                           KeyCondition(plan, changed.size() + 1) + " and (" + differs + ")",
                       parameters.views());
}

Result<std::optional<RowState>> PostgresEffects::ReadRowState(TableRef table,
                                                              std::string_view key) {
  const std::string& name = Plan(table).name;
  std::string cache_key = StateKey(name, key);
  if (const auto found = states_.find(cache_key); found != states_.end()) {
    return found->second.state;
  }
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query("select " + std::string(kStateColumns) +
                         " from tidewire.row_state s where s.table_name = $1 and s.row_key = $2",
                     {Parameter(name), Parameter(key)}));
  CachedState& cached = states_[std::move(cache_key)];
  if (!rows.empty()) cached.state = ReadState(rows, 0);
  return cached.state;
}

Status PostgresEffects::WriteRowState(TableRef table, std::string_view key, const RowState& state) {
  CachedState& cached = states_[StateKey(Plan(table).name, key)];
  cached.state = state;
  cached.pending = true;
  return {};
}

Status PostgresEffects::FlushStates() {
  postgres::ArrayLiteral columns[11];
  for (auto& [key, cached] : states_) {
    if (!std::exchange(cached.pending, false)) continue;
    const RowState& state = *cached.state;
    const size_t end = key.find('\0');
    columns[0].Add(std::string_view(key).substr(0, end));
    columns[1].Add(std::string_view(key).substr(end + 1));
    const auto version = [&](size_t column, const Version& of) {
      columns[column].Add(of.at.time_since_epoch().count());
      columns[column + 1].Add(of.rank);
      columns[column + 2].Add(static_cast<int64_t>(of.sequence));
    };
    version(2, state.version);
    columns[5].Add(state.older);
    columns[6].AddOptional(state.stage ? std::optional<std::string_view>(*state.stage) : std::nullopt);
    columns[7].Add(state.terminal);
    version(8, state.terminal_version);
  }
  if (columns[0].empty()) return {};
  Parameters parameters;
  for (auto& column : columns) parameters.Add(column.Take());
  return session_.Send(
      "insert into tidewire.row_state(table_name, row_key, at, rank, sequence, older, stage, "
      "terminal, terminal_at, terminal_rank, terminal_sequence) select * from unnest($1::text[], "
      "$2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], "
      "$9::bigint[], $10::bigint[], $11::bigint[]) on conflict(table_name, row_key) do update set "
      "at = excluded.at, rank = excluded.rank, sequence = excluded.sequence, "
      "older = excluded.older, stage = excluded.stage, terminal = excluded.terminal, "
      "terminal_at = excluded.terminal_at, terminal_rank = excluded.terminal_rank, "
      "terminal_sequence = excluded.terminal_sequence",
      parameters.views());
}

}  // namespace tw::ingest
