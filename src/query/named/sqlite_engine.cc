#include <unordered_map>

#include "json/json.h"
#include "query/named/engine.h"
#include "query/named/guarded_database.h"
#include "store/store.h"

#include <sqlite3.h>

namespace tw::query {
namespace {

// The type that an expression's value has by itself.
ColumnType TypeOf(const ResultColumn& column, int storage) {
  if (!column.derived) return column.type;
  switch (storage) {
    case SQLITE_INTEGER: return ColumnType::kInt8;
    case SQLITE_FLOAT: return ColumnType::kFloat8;
    case SQLITE_BLOB: return ColumnType::kBytea;
    default: return ColumnType::kText;
  }
}

class SqliteEngine final : public Engine {
 public:
  SqliteEngine(std::unique_ptr<GuardedDatabase> database, uint64_t epoch,
               QueryCataloguePtr catalogue, const Clock& clock)
      : database_(std::move(database)),
        epoch_(epoch),
        catalogue_(std::move(catalogue)),
        clock_(clock) {}

  CallResult<Execution> Run(const Call& call) override {
    const MonoTime start = clock_.Mono();
    sqlite::Statement* const statement = StatementOf(*call.query);
    if (statement == nullptr) return std::unexpected(failure_);
    // A deferred transaction: its first read fixes the snapshot for position and rows.
    if (!database_->database().Execute("begin").ok()) return Failed("no transaction");
    Execution execution;
    auto done = ReadAll(call, *statement, start, execution);
    statement->Reset();
    sqlite3_clear_bindings(statement->handle());
    (void)database_->database().Execute("rollback");
    if (!done) return std::unexpected(std::move(done.error()));
    execution.took =
        std::chrono::duration_cast<std::chrono::microseconds>(clock_.Mono() - start);
    return execution;
  }

 private:
  std::unexpected<CallError> Failed(std::string_view reason) const {
    return std::unexpected(
        CallError{"query_failed", "the database could not run it: " + std::string(reason), ""});
  }

  sqlite::Statement* StatementOf(const NamedQuery& query) {
    if (const auto found = statements_.find(query.index); found != statements_.end()) {
      return &found->second;
    }
    auto statement = database_->Prepare(query.sql.sqlite);
    if (!statement.ok()) {
      failure_ = {"query_failed", statement.error().message, ""};
      return nullptr;
    }
    return &statements_.emplace(query.index, std::move(*statement)).first->second;
  }

  CallResult<void> ReadAll(const Call& call, sqlite::Statement& statement, MonoTime start,
                           Execution& execution) {
    const auto offset =
        database_->database().QueryInt("select coalesce(max(offset), 0) from tidewire_log");
    if (!offset.ok()) return Failed(offset.error().message);
    execution.position = {epoch_, static_cast<uint64_t>(*offset)};
    for (size_t i = 0; i < call.bound.size(); ++i) {
      store::BindValue(statement, static_cast<int>(i + 1), call.bound[i]);
    }
    const QueryLimitsConfig& limits = call.query->limits;
    const GuardedDatabase::Scope scope(*database_, call.access, start + limits.time);
    RowSetBuilder builder;
    for (;;) {
      const auto row = statement.Step();
      if (!row.ok()) {
        if (scope.timed_out()) {
          return std::unexpected(CallError{
              "query_timeout",
              call.query->name + " took longer than " + config::DurationText(limits.time), ""});
        }
        // SQLite's text names no values; the SQL that our wrapper appends is cut off.
        const std::string& message = row.error().message;
        return Failed(message.substr(0, message.find(" in: ")));
      }
      if (!*row) break;
      if (builder.rows() == limits.rows) {
        return TooLarge(call, std::to_string(limits.rows) + " rows");
      }
      AddRow(*call.query, statement, builder);
      if (builder.bytes() > limits.bytes.bytes) {
        return TooLarge(call, config::ToString(limits.bytes));
      }
    }
    execution.rows = builder.Finish();
    return {};
  }

  static std::unexpected<CallError> TooLarge(const Call& call, const std::string& limit) {
    return std::unexpected(
        CallError{"result_too_large", call.query->name + " gives more than " + limit, ""});
  }

  void AddRow(const NamedQuery& query, const sqlite::Statement& statement,
              RowSetBuilder& builder) {
    row_.clear();
    cells_.clear();
    char separator = '{';
    for (size_t i = 0; i < query.columns.size(); ++i) {
      const ResultColumn& column = query.columns[i];
      const int at = static_cast<int>(i);
      const ColumnType type = TypeOf(column, statement.ColumnStorage(at));
      row_.push_back(separator);
      json::AppendString(row_, column.name);
      row_.push_back(':');
      cells_.emplace_back(row_.size(), 0);
      AppendJson(row_, store::ColumnValue(statement, at, type), type);
      cells_.back().second = row_.size() - cells_.back().first;
      separator = ',';
    }
    row_.push_back('}');
    std::string key;
    for (const size_t column : query.row_key) {
      key += key.empty() ? "[" : ",";
      key.append(row_, cells_[column].first, cells_[column].second);
    }
    if (!key.empty()) key += "]";
    builder.Add(row_, std::move(key));
  }

  // Statements go before their database.
  std::unique_ptr<GuardedDatabase> database_;
  const uint64_t epoch_;
  const QueryCataloguePtr catalogue_;
  const Clock& clock_;
  std::unordered_map<size_t, sqlite::Statement> statements_;
  CallError failure_;
  std::string row_;
  std::vector<std::pair<size_t, size_t>> cells_;
};

class SqliteEngines final : public EngineFactory {
 public:
  SqliteEngines(std::string path, uint64_t epoch, QueryCataloguePtr catalogue, const Clock& clock,
                Random& random)
      : path_(std::move(path)),
        epoch_(epoch),
        catalogue_(std::move(catalogue)),
        clock_(clock),
        random_(random) {}

  Result<std::unique_ptr<Engine>> Make() override {
    TW_ASSIGN_OR_RETURN(
        auto database, GuardedDatabase::Open(path_, *catalogue_->policies(), clock_, random_));
    return std::make_unique<SqliteEngine>(std::move(database), epoch_, catalogue_, clock_);
  }

 private:
  const std::string path_;
  const uint64_t epoch_;
  const QueryCataloguePtr catalogue_;
  const Clock& clock_;
  Random& random_;
};

}  // namespace

std::unique_ptr<EngineFactory> MakeSqliteEngines(std::string path, uint64_t epoch,
                                                 QueryCataloguePtr catalogue, const Clock& clock,
                                                 Random& random) {
  return std::make_unique<SqliteEngines>(std::move(path), epoch, std::move(catalogue), clock,
                                         random);
}

}  // namespace tw::query
