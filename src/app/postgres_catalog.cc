#include "app/postgres_catalog.h"

#include "capture/postgres/position.h"
#include "capture/postgres/types.h"
#include "policy/postgres_catalog.h"
#include "postgres/lsn.h"
#include "telemetry/log.h"

namespace tw::app {
namespace {

using policy::Placement;
using postgres::QuoteIdentifier;

void LogPlacements(const std::vector<Placement>& placements) {
  for (const Placement& placement : placements) {
    if (placement.tier != Placement::Tier::kDatabase) continue;
    telemetry::Log(telemetry::Level::kWarning, "PolicyNotCompiled",
                   "the database is asked about each change of this table's rows, because its "
                   "policies for this role are not decided in memory",
                   {{"table", placement.schema + "." + placement.table},
                    {"role", placement.role},
                    {"reason", placement.reason}});
  }
}

Status LoadTable(postgres::Connection& connection, capture::TypeBook& types,
                 const policy::InnerTablePlan& table, uint32_t number, InnerSnapshot& snapshot) {
  const Relation& relation = *table.relation;
  std::string sql = "select ";
  for (size_t i = 0; i < table.columns.size(); ++i) {
    sql += (i > 0 ? ", " : "") + QuoteIdentifier(relation.columns[table.columns[i]].name);
  }
  sql += " from " + QuoteIdentifier(relation.schema) + "." + QuoteIdentifier(relation.table);
  TW_ASSIGN_OR_RETURN(const auto rows, connection.Query(sql));
  for (size_t r = 0; r < rows.size(); ++r) {
    Row row(relation.columns.size());
    for (size_t i = 0; i < table.columns.size(); ++i) {
      if (rows.IsNull(r, i)) continue;
      row[table.columns[i]] = types.Decode(rows.ColumnTypeOid(i), rows.Text(r, i));
    }
    snapshot.rows.emplace_back(number, std::move(row));
  }
  return {};
}

// The rows are as one snapshot sees them. Every commit that it sees began before the place in the
// WAL that is asked for afterwards: beyond it the rows and what the stream adds are exact.
Result<InnerSnapshot> LoadInner(postgres::Connection& connection,
                                std::shared_ptr<const policy::InnerPlan> plan) {
  InnerSnapshot snapshot;
  snapshot.plan = std::move(plan);
  if (snapshot.plan->empty()) return snapshot;
  capture::TypeBook types;
  TW_RETURN_IF_ERROR(types.Load(connection));
  TW_ASSIGN_OR_RETURN(auto transaction,
                      postgres::Transaction::Begin(
                          connection, "begin isolation level repeatable read, read only"));
  // Policies of our own role would leave rows out: then it is an error instead.
  TW_RETURN_IF_ERROR(connection.Execute("set local row_security = off"));
  for (uint32_t i = 0; i < snapshot.plan->tables().size(); ++i) {
    TW_RETURN_IF_ERROR(LoadTable(connection, types, snapshot.plan->tables()[i], i, snapshot));
  }
  TW_ASSIGN_OR_RETURN(const auto end, connection.Query("select pg_current_wal_insert_lsn()"));
  TW_ASSIGN_OR_RETURN(const auto lsn, postgres::ParseLsn(end.Text(0, 0)));
  TW_RETURN_IF_ERROR(transaction.Commit());
  snapshot.position = capture::OffsetBefore(lsn);
  snapshot.rewound_to = snapshot.position;
  return snapshot;
}

}  // namespace

Result<PostgresRights> ReadPostgresRights(postgres::Connection& connection,
                                          const std::vector<RelationPtr>& relations) {
  TW_ASSIGN_OR_RETURN(const policy::Schema schema, policy::ReadSchema(connection, relations));
  policy::PostgresCatalog compiled = policy::CompilePostgres(schema);
  LogPlacements(compiled.placements);
  PostgresRights rights;
  auto inner = LoadInner(connection, compiled.catalog->inner());
  if (!inner.ok() && inner.error().code != ErrorCode::kPermissionDenied) {
    return std::unexpected(inner.error());
  }
  if (!inner.ok()) {
    telemetry::Log(telemetry::Level::kError, "InnerTablesNotReadable",
                   "our role may not read all rows of a table that policies look into; whoever "
                   "needs them sees nothing. Grant it SELECT and BYPASSRLS",
                   {{"error", inner.error().message}});
    // Exact at no position that there is.
    inner = InnerSnapshot{.plan = compiled.catalog->inner(),
                          .position = UINT64_MAX,
                          .rewound_to = UINT64_MAX,
                          .rows = {},
                          .changes = {}};
  }
  rights.inner = std::make_shared<const InnerSnapshot>(std::move(*inner));
  rights.catalog = std::move(compiled.catalog);
  return rights;
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
          " pg_catalog.pg_namespace), '')) || md5(coalesce((select string_agg(oid || '.' || xmin,"
          " ',' order by oid) from pg_catalog.pg_proc where oid >= 16384), '')) ||"
          " md5(coalesce((select string_agg(attrelid || '.' || attnum || '.' || xmin, ',' order by"
          " attrelid, attnum) from pg_catalog.pg_attribute where attrelid >= 16384 and attnum > 0),"
          " '')) || md5(coalesce((select string_agg(prrelid || '.' || xmin,"
          " ',' order by prrelid) from pg_catalog.pg_publication_rel), ''))"));
  return std::string(rows.Text(0, 0));
}

}  // namespace tw::app
