#include "store/store.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace tw::store {
namespace {

constexpr int64_t kFormatVersion = 1;

constexpr std::string_view kMetaSchema = R"sql(
create table if not exists tidewire_meta(
  name text primary key not null,
  value any not null
) strict, without rowid;
)sql";

Result<std::string> ReadMeta(sqlite::Database& database, std::string_view name) {
  TW_ASSIGN_OR_RETURN(auto select,
                      database.Prepare("select value from tidewire_meta where name = ?"));
  select.BindText(1, name);
  TW_ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return Fail(ErrorCode::kNotFound, "no meta value " + std::string(name));
  return std::string(select.ColumnText(0));
}

Status WriteMeta(sqlite::Database& database, std::string_view name, std::string_view value) {
  TW_ASSIGN_OR_RETURN(
      auto insert, database.Prepare("insert or replace into tidewire_meta(name, value) values(?, ?)"));
  insert.BindText(1, name);
  insert.BindText(2, value);
  return insert.Run();
}

// The epoch of an existing database, or a new one.
Result<uint64_t> FindOrMakeEpoch(sqlite::Database& database, Random& random) {
  TW_ASSIGN_OR_RETURN(auto transaction, sqlite::Transaction::Begin(database));
  TW_RETURN_IF_ERROR(database.Execute(kMetaSchema));
  if (const auto version = ReadMeta(database, "format_version"); version.ok()) {
    const auto number = ParseInt64(*version);
    if (!number.has_value() || *number > kFormatVersion) {
      return Fail(ErrorCode::kFailedPrecondition,
                  "the data directory has format " + *version + ", this program knows up to " +
                      std::to_string(kFormatVersion) + "; use a newer tidewire");
    }
    TW_ASSIGN_OR_RETURN(const std::string text, ReadMeta(database, "epoch"));
    const auto epoch = ParseUint64(text);
    if (!epoch.has_value() || *epoch == 0) {
      return Fail(ErrorCode::kDataLoss, "tidewire_meta holds no valid epoch");
    }
    return *epoch;
  }
  uint64_t epoch = 0;
  while (epoch == 0) epoch = random.Next();
  TW_RETURN_IF_ERROR(WriteMeta(database, "format_version", std::to_string(kFormatVersion)));
  TW_RETURN_IF_ERROR(WriteMeta(database, "epoch", std::to_string(epoch)));
  TW_RETURN_IF_ERROR(transaction.Commit());
  return epoch;
}

ColumnType TypeOfDeclaration(std::string_view declared) {
  const std::string name = ToLower(declared);
  // First match wins; the order follows SQLite's affinity rules where they overlap.
  static constexpr std::pair<std::string_view, ColumnType> kTypes[] = {
      {"bool", ColumnType::kBool},           {"interval", ColumnType::kText},
      {"point", ColumnType::kText},          {"int", ColumnType::kInt8},
      {"json", ColumnType::kJson},           {"uuid", ColumnType::kUuid},
      {"timestamp", ColumnType::kTimestamptz}, {"datetime", ColumnType::kTimestamptz},
      {"date", ColumnType::kDate},           {"numeric", ColumnType::kNumeric},
      {"decimal", ColumnType::kNumeric},     {"real", ColumnType::kFloat8},
      {"double", ColumnType::kFloat8},       {"float", ColumnType::kFloat8},
      {"blob", ColumnType::kBytea},          {"bytea", ColumnType::kBytea},
  };
  for (const auto& [part, type] : kTypes) {
    if (name.find(part) != std::string::npos) return type;
  }
  return ColumnType::kText;
}

// Empties the write-ahead log into the database. A commit whose sync failed before we were killed
// can still be read from it, though the disk will never hold it (fsync(2), EIO): what would be
// written behind it there would be lost with it. Another program that is reading is not waited for.
Status SettleWal(sqlite::Database& database, const sqlite::OpenOptions& options) {
  TW_RETURN_IF_ERROR(database.Execute("pragma busy_timeout = 0"));
  const Status settled = database.Execute("pragma wal_checkpoint(truncate)");
  TW_RETURN_IF_ERROR(
      database.Execute("pragma busy_timeout = " + std::to_string(options.busy_timeout_ms)));
  if (!settled.ok() && settled.error().code == ErrorCode::kUnavailable) return {};
  return settled;
}

}  // namespace

