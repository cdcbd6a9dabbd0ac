#include "policy/function_reads.h"

#include <pg_query.h>

#include <algorithm>
#include <cctype>

#include "json/json.h"
#include "policy/sql_tree.h"

namespace tw::policy {
namespace {

// Built-in functions over sets of values, which look at nothing else.
bool IsAggregate(std::string_view name) {
  static constexpr std::string_view kNames[] = {"array_agg", "avg",       "bool_and",   "bool_or",
                                                "count",     "every",     "max",        "min",
                                                "sum",       "jsonb_agg", "string_agg", "unnest"};
  return std::ranges::find(kNames, name) != std::end(kNames);
}

// Collects what a text reads; functions and tables are looked into once.
class Collector {
 public:
  explicit Collector(const Schema& schema) : schema_(schema) {}

  // False: it cannot be parsed.
  bool AddSql(const std::string& sql) {
    PgQueryParseResult parsed = pg_query_parse(sql.c_str());
    bool read = false;
    if (parsed.error == nullptr) {
      const auto document = json::Parse(parsed.parse_tree);
      if (document.ok()) {
        AddTree(document->root());
        read = true;
      }
    }
    pg_query_free_parse_result(parsed);
    return read;
  }

  void AddFunction(const SchemaFunction& function) {
    if (!functions_.insert(&function).second) return;
    const bool known =
        !function.body.empty() &&
        (function.language == "sql" ? AddSql(function.body)
                                    : function.language == "plpgsql" && AddPlPgSql(function));
    if (!known) reads_.complete = false;
  }

  void AddUnknown() { reads_.complete = false; }
  TableReads Take() { return std::move(reads_); }

 private:
  // Looks for tables, clocks and functions in a parse tree.
  void AddTree(const json::Value& tree) {
    for (const json::Value& item : tree.items()) AddTree(item);
    for (const json::Member& member : tree.members()) {
      if (member.key == "SQLValueFunction") reads_.complete = false;
      if (member.key == "RangeVar") {
        AddTable(member.value["schemaname"].AsString().value_or(""),
                 member.value["relname"].AsString().value_or(""));
      }
      if (member.key == "FuncCall") AddCall(member.value);
      AddTree(member.value);
    }
  }

  void AddTable(std::string_view schema, std::string_view name) {
    bool found = false;
    for (const SchemaTable& table : schema_.tables) {
      if (table.relation->table != name) continue;
      // Whose search path it is looked up by is not known here: any.
      if (!schema.empty() && table.relation->schema != schema) continue;
      found = true;
      if (!reads_.tables.insert(&table).second) continue;
      if (table.security == RowLevelSecurity::kDisabled) continue;
      for (const PolicyDefinition& policy : table.policies) {
        if (!AddSql("SELECT " + policy.using_sql)) reads_.complete = false;
      }
    }
    if (!found) reads_.complete = false;
  }

  void AddCall(const json::Value& call) {
    const SqlName name = NameOf(call["funcname"]);
    const size_t arguments = call["args"].items().size();
    const std::string key = std::string(name.name) + "/" + std::to_string(arguments);
    const bool builtin = name.schema.empty() || name.schema == "pg_catalog";
    if (builtin && (schema_.builtins.contains(key) || IsAggregate(name.name))) return;
    bool found = false;
    for (const SchemaFunction& function : schema_.functions) {
      if (function.name != name.name) continue;
      if (!name.schema.empty() && function.schema != name.schema) continue;
      found = true;
      AddFunction(function);
    }
    if (!found) reads_.complete = false;
  }

  bool AddPlPgSql(const SchemaFunction& function) {
    std::string sql = "CREATE FUNCTION f(";
    for (size_t i = 0; i < function.argument_types.size(); ++i) {
      if (i > 0) sql += ", ";
      if (!function.argument_names[i].empty()) sql += QuoteName(function.argument_names[i]) + " ";
      sql += QuoteName(function.argument_types[i]);
    }
    const std::string quote = "$tidewire_body$";
    if (function.body.find(quote) != function.body.npos) return false;
    sql += ") RETURNS " + QuoteName(function.result_type) + " LANGUAGE plpgsql AS " + quote +
           function.body + quote;
    PgQueryPlpgsqlParseResult parsed = pg_query_parse_plpgsql(sql.c_str());
    bool read = false;
    if (parsed.error == nullptr) {
      const auto document = json::Parse(parsed.plpgsql_funcs);
      if (document.ok()) {
        AddStatements(document->root());
        read = true;
      }
    }
    pg_query_free_plpgsql_parse_result(parsed);
    return read;
  }

  void AddStatements(const json::Value& tree) {
    for (const json::Value& item : tree.items()) AddStatements(item);
    for (const json::Member& member : tree.members()) {
      if (member.key.starts_with("PLpgSQL_stmt_dyn")) reads_.complete = false;
      if (member.key == "PLpgSQL_expr") {
        const std::string query(member.value["query"].AsString().value_or(""));
        // A whole query, an expression, or an assignment's right side.
        const size_t assigned = query.find(":=");
        const bool known =
            AddSql(query) || AddSql("SELECT " + query) ||
            (assigned != query.npos && AddSql("SELECT " + query.substr(assigned + 2)));
        if (!known) reads_.complete = false;
      }
      AddStatements(member.value);
    }
  }

  const Schema& schema_;
  TableReads reads_;
  std::set<const SchemaFunction*> functions_;
};

bool IsWord(char c) {
  return c == '_' || c == '$' || (c & 0x80) != 0 ||
         std::isalnum(static_cast<unsigned char>(c)) != 0;
}

}  // namespace

TableReads ReadsOf(std::string_view condition, const Schema& schema) {
  Collector collector(schema);
  if (!collector.AddSql("SELECT " + std::string(condition))) collector.AddUnknown();
  return collector.Take();
}

bool ReadsNoTable(const SchemaFunction& function, const Schema& schema) {
  if (function.returns_set) return false;
  Collector collector(schema);
  collector.AddFunction(function);
  const TableReads reads = collector.Take();
  return reads.complete && reads.tables.empty();
}

bool Mentions(std::string_view sql, std::string_view name) {
  for (size_t at = sql.find(name); at != sql.npos; at = sql.find(name, at + 1)) {
    const size_t end = at + name.size();
    const bool begins = at == 0 || !IsWord(sql[at - 1]);
    if (begins && (end == sql.size() || !IsWord(sql[end]))) return true;
  }
  return false;
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
