#include "policy/function_reads.h"

#include <pg_query.h>

#include <algorithm>

#include "json/json.h"
#include "policy/sql_tree.h"

namespace tw::policy {
namespace {

constexpr int kDepthMax = 8;

bool BodyIsPure(const SchemaFunction& function, const Schema& schema, int depth);

bool CallIsPure(const json::Value& call, const Schema& schema, int depth) {
  const SqlName name = NameOf(call["funcname"]);
  const size_t arguments = call["args"].items().size();
  const std::string key = std::string(name.name) + "/" + std::to_string(arguments);
  if ((name.schema.empty() || name.schema == "pg_catalog") && schema.builtins.contains(key)) {
    return true;
  }
  bool found = false;
  for (const SchemaFunction& function : schema.functions) {
    if (function.name != name.name || (!name.schema.empty() && function.schema != name.schema)) {
      continue;
    }
    found = true;
    if (!BodyIsPure(function, schema, depth + 1)) return false;
  }
  return found;
}

// Looks for tables, clocks and unknown functions in a parse tree.
bool TreeIsPure(const json::Value& tree, const Schema& schema, int depth) {
  for (const json::Value& item : tree.items()) {
    if (!TreeIsPure(item, schema, depth)) return false;
  }
  for (const json::Member& member : tree.members()) {
    if (member.key == "RangeVar" || member.key == "SQLValueFunction") return false;
    if (member.key == "FuncCall" && !CallIsPure(member.value, schema, depth)) return false;
    if (!TreeIsPure(member.value, schema, depth)) return false;
  }
  return true;
}

bool SqlIsPure(const std::string& sql, const Schema& schema, int depth) {
  PgQueryParseResult parsed = pg_query_parse(sql.c_str());
  bool pure = false;
  if (parsed.error == nullptr) {
    const auto document = json::Parse(parsed.parse_tree);
    pure = document.ok() && TreeIsPure(document->root(), schema, depth);
  }
  pg_query_free_parse_result(parsed);
  return pure;
}

// PL/pgSQL: every expression and query must be pure, and nothing may be executed from text.
bool StatementsArePure(const json::Value& tree, const Schema& schema, int depth) {
  for (const json::Value& item : tree.items()) {
    if (!StatementsArePure(item, schema, depth)) return false;
  }
  for (const json::Member& member : tree.members()) {
    if (member.key.starts_with("PLpgSQL_stmt_dyn") || member.key == "PLpgSQL_stmt_execsql" ||
        member.key == "PLpgSQL_stmt_fors" || member.key == "PLpgSQL_stmt_open") {
      return false;
    }
    if (member.key == "PLpgSQL_expr") {
      const std::string query(member.value["query"].AsString().value_or(""));
      // An expression, an assignment's right side, or a whole query.
      if (!SqlIsPure(query, schema, depth) && !SqlIsPure("SELECT " + query, schema, depth) &&
          (query.find(":=") == query.npos ||
           !SqlIsPure("SELECT " + query.substr(query.find(":=") + 2), schema, depth))) {
        return false;
      }
    }
    if (!StatementsArePure(member.value, schema, depth)) return false;
  }
  return true;
}

bool PlPgSqlIsPure(const SchemaFunction& function, const Schema& schema, int depth) {
  std::string sql = "CREATE FUNCTION f(";
  for (size_t i = 0; i < function.argument_types.size(); ++i) {
    if (i > 0) sql += ", ";
    if (!function.argument_names[i].empty()) sql += QuoteName(function.argument_names[i]) + " ";
    sql += QuoteName(function.argument_types[i]);
  }
  std::string quote = "$tidewire_body$";
  sql += ") RETURNS " + QuoteName(function.result_type) + " LANGUAGE plpgsql AS " + quote +
         function.body + quote;
  PgQueryPlpgsqlParseResult parsed = pg_query_parse_plpgsql(sql.c_str());
  bool pure = false;
  if (parsed.error == nullptr && function.body.find(quote) == function.body.npos) {
    const auto document = json::Parse(parsed.plpgsql_funcs);
    pure = document.ok() && StatementsArePure(document->root(), schema, depth);
  }
  pg_query_free_plpgsql_parse_result(parsed);
  return pure;
}

bool BodyIsPure(const SchemaFunction& function, const Schema& schema, int depth) {
  if (depth > kDepthMax || function.body.empty() || function.returns_set) return false;
  if (function.language == "sql") return SqlIsPure(function.body, schema, depth);
  if (function.language == "plpgsql") return PlPgSqlIsPure(function, schema, depth);
  return false;
}

}  // namespace

bool ReadsNoTable(const SchemaFunction& function, const Schema& schema) {
  return BodyIsPure(function, schema, 0);
}

std::string QuoteName(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

}  // namespace tw::policy
