#include "ingest/apply/sqlite_effects.h"

#include <sqlite3.h>

#include "base/check.h"
#include "ingest/apply/schema.h"

namespace tw::ingest {

using sqlite::QuoteIdentifier;
using sqlite::Statement;

namespace {

// "or fail": a statement that fires triggers (capture's) would otherwise keep a journal of its own
// to undo itself alone, which costs more than the statement. Each error here is followed by a
// rollback of the savepoint or the transaction, so that what "fail" leaves behind never stays.
constexpr std::string_view kInsert = "insert or fail into ";
constexpr std::string_view kUpdate = "update or fail ";

}  // namespace

void BindValue(Statement& statement, int index, const Value& value) {
  if (value.is_null()) {
    statement.BindNull(index);
  } else if (const bool* flag = value.AsBool()) {
    statement.BindInt(index, *flag ? 1 : 0);
  } else if (const int64_t* number = value.AsInt()) {
    statement.BindInt(index, *number);
  } else if (const double* real = value.AsDouble()) {
    statement.BindDouble(index, *real);
  } else if (const std::string* text = value.AsText()) {
    statement.BindText(index, *text);
  } else {
    statement.BindBlob(index, value.AsBytes()->data);
  }
}

void BindValues(Statement& statement, int first, std::span<const Value> values) {
  for (const Value& value : values) BindValue(statement, first++, value);
}

Value ReadValue(const Statement& statement, int column) {
  switch (statement.ColumnStorage(column)) {
    case SQLITE_INTEGER:
      return statement.ColumnInt(column);
    case SQLITE_FLOAT:
      return statement.ColumnDouble(column);
    case SQLITE_TEXT:
      return std::string(statement.ColumnText(column));
    case SQLITE_BLOB:
      return Bytes{std::string(statement.ColumnBlob(column))};
    default:
      return {};
  }
}

Result<std::unique_ptr<SqliteEffects>> SqliteEffects::Create(
    sqlite::Database& database, std::span<const std::shared_ptr<const Source>> sources) {
  TW_RETURN_IF_ERROR(CreateApplySchema(database));
  // Hashes land all over their index: with SQLite's 2 MB of pages nearly each of them would be read
  // and written again, and a checkpoint every 4 MB would rewrite the same pages over and over.
  TW_RETURN_IF_ERROR(
      database.Execute("pragma cache_size = -65536; "
                       "pragma wal_autocheckpoint = 16384"));
  std::unique_ptr<SqliteEffects> effects(new SqliteEffects(database));
  TW_RETURN_IF_ERROR(effects->PrepareShared());
  TW_RETURN_IF_ERROR(effects->PrepareFacts());
  TW_RETURN_IF_ERROR(effects->PrepareKept());
  for (const auto& source : sources) TW_RETURN_IF_ERROR(effects->PrepareSource(source));
  return effects;
}

Status SqliteEffects::PrepareShared() {
  TW_ASSIGN_OR_RETURN(begin_, database_.Prepare("begin immediate"));
  TW_ASSIGN_OR_RETURN(commit_, database_.Prepare("commit"));
  TW_ASSIGN_OR_RETURN(rollback_, database_.Prepare("rollback"));
  TW_ASSIGN_OR_RETURN(savepoint_, database_.Prepare("savepoint tidewire_event"));
  TW_ASSIGN_OR_RETURN(release_, database_.Prepare("release tidewire_event"));
  TW_ASSIGN_OR_RETURN(rollback_to_, database_.Prepare("rollback to tidewire_event"));
  TW_ASSIGN_OR_RETURN(
      read_sequence_,
      database_.Prepare("select value from tidewire_ingest_state where key = 'applied_sequence'"));
  TW_ASSIGN_OR_RETURN(
      write_sequence_,
      database_.Prepare("insert into tidewire_ingest_state values ('applied_sequence', ?1) "
                        "on conflict(key) do update set value = excluded.value"));
  TW_ASSIGN_OR_RETURN(
      read_state_,
      database_.Prepare("select at, rank, sequence, older, stage, terminal, terminal_at, "
                        "terminal_rank, terminal_sequence from tidewire_row_state "
                        "where table_name = ?1 and row_key = ?2"));
  TW_ASSIGN_OR_RETURN(write_state_,
                      database_.Prepare("insert or replace into tidewire_row_state "
                                        "values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"));
  TW_ASSIGN_OR_RETURN(
      count_, database_.Prepare("insert into tidewire_delivery_count values (?1, ?2, ?3, ?4, ?5) "
                                "on conflict(source, tenant, bucket) do update set "
                                "deliveries = deliveries + excluded.deliveries, "
                                "last_at = max(last_at, excluded.last_at)"));
  TW_ASSIGN_OR_RETURN(
      count_since_,
      database_.Prepare("select coalesce(sum(deliveries), 0) from tidewire_delivery_count "
                        "where source = ?1 and tenant = ?2 and bucket > ?3"));
  TW_ASSIGN_OR_RETURN(
      last_delivery_,
      database_.Prepare("select last_at from tidewire_delivery_count "
                        "where source = ?1 and tenant = ?2 order by bucket desc limit 1"));
  TW_ASSIGN_OR_RETURN(trim_counts_,
                      database_.Prepare("delete from tidewire_delivery_count where bucket < ?1"));
  return {};
}

Status SqliteEffects::PrepareSource(std::shared_ptr<const Source> source) {
  SourceStatements& statements = per_source_.emplace_back();
  TW_RETURN_IF_ERROR(PrepareTenants(*source, statements));
  if (source->counters) TW_RETURN_IF_ERROR(PrepareCounters(*source->counters, statements));
  if (source->freshness) TW_RETURN_IF_ERROR(PrepareFreshness(*source->freshness, statements));
  TW_RETURN_IF_ERROR(PrepareLog(source->log, statements));
  for (const TablePlan& table : source->tables) {
    std::string columns;
    const auto add = [&](std::string_view column) {
      if (!columns.empty()) columns += ", ";
      columns += QuoteIdentifier(column);
    };
    for (const ColumnBinding& column : table.set) add(column.column);
    if (table.stage) add(table.stage->column);
    if (table.stage && !table.stage->previous_column.empty()) add(table.stage->previous_column);
    if (columns.empty()) columns = "1";
    std::string sql = "select " + columns + " from " + QuoteIdentifier(table.name) + " where ";
    for (size_t i = 0; i < table.key.size(); ++i) {
      sql += (i > 0 ? " and " : "") + QuoteIdentifier(table.key[i].column) + " = ?" +
             std::to_string(i + 1);
    }
    TW_ASSIGN_OR_RETURN(statements.tables.emplace_back().read, database_.Prepare(sql));
  }
  sources_.push_back(std::move(source));
  return {};
}

Status SqliteEffects::Begin() {
  return begin_.Run();
}

Status SqliteEffects::Commit() {
  return commit_.Run();
}

void SqliteEffects::Rollback() {
  scopes_.clear();
  // Fails only when SQLite has rolled back by itself, which is what we want.
  if (database_.InTransaction()) (void)rollback_.Run();
}

Status SqliteEffects::RollbackToSavepoint() {
  scopes_.clear();
  TW_RETURN_IF_ERROR(rollback_to_.Run());
  return release_.Run();
}

Result<uint64_t> SqliteEffects::ReadAppliedSequence() {
  TW_ASSIGN_OR_RETURN(const bool row, read_sequence_.Step());
  if (!row) return uint64_t{0};
  const auto sequence = static_cast<uint64_t>(read_sequence_.ColumnInt(0));
  read_sequence_.Reset();
  return sequence;
}

Status SqliteEffects::WriteAppliedSequence(uint64_t sequence) {
  write_sequence_.BindInt(1, static_cast<int64_t>(sequence));
  return write_sequence_.Run();
}

Result<std::optional<Row>> SqliteEffects::ReadRow(TableRef table, std::span<const Value> key) {
  Statement& read = per_source_[table.source].tables[table.table].read;
  BindValues(read, 1, key);
  TW_ASSIGN_OR_RETURN(const bool found, read.Step());
  if (!found) return std::optional<Row>();
  Row row;
  row.reserve(static_cast<size_t>(read.ColumnCount()));
  for (int i = 0; i < read.ColumnCount(); ++i) row.push_back(ReadValue(read, i));
  read.Reset();
  return std::optional(std::move(row));
}

Result<Value> SqliteEffects::InsertRow(TableRef table, std::span<const ColumnValue> values) {
  const TablePlan& plan = Plan(table);
  auto& inserts = per_source_[table.source].tables[table.table].inserts;
  std::string columns;
  Value stage;
  bool wants_default = plan.stage.has_value();
  for (const ColumnValue& value : values) {
    columns += (columns.empty() ? "" : ", ") + QuoteIdentifier(value.column);
    if (plan.stage && value.column == plan.stage->column) {
      stage = value.value;
      wants_default = false;
    }
  }
  auto found = inserts.find(columns);
  if (found == inserts.end()) {
    std::string sql =
        std::string(kInsert) + QuoteIdentifier(plan.name) + "(" + columns + ") values (";
    for (size_t i = 0; i < values.size(); ++i) sql += i > 0 ? ", ?" : "?";
    sql += ")";
    if (wants_default) sql += " returning " + QuoteIdentifier(plan.stage->column);
    TW_ASSIGN_OR_RETURN(Statement statement, database_.Prepare(sql));
    found = inserts.emplace(std::move(columns), std::move(statement)).first;
  }
  Statement& insert = found->second;
  for (size_t i = 0; i < values.size(); ++i) {
    BindValue(insert, static_cast<int>(i) + 1, values[i].value);
  }
  TW_ASSIGN_OR_RETURN(const bool row, insert.Step());
  if (row) {
    stage = ReadValue(insert, 0);
    insert.Reset();
  }
  return stage;
}

Status SqliteEffects::UpdateRow(TableRef table, std::span<const Value> key,
                                std::span<const ColumnValue> changed) {
  TW_CHECK(!changed.empty());
  const TablePlan& plan = Plan(table);
  auto& updates = per_source_[table.source].tables[table.table].updates;
  std::string columns;
  for (const ColumnValue& value : changed) {
    columns += (columns.empty() ? "" : " = ?, ") + QuoteIdentifier(value.column);
  }
  auto found = updates.find(columns);
  if (found == updates.end()) {
    std::string sql =
        std::string(kUpdate) + QuoteIdentifier(plan.name) + " set " + columns + " = ? where ";
    for (size_t i = 0; i < plan.key.size(); ++i) {
      sql += (i > 0 ? " and " : "") + QuoteIdentifier(plan.key[i].column) + " = ?";
    }
    TW_ASSIGN_OR_RETURN(Statement statement, database_.Prepare(sql));
    found = updates.emplace(std::move(columns), std::move(statement)).first;
  }
  Statement& update = found->second;
  int index = 1;
  for (const ColumnValue& value : changed) BindValue(update, index++, value.value);
  BindValues(update, index, key);
  return update.Run();
}

Result<std::optional<RowState>> SqliteEffects::ReadRowState(TableRef table, std::string_view key) {
  read_state_.BindText(1, Plan(table).name);
  read_state_.BindText(2, key);
  TW_ASSIGN_OR_RETURN(const bool found, read_state_.Step());
  if (!found) return std::optional<RowState>();
  const auto version = [&](int column) {
    return Version{WallTime(std::chrono::microseconds(read_state_.ColumnInt(column))),
                   read_state_.ColumnInt(column + 1),
                   static_cast<uint64_t>(read_state_.ColumnInt(column + 2))};
  };
  RowState state;
  state.version = version(0);
  state.older = read_state_.ColumnText(3);
  if (!read_state_.ColumnIsNull(4)) state.stage = read_state_.ColumnText(4);
  state.terminal = read_state_.ColumnText(5);
  state.terminal_version = version(6);
  read_state_.Reset();
  return std::optional(std::move(state));
}

Status SqliteEffects::WriteRowState(TableRef table, std::string_view key, const RowState& state) {
  const auto bind_version = [&](int index, const Version& version) {
    write_state_.BindInt(index, version.at.time_since_epoch().count());
    write_state_.BindInt(index + 1, version.rank);
    write_state_.BindInt(index + 2, static_cast<int64_t>(version.sequence));
  };
  write_state_.BindText(1, Plan(table).name);
  write_state_.BindText(2, key);
  bind_version(3, state.version);
  write_state_.BindText(6, state.older);
  if (state.stage) {
    write_state_.BindText(7, *state.stage);
  } else {
    write_state_.BindNull(7);
  }
  write_state_.BindText(8, state.terminal);
  bind_version(9, state.terminal_version);
  return write_state_.Run();
}

}  // namespace tw::ingest
