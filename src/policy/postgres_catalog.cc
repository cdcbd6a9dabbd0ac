#include "policy/postgres_catalog.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/strings.h"

namespace tw::policy {
namespace {

using postgres::Connection;
using postgres::Rows;

// Tables by oid, as text.
using ByOid = std::map<std::string, SchemaTable*, std::less<>>;

// Lists inside one value; no identifier or type name holds this.
constexpr char kSeparator = '\x1F';
#define TW_LIST(array) "array_to_string(" array ", E'\\x1f', '')"

std::vector<std::string> ListOf(std::string_view text) {
  std::vector<std::string> list;
  if (text.empty()) return list;
  for (const std::string_view part : Split(text, kSeparator)) list.emplace_back(part);
  return list;
}

constexpr char kUserSchemas[] =
    " n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_' ";

Status ReadTables(Connection& connection, std::span<const RelationPtr> relations, Schema& schema,
                  ByOid& by_oid) {
  TW_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query("select c.oid, n.nspname, c.relname, c.relrowsecurity, "
                       "c.relforcerowsecurity, r.rolname from pg_class c join pg_namespace n on "
                       "n.oid = c.relnamespace join pg_roles r on r.oid = c.relowner where "
                       "c.relkind in ('r', 'p') and" +
                       std::string(kUserSchemas)));
  schema.tables.reserve(relations.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto relation = std::ranges::find_if(relations, [&](const RelationPtr& candidate) {
      return candidate->schema == rows.Text(i, 1) && candidate->table == rows.Text(i, 2);
    });
    if (relation == relations.end()) continue;
    SchemaTable table;
    table.relation = *relation;
    table.security =
        rows.Bool(i, 3) ? RowLevelSecurity::kEnabled : RowLevelSecurity::kDisabled;
    table.forced = rows.Bool(i, 4);
    table.owner = rows.Text(i, 5);
    table.unrestricted = false;
    table.exact.assign(table.relation->columns.size(), false);
    schema.tables.push_back(std::move(table));
    by_oid[std::string(rows.Text(i, 0))] = &schema.tables.back();
  }
  return {};
}

Status ReadPolicies(Connection& connection, ByOid& by_oid) {
  // Permissive policies are asked in reverse order: it decides which of two errors is met.
  TW_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query("select p.polrelid, p.polname, p.polpermissive, "
                       "pg_get_expr(p.polqual, p.polrelid), " TW_LIST(
                           "array(select case when x = 0 then 'public' else "
                           "pg_get_userbyid(x)::text end from unnest(p.polroles) x)") ", "
                       "p.polrelid::regclass::text from pg_policy p where p.polcmd in ('r', '*') "
                       "and p.polqual is not null order by p.polrelid, p.polname desc"));
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto table = by_oid.find(rows.Text(i, 0));
    if (table == by_oid.end()) continue;
    PolicyDefinition policy;
    policy.name = rows.Text(i, 1);
    policy.kind = rows.Bool(i, 2) ? PolicyDefinition::Kind::kPermissive
                                  : PolicyDefinition::Kind::kRestrictive;
    policy.using_sql = rows.Text(i, 3);
    policy.roles = ListOf(rows.Text(i, 4));
    policy.where = "on " + std::string(rows.Text(i, 5));
    table->second->policies.push_back(std::move(policy));
  }
  return {};
}

// A type whose text and comparisons are known here: no domain, no generated column, no collation of
// its own rules.
Status ReadColumns(Connection& connection, ByOid& by_oid) {
  TW_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query(
          "select a.attrelid, a.attname, a.attgenerated = '' and coalesce(c.collisdeterministic, "
          "true) and (t.typtype = 'e' or (t.typnamespace = 'pg_catalog'::regnamespace and t.typname "
          "in ('bool', 'int2', 'int4', 'int8', 'numeric', 'text', 'varchar', 'uuid', 'date', "
          "'timestamp', 'timestamptz'))), case when a.attgenerated <> '' then pg_get_expr(d.adbin, "
          "d.adrelid) end from pg_attribute a join pg_type t on t.oid = a.atttypid left join "
          "pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum left join pg_collation c "
          "on c.oid = a.attcollation where a.attnum > 0 and not a.attisdropped"));
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto table = by_oid.find(rows.Text(i, 0));
    if (table == by_oid.end()) continue;
    const auto column = table->second->relation->Find(rows.Text(i, 1));
    if (column) table->second->exact[*column] = rows.Bool(i, 2);
    if (!rows.IsNull(i, 3)) {
      table->second->generated.emplace_back(rows.Text(i, 1), rows.Text(i, 3));
    } else if (!column) {
      table->second->not_in_stream.emplace_back(rows.Text(i, 1));
    }
  }
  return {};
}

