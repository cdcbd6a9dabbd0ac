#include "cli/operator_database.h"

#include <chrono>
#include <thread>

#include "app/configuration.h"
#include "cli/database.h"
#include "cli/loaded.h"
#include "ingest/apply/postgres_session.h"
#include "postgres/connection.h"
#include "sqlite/sqlite.h"

namespace tw::cli {
namespace {

constexpr std::chrono::milliseconds kAskAgain{200};
constexpr std::chrono::minutes kAnswerMax{30};

class OperatorFile final : public OperatorDatabase {
 public:
  explicit OperatorFile(sqlite::Database database) : database_(std::move(database)) {}

  Result<Table> Query(const std::string& sql,
                      const std::vector<std::string>& parameters) override {
    TW_ASSIGN_OR_RETURN(auto statement, database_.Prepare(sql));
    int index = 0;
    for (const std::string& parameter : parameters) statement.BindText(++index, parameter);
    Table table;
    for (;;) {
      TW_ASSIGN_OR_RETURN(const bool row, statement.Step());
      if (!row) return table;
      auto& texts = table.emplace_back();
      for (int i = 0; i < statement.ColumnCount(); ++i) texts.emplace_back(statement.ColumnText(i));
    }
  }
  std::string Own(std::string_view table) const override {
    return "tidewire_" + std::string(table);
  }
  std::string Quoted(std::string_view table) const override {
    return sqlite::QuoteIdentifier(table);
  }
  Result<StringSet> Columns(const std::string& table) override {
    TW_ASSIGN_OR_RETURN(const auto names, Query("select name from pragma_table_info($1)", {table}));
    StringSet columns;
    for (const auto& row : names) columns.insert(row[0]);
    return columns;
  }
  std::string TextOf(std::string_view column) const override { return std::string(column); }
  std::string TimeOf(std::string_view column) const override {
    return "strftime('%Y-%m-%dT%H:%M:%SZ', " + std::string(column) + " / 1000000, 'unixepoch')";
  }

 private:
  sqlite::Database database_;
};

class OperatorPostgres final : public OperatorDatabase {
 public:
  explicit OperatorPostgres(postgres::Connection connection) : connection_(std::move(connection)) {}

  Result<Table> Query(const std::string& sql,
                      const std::vector<std::string>& parameters) override {
    const std::vector<postgres::Parameter> views(parameters.begin(), parameters.end());
    TW_ASSIGN_OR_RETURN(const auto rows, connection_.Query(sql, views));
    Table table;
    for (size_t i = 0; i < rows.size(); ++i) {
      auto& texts = table.emplace_back();
      for (size_t k = 0; k < rows.columns(); ++k) texts.emplace_back(rows.Text(i, k));
    }
    return table;
  }
  std::string Own(std::string_view table) const override {
    return "tidewire." + std::string(table);
  }
  std::string Quoted(std::string_view table) const override {
    return ingest::QualifiedName(table == "tidewire_job" ? "tidewire.job" : table);
  }
  Result<StringSet> Columns(const std::string& table) override {
    TW_ASSIGN_OR_RETURN(
        const auto names,
        Query("select attname from pg_catalog.pg_attribute where attrelid = "
              "pg_catalog.to_regclass($1) and attnum > 0 and not attisdropped",
              {Quoted(table)}));
    StringSet columns;
    for (const auto& row : names) columns.insert(row[0]);
    return columns;
  }
  // Bytes, because payloads hold what no text can.
  std::string TextOf(std::string_view column) const override {
    return "encode(" + std::string(column) + ", 'escape')";
  }
  std::string TimeOf(std::string_view column) const override {
    return "to_char(to_timestamp(" + std::string(column) +
           " / 1000000), 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
  }

 private:
  postgres::Connection connection_;
};

Result<std::unique_ptr<OperatorDatabase>> OpenFile(const std::string& data_directory) {
  TW_ASSIGN_OR_RETURN(auto database, OpenBeside(data_directory));
  const auto elsewhere =
      database.QueryInt("select count(*) from tidewire_meta where name = 'postgres_schema'");
  if (elsewhere.ok() && *elsewhere > 0) {
    return Fail(ErrorCode::kFailedPrecondition,
                "this server's store is PostgreSQL; name its configuration with --config FILE");
  }
  return std::make_unique<OperatorFile>(std::move(database));
}

}  // namespace

Result<std::unique_ptr<OperatorDatabase>> OperatorDatabase::Open(const std::string& data_directory,
                                                                 const std::string& config) {
  if (config.empty()) return OpenFile(data_directory);
  TW_ASSIGN_OR_RETURN(const auto configuration,
                      LoadConfigurationAt(config, app::ProcessEnvironment()));
  const app::StoreConfig& store = configuration.main.store;
  if (store.kind == app::StoreKind::kSqlite) return OpenFile(data_directory);
  TW_ASSIGN_OR_RETURN(auto connection,
                      postgres::Connection::Open({.dsn = store.dsn.Reveal(),
                                                  .application_name = "tidewire operator"}));
  return std::make_unique<OperatorPostgres>(std::move(connection));
}

Result<std::string> OperatorDatabase::AskServer(std::string_view verb, std::string_view argument) {
  const std::string table = Own("request");
  const auto asked = Query("insert into " + table + "(verb, argument) values ($1, $2) returning id",
                           {std::string(verb), std::string(argument)});
  if (!asked.ok() || asked->empty()) {
    return Fail(ErrorCode::kFailedPrecondition, "this database was never used by a server");
  }
  const std::string id = asked->front()[0];
  const auto until = std::chrono::steady_clock::now() + kAnswerMax;
  while (std::chrono::steady_clock::now() < until) {
    TW_ASSIGN_OR_RETURN(const auto answer, Query("select result from " + table +
                                                     " where id = $1 and done_at is not null",
                                                 {id}));
    if (!answer.empty()) return answer.front()[0];
    std::this_thread::sleep_for(kAskAgain);
  }
  return Fail(ErrorCode::kUnavailable, "no answer; is the server running?");
}

}  // namespace tw::cli