Result<std::unique_ptr<Store>> Store::Open(const std::string& path,
                                           const sqlite::OpenOptions& options, Random& random) {
  TW_ASSIGN_OR_RETURN(auto database, sqlite::Database::Open(path, options));
  TW_RETURN_IF_ERROR(SettleWal(database, options));
  TW_ASSIGN_OR_RETURN(const uint64_t epoch, FindOrMakeEpoch(database, random));
  return std::unique_ptr<Store>(new Store(std::move(database), epoch));
}

Status Store::ApplySchema(std::string_view sql, std::string_view name) {
  if (auto applied = database_.Execute(sql); !applied.ok()) {
    if (database_.InTransaction()) (void)database_.Execute("ROLLBACK");
    // Whatever SQLite calls it, a script that cannot run is the user's to mend.
    Error error = applied.error();
    if (error.code == ErrorCode::kInternal) error.code = ErrorCode::kInvalidArgument;
    return Annotate(std::move(error), name);
  }
  return {};
}

Result<Relation> DescribeTable(sqlite::Database& database, std::string_view table) {
  TW_ASSIGN_OR_RETURN(
      auto columns,
      database.Prepare("select name, type, pk from pragma_table_info(?) order by cid"));
  columns.BindText(1, table);
  Relation relation;
  relation.table = table;
  std::vector<std::pair<int64_t, uint16_t>> key;  // (place in the key, column)
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, columns.Step());
    if (!row) break;
    const ColumnType type = TypeOfDeclaration(columns.ColumnText(1));
    if (const int64_t place = columns.ColumnInt(2); place > 0) {
      key.emplace_back(place, static_cast<uint16_t>(relation.columns.size()));
    }
    relation.columns.push_back(
        {std::string(columns.ColumnText(0)), type, std::string(TypeName(type))});
  }
  if (relation.columns.empty()) {
    TW_ASSIGN_OR_RETURN(const auto names, ListTables(database));
    const std::vector<std::string_view> views(names.begin(), names.end());
    const auto nearest = Nearest(table, views);
    return Fail(ErrorCode::kNotFound,
                "no table '" + std::string(table) + "'" +
                    (nearest ? "; did you mean '" + std::string(*nearest) + "'?" : ""));
  }
  std::ranges::sort(key);
  for (const auto& [place, column] : key) relation.key.push_back(column);
  return relation;
}

Result<std::vector<std::string>> ListTables(sqlite::Database& database) {
  TW_ASSIGN_OR_RETURN(
      auto select,
      database.Prepare("select name from sqlite_schema where type = 'table'"
                       " and name not like 'sqlite\\_%' escape '\\'"
                       " and name not like 'tidewire\\_%' escape '\\' order by name"));
  std::vector<std::string> names;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return names;
    names.emplace_back(select.ColumnText(0));
  }
}

Value ColumnValue(const sqlite::Statement& statement, int column, ColumnType type) {
  switch (statement.ColumnStorage(column)) {
    case SQLITE_INTEGER: {
      const int64_t value = statement.ColumnInt(column);
      if (type == ColumnType::kBool && (value == 0 || value == 1)) return Value(value == 1);
      return Value(value);
    }
    case SQLITE_FLOAT: return Value(statement.ColumnDouble(column));
    case SQLITE_TEXT: return Value(statement.ColumnText(column));
    case SQLITE_BLOB: return Value(Bytes{std::string(statement.ColumnBlob(column))});
    default: return Value();
  }
}

void BindValue(sqlite::Statement& statement, int index, const Value& value) {
  switch (value.index()) {
    case 0: statement.BindNull(index); return;
    case 1: statement.BindInt(index, *value.AsBool() ? 1 : 0); return;
    case 2: statement.BindInt(index, *value.AsInt()); return;
    case 3: statement.BindDouble(index, *value.AsDouble()); return;
    case 4: statement.BindText(index, *value.AsText()); return;
    case 5: statement.BindBlob(index, value.AsBytes()->data); return;
    case 6: statement.BindNull(index); return;  // Rows to be written are whole.
  }
}

}  // namespace tw::store