Status ReadPrivileges(Connection& connection, ByOid& by_oid) {
  std::string oids;
  for (const auto& [oid, table] : by_oid) oids += (oids.empty() ? "" : ",") + oid;
  if (oids.empty()) return {};
  TW_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query("select c.oid, r.rolname, " TW_LIST(
                           "array(select a.attname::text from pg_attribute a where a.attrelid = "
                           "c.oid and a.attnum > 0 and not a.attisdropped and "
                           "has_column_privilege(r.oid, c.oid, a.attnum, 'select'))") " from "
                       "pg_class c cross join pg_roles r where c.oid in (" + oids +
                       ") and r.rolname !~ '^pg_' and has_schema_privilege(r.oid, c.relnamespace, "
                       "'usage') and has_any_column_privilege(r.oid, c.oid, 'select')"));
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto found = by_oid.find(rows.Text(i, 0));
    SchemaTable& table = *found->second;
    std::vector<bool> readable(table.relation->columns.size());
    for (const std::string& name : ListOf(rows.Text(i, 2))) {
      if (const auto column = table.relation->Find(name)) readable[*column] = true;
    }
    table.readable.emplace(rows.Text(i, 1), std::move(readable));
  }
  return {};
}

Status ReadRoles(Connection& connection, Schema& schema) {
  TW_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query("select r.rolname, r.rolsuper or r.rolbypassrls, " TW_LIST(
          "array(select x.rolname::text from pg_roles x where pg_has_role(r.oid, x.oid, "
          "'usage'))") " from pg_roles r where r.rolname !~ '^pg_'"));
  for (size_t i = 0; i < rows.size(); ++i) {
    schema.roles.push_back(
        {std::string(rows.Text(i, 0)), rows.Bool(i, 1), ListOf(rows.Text(i, 2))});
  }
  return {};
}

// "search_path=public, extensions" → its schemas.
std::vector<std::string> SearchPathOf(std::string_view setting) {
  std::vector<std::string> path;
  constexpr std::string_view kName = "search_path=";
  if (!setting.starts_with(kName)) return path;
  for (std::string_view part : Split(setting.substr(kName.size()), ',')) {
    part = Trim(part);
    if (part.size() >= 2 && part.front() == '"') part = part.substr(1, part.size() - 2);
    // An empty path stays a path: it finds nothing without a schema.
    path.emplace_back(part.empty() ? std::string_view("pg_catalog") : part);
  }
  return path;
}

Status ReadFunctions(Connection& connection, Schema& schema) {
  TW_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query(
          "select n.nspname, p.proname, " TW_LIST("p.proargnames") ", " TW_LIST(
              "array(select t.typname::text from unnest(p.proargtypes) with ordinality as "
              "a(oid, n) join pg_type t on t.oid = a.oid order by a.n)") ", rt.typname, l.lanname, "
          "p.prosrc, r.rolname, p.proretset, p.prosecdef, p.proisstrict, p.provolatile, "
          "coalesce((select x from unnest(p.proconfig) x where x like 'search_path=%'), ''), "
          "exists(select 1 from unnest(p.proconfig) x where x not like 'search_path=%') from "
          "pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_type rt on rt.oid = "
          "p.prorettype join pg_language l on l.oid = p.prolang join pg_roles r on r.oid = "
          "p.proowner where p.prokind = 'f' and p.proargmodes is null and p.provariadic = 0 and" +
          std::string(kUserSchemas)));
  for (size_t i = 0; i < rows.size(); ++i) {
    SchemaFunction function;
    function.schema = rows.Text(i, 0);
    function.name = rows.Text(i, 1);
    function.argument_names = ListOf(rows.Text(i, 2));
    function.argument_types = ListOf(rows.Text(i, 3));
    function.argument_names.resize(function.argument_types.size());
    function.result_type = rows.Text(i, 4);
    function.language = rows.Text(i, 5);
    function.body = rows.Text(i, 6);
    function.owner = rows.Text(i, 7);
    function.returns_set = rows.Bool(i, 8);
    function.security_definer = rows.Bool(i, 9);
    function.strict = rows.Bool(i, 10);
    const std::string_view volatility = rows.Text(i, 11);
    function.volatility = volatility == "i"   ? SchemaFunction::Volatility::kImmutable
                          : volatility == "s" ? SchemaFunction::Volatility::kStable
                                              : SchemaFunction::Volatility::kVolatile;
    function.search_path = SearchPathOf(rows.Text(i, 12));
    if (rows.Bool(i, 13)) function.language = "sql with settings";  // Not to be expanded.
    schema.functions.push_back(std::move(function));
  }
  return {};
}

