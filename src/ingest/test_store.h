// Test-only: the database under the tests of ingest: a SQLite file, or with the environment variable
// TIDEWIRE_TEST_STORE=postgres a database of the shared cluster. The tests are the same, written for
// SQLite; what they say in SQL is translated as far as they need it.
#pragma once

#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "ingest/apply/applier.h"
#include "ingest/apply/postgres_effects.h"
#include "ingest/apply/postgres_schema.h"
#include "ingest/source.h"
#include "ingest/source_compiler.h"
#include "json/json.h"
#include "postgres/connection.h"
#include "sqlite/sqlite.h"
#include "testing/postgres_cluster.h"

namespace tw::ingest {

class TestStore {
 public:
  static bool on_postgres() {
    const char* const kind = std::getenv("TIDEWIRE_TEST_STORE");
    return kind != nullptr && std::string_view(kind) == "postgres";
  }

  explicit TestStore(std::string directory) : directory_(std::move(directory)) {
    if (on_postgres()) {
      dsn_ = testing::PostgresCluster::Shared().NewDatabase();
      std::ofstream(directory_ + "/test.db");  // So that the directory looks the same.
    }
    Open();
  }

  // As after a kill: what is not committed is gone.
  void Reopen() {
    sqlite_.reset();
    postgres_.reset();
    Open();
  }

  Status Execute(const std::string& sql) {
    return on_postgres() ? postgres_->Execute(Translated(sql)) : sqlite_->Execute(sql);
  }

  // Rows as "a|b;c|d"; NULL is "-".
  std::string Query(const std::string& sql) {
    if (on_postgres()) return QueryPostgres(Translated(sql));
    auto statement = sqlite_->Prepare(sql);
    if (!statement.ok()) return ToString(statement.error());
    std::string rows;
    for (;;) {
      const auto more = statement->Step();
      if (!more.ok()) return ToString(more.error());
      if (!*more) return rows;
      if (!rows.empty()) rows += ';';
      for (int i = 0; i < statement->ColumnCount(); ++i) {
        if (i > 0) rows += '|';
        rows += statement->ColumnIsNull(i) ? "-" : std::string(statement->ColumnText(i));
      }
    }
  }

  Result<SchemaView> Schema() {
    return on_postgres() ? ReadSchema(*postgres_) : ReadSchema(*sqlite_);
  }

  Result<std::unique_ptr<Applier>> MakeApplier(std::vector<std::shared_ptr<const Source>> sources,
                                               Clock& clock, telemetry::Registry& metrics,
                                               const ApplierOptions& options = {}) {
    if (!on_postgres()) {
      return Applier::Create(*sqlite_, std::move(sources), clock, metrics, options);
    }
    auto applier =
        Applier::CreateOnPostgres({.dsn = dsn_}, std::move(sources), clock, metrics, options);
    TW_RETURN_IF_ERROR(applier->Recover());
    return applier;
  }

  // In the file's place, or empty.
  const std::string& dsn() const { return dsn_; }
  sqlite::Database& sqlite() { return *sqlite_; }
  postgres::Connection& postgres() { return *postgres_; }

 private:
  static std::string ToString(const Error& error) { return "error: " + error.message; }

  void Open() {
    if (on_postgres()) {
      auto opened = postgres::Connection::Open({.dsn = dsn_});
      TW_CHECK(opened.ok());
      postgres_.emplace(*std::move(opened));
      TW_CHECK(postgres_->Execute("set search_path = public, tidewire").ok());
      TW_CHECK(CreatePostgresApplySchema(*postgres_).ok());
      return;
    }
    auto opened = sqlite::Database::Open(directory_ + "/test.db",
                                         {.durability = sqlite::Durability::kOff});
    TW_CHECK(opened.ok());
    sqlite_.emplace(*std::move(opened));
  }

  static std::string Translated(const std::string& sql) {
    using std::regex;
    static const std::vector<std::pair<regex, std::string>> kRules = {
        {regex(R"(\btidewire_(?!job'))"), "tidewire."},
        // The schema stays; its tables are emptied.
        {regex(R"(drop table if exists tidewire\.(\w+))"), "truncate tidewire.$1"},
        {regex(R"(id integer primary key)"), "id bigint primary key"},
        {regex(R"(select raise\(abort, ('[^']*')\))"), "raise exception $1"},
        {regex(R"(create trigger (\w+) (before|after) (insert|update|delete) on ([\w.]+)( when ([^;]*?))? begin ([^$]*?) end(?=;|$))"),
         "create function $1_f() returns trigger language plpgsql as $$$$ begin $7 return "
         "coalesce(new, old); end $$$$; create trigger $1 $2 $3 on $4 for each row when "
         "(true and ($6)) execute function $1_f()"},
        {regex(R"(when \(true and \(\)\))"), ""},
        {regex(R"(drop trigger (\w+))"), "drop function $1_f() cascade"},
        {regex(R"(insert or replace into item\(([^)]*)\) (values \([^)]*\)))"),
         "insert into item($1) $2 on conflict(org_id, id) do update set title = excluded.title"},
        {regex(R"(order by fact_id\)$)"), "order by fact_id) q"},
        {regex(R"(group_concat\((\w+)(, ',')?\))"), "string_agg($1::text, ',')"},
        {regex(R"(cast\(value as text\))"), "convert_from(value, 'UTF8')"},
        {regex(R"(order by rowid desc limit 1)"), "order by ended_at desc, ctid desc limit 1"},
        {regex(R"(json_each\([^\n]*?\) m )"),
         "string_to_table(nullif(f.contribution, ''), ',') m(value) "},
        {regex(R"(substr\((\w+), )"), "substr(to_char($1, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), "},
    };
    std::string text = sql;
    for (const auto& [from, to] : kRules) text = std::regex_replace(text, from, to);
    return text;
  }

  std::string QueryPostgres(const std::string& sql) {
    const auto result = postgres_->Query(sql);
    if (!result.ok()) return ToString(result.error()) + " in " + sql;
    std::string rows;
    for (size_t row = 0; row < result->size(); ++row) {
      if (row > 0) rows += ';';
      for (size_t column = 0; column < result->columns(); ++column) {
        if (column > 0) rows += '|';
        rows += Cell(*result, row, column);
      }
    }
    return rows;
  }

  // As SQLite would print it.
  static std::string Cell(const postgres::Rows& rows, size_t row, size_t column) {
    if (rows.IsNull(row, column)) return "-";
    const std::string_view text = rows.Text(row, column);
    switch (rows.ColumnTypeOid(column)) {
      case 16:  // bool
        return text == "t" ? "1" : "0";
      case 17:  // bytea
        return postgres::BytesOfText(text);
      case 1184:  // timestamptz
        return *ValueOfText(text, ColumnType::kTimestamptz).AsText();
      case 1700: {  // numeric
        std::string number(text);
        if (number.find('.') == std::string::npos) return number;
        number.erase(number.find_last_not_of('0') + 1);
        return number.ends_with('.') ? number + "0" : number;
      }
      case 3802: {  // jsonb
        const auto document = json::Parse(text);
        return document.ok() ? document->root().ToText() : std::string(text);
      }
      default:
        return std::string(text);
    }
  }

  const std::string directory_;
  std::string dsn_;
  std::optional<sqlite::Database> sqlite_;
  std::optional<postgres::Connection> postgres_;
};

inline Result<std::shared_ptr<const Source>> CompileSource(const SourceConfig& config,
                                                           std::string_view text,
                                                           TestStore& store) {
  TW_ASSIGN_OR_RETURN(const SchemaView schema, store.Schema());
  return CompileSource(config, text, schema);
}

}  // namespace tw::ingest
