#include "app/postgres_catalog.h"

#include <algorithm>
#include <map>

#include "base/strings.h"
#include "telemetry/log.h"

namespace tw::app {
namespace {

using postgres::Parameter;
using postgres::QuoteIdentifier;

// What one table grants.
struct Rights {
  bool row_level_security = false;
  std::vector<std::string> readers;  // Roles that may SELECT the whole table.
  std::vector<std::string> free;     // Of these, those whom no policy concerns.
};

// No token has this role: a list of roles without any would mean all of them.
const std::vector<std::string>& Nobody() {
  static const std::vector<std::string> nobody{""};
  return nobody;
}

Result<Rights> ReadRights(postgres::Connection& connection, const std::string& table) {
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      connection.Query(
          "select r.rolname, c.relrowsecurity, r.rolsuper or r.rolbypassrls or (not"
          " c.relforcerowsecurity and pg_has_role(r.oid, c.relowner, 'usage')),"
          " has_schema_privilege(r.oid, c.relnamespace, 'usage') and"
          " has_table_privilege(r.oid, c.oid, 'select')"
          " from pg_catalog.pg_class c, pg_catalog.pg_roles r where c.oid = $1::regclass"
          " and r.rolname !~ '^pg_'",
          {Parameter(table)}));
  Rights rights;
  for (size_t row = 0; row < rows.size(); ++row) {
    rights.row_level_security = rows.Bool(row, 1);
    if (!rows.Bool(row, 3)) continue;
    rights.readers.emplace_back(rows.Text(row, 0));
    if (!rights.row_level_security || rows.Bool(row, 2)) {
      rights.free.emplace_back(rows.Text(row, 0));
    }
  }
  return rights;
}

// The policies for SELECT, each with the roles that it concerns and that may read the table at all.
Result<std::vector<policy::PolicyDefinition>> ReadPolicies(postgres::Connection& connection,
                                                           const std::string& table,
                                                           const Rights& rights) {
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      connection.Query(
          "select p.polname, p.polpermissive, pg_get_expr(p.polqual, p.polrelid), 0 = any(p.polroles),"
          " array_to_string(array(select r.rolname from pg_catalog.pg_roles r where exists (select"
          " from unnest(p.polroles) x where x <> 0 and pg_has_role(r.oid, x, 'usage'))), E'\\n')"
          " from pg_catalog.pg_policy p where p.polrelid = $1::regclass and p.polcmd in ('r', '*')"
          " and p.polqual is not null order by p.polname",
          {Parameter(table)}));
  std::vector<policy::PolicyDefinition> definitions;
  for (size_t row = 0; row < rows.size(); ++row) {
    policy::PolicyDefinition definition;
    definition.name = rows.Text(row, 0);
    definition.kind = rows.Bool(row, 1) ? policy::PolicyDefinition::Kind::kPermissive
                                        : policy::PolicyDefinition::Kind::kRestrictive;
    definition.using_sql = rows.Text(row, 2);
    definition.where = "pg_policy";
    const auto concerned = Split(rows.Text(row, 4), '\n');
    for (const std::string& role : rights.readers) {
      if (rows.Bool(row, 3) || std::ranges::find(concerned, role) != concerned.end()) {
        definition.roles.push_back(role);
      }
    }
    if (definition.roles.empty()) definition.roles = Nobody();
    definitions.push_back(std::move(definition));
  }
  return definitions;
}

Result<policy::Catalog::Table> ReadTable(postgres::Connection& connection,
                                         const RelationPtr& relation) {
  const std::string table = QuoteIdentifier(relation->schema) + "." + QuoteIdentifier(relation->table);
  TW_ASSIGN_OR_RETURN(const Rights rights, ReadRights(connection, table));
  policy::CompileOptions options;
  options.bypass_roles = rights.free.empty() ? Nobody() : rights.free;
  policy::Catalog::Table entry{.relation = relation};
  std::vector<policy::PolicyDefinition> definitions;
  if (rights.row_level_security) {
    TW_ASSIGN_OR_RETURN(definitions, ReadPolicies(connection, table, rights));
  }
  auto compiled = policy::TablePolicy::Compile(relation, definitions, options);
  if (!compiled.ok()) {
    telemetry::Log(telemetry::Level::kWarning, "PolicyNotCompiled",
                   "a table's policies cannot be judged here: nobody whom they concern gets its rows",
                   {{"table", table}, {"reason", compiled.error().message}});
    entry.denied = Error{ErrorCode::kPermissionDenied,
                         "row-level security of table " + relation->table +
                             " cannot be evaluated for changes: " + compiled.error().message};
    compiled = policy::TablePolicy::Compile(relation, {}, options);
    if (!compiled.ok()) return std::unexpected(compiled.error());
  }
  entry.policy = std::move(*compiled);
  return entry;
}

}  // namespace

Result<policy::CatalogPtr> ReadPostgresCatalog(postgres::Connection& connection,
                                               const std::vector<RelationPtr>& relations) {
  auto catalog = std::make_shared<policy::Catalog>();
  for (const RelationPtr& relation : relations) {
    auto table = ReadTable(connection, relation);
    if (!table.ok()) {
      // Dropped since: the stream is behind the catalogue, and what it still brings is nobody's.
      if (table.error().code == ErrorCode::kNotFound) continue;
      return std::unexpected(table.error());
    }
    catalog->Add(std::move(*table));
  }
  return policy::CatalogPtr(std::move(catalog));
}

Result<std::string> CatalogFingerprint(postgres::Connection& connection) {
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      connection.Query(
          "select md5(coalesce((select string_agg(oid || '.' || xmin, ',' order by oid) from"
          " pg_catalog.pg_policy), '')) || md5(coalesce((select string_agg(oid || '.' || xmin, ','"
          " order by oid) from pg_catalog.pg_class where relkind in ('r', 'p') and oid >= 16384),"
          " '')) || md5((select string_agg(oid || '.' || xmin, ',' order by oid) from"
          " pg_catalog.pg_authid)) || md5(coalesce((select string_agg(roleid || '.' || member || '.'"
          " || xmin, ',' order by roleid, member) from pg_catalog.pg_auth_members), '')) ||"
          " md5(coalesce((select string_agg(oid || '.' || xmin, ',' order by oid) from"
          " pg_catalog.pg_namespace), '')) || md5(coalesce((select string_agg(prrelid || '.' || xmin,"
          " ',' order by prrelid) from pg_catalog.pg_publication_rel), ''))"));
  return std::string(rows.Text(0, 0));
}

}  // namespace tw::app