Status ReadBuiltins(Connection& connection, Schema& schema) {
  TW_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query(
          "select p.proname, p.pronargs, min(t.typname::text) from pg_proc p join pg_type t on "
          "t.oid = p.prorettype where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = "
          "'f' group by p.proname, p.pronargs having count(distinct p.prorettype) = 1 and "
          "bool_and(not p.proretset and p.provariadic = 0 and t.typtype <> 'p' and (p.provolatile = "
          "'i' or p.proname in ('current_setting', 'to_jsonb')))"));
  for (size_t i = 0; i < rows.size(); ++i) {
    schema.builtins[std::string(rows.Text(i, 0)) + "/" + std::string(rows.Text(i, 1))] = {
        std::string(rows.Text(i, 2))};
  }
  TW_ASSIGN_OR_RETURN(const Rows enums,
                      connection.Query("select typname from pg_type where typtype = 'e'"));
  for (size_t i = 0; i < enums.size(); ++i) schema.enums.emplace_back(enums.Text(i, 0));
  return {};
}

ColumnType TypeByName(std::string_view name) {
  for (const ColumnType type :
       {ColumnType::kBool, ColumnType::kInt2, ColumnType::kInt4, ColumnType::kInt8,
        ColumnType::kFloat8, ColumnType::kNumeric, ColumnType::kText, ColumnType::kBytea,
        ColumnType::kTimestamptz, ColumnType::kTimestamp, ColumnType::kDate, ColumnType::kUuid}) {
    if (TypeName(type) == name) return type;
  }
  if (name == "varchar") return ColumnType::kText;
  if (name == "json" || name == "jsonb") return ColumnType::kJson;
  return ColumnType::kOther;
}

}  // namespace

Status ReadTableRights(Connection& connection, std::span<const RelationPtr> relations,
                       Schema& schema) {
  schema.tables.clear();
  ByOid by_oid;
  TW_RETURN_IF_ERROR(ReadTables(connection, relations, schema, by_oid));
  TW_RETURN_IF_ERROR(ReadPolicies(connection, by_oid));
  TW_RETURN_IF_ERROR(ReadColumns(connection, by_oid));
  return ReadPrivileges(connection, by_oid);
}

Result<Schema> ReadSchema(Connection& connection, std::span<const RelationPtr> relations) {
  Schema schema;
  schema.dialect = Dialect::kPostgres;
  TW_ASSIGN_OR_RETURN(auto transaction,
                      postgres::Transaction::Begin(
                          connection, "begin isolation level repeatable read, read only"));
  TW_RETURN_IF_ERROR(connection.Execute("set local search_path = ''"));
  TW_RETURN_IF_ERROR(ReadTableRights(connection, relations, schema));
  TW_RETURN_IF_ERROR(ReadRoles(connection, schema));
  TW_RETURN_IF_ERROR(ReadFunctions(connection, schema));
  TW_RETURN_IF_ERROR(ReadBuiltins(connection, schema));
  TW_RETURN_IF_ERROR(transaction.Commit());
  return schema;
}

Result<std::vector<RelationPtr>> ReadRelations(Connection& connection, std::string_view name) {
  TW_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query(
          "select c.oid, c.relname, a.attname, t.typname, coalesce(array_position(i.indkey::int2[], "
          "a.attnum), -1) from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 "
          "and not a.attisdropped join pg_type t on t.oid = a.atttypid left join pg_index i on "
          "i.indrelid = c.oid and i.indisprimary where c.relkind in ('r', 'p') and c.relnamespace = "
          "(select oid from pg_namespace where nspname = $1) order by c.oid, a.attnum",
          {postgres::Parameter(name)}));
  std::vector<RelationPtr> relations;
  std::string_view last;
  std::vector<std::pair<int64_t, uint16_t>> key;
  std::shared_ptr<Relation> relation;
  const auto finish = [&] {
    if (relation == nullptr) return;
    std::ranges::sort(key);
    for (const auto& [at, column] : key) relation->key.push_back(column);
    key.clear();
    relations.push_back(std::move(relation));
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows.Text(i, 0) != last) {
      finish();
      last = rows.Text(i, 0);
      relation = std::make_shared<Relation>();
      relation->id = static_cast<uint32_t>(relations.size() + 1);
      relation->schema = name;
      relation->table = rows.Text(i, 1);
    }
    if (rows.Int(i, 4) >= 0) {
      key.emplace_back(rows.Int(i, 4), static_cast<uint16_t>(relation->columns.size()));
    }
    relation->columns.push_back({std::string(rows.Text(i, 2)), TypeByName(rows.Text(i, 3)),
                                 std::string(rows.Text(i, 3))});
  }
  finish();
  return relations;
}

}  // namespace tw::policy
