#include "query/table_reader.h"

#include <vector>

#include "json/json.h"
#include "query/read_budget.h"
#include "query/stored_tables.h"
#include "store/store.h"

namespace tw::query {
namespace {

using sqlite::QuoteIdentifier;

// A condition that every wanted row meets: what SQLite's indexes can use. Its values are bound in
// order. More values than this make no shorter search.
constexpr size_t kPushedValuesMax = 100;

struct Pushed {
  std::string sql;
  std::vector<Value> values;
};

void Push(std::span<const policy::Anchor> anchors, const Relation& relation, Pushed& pushed) {
  if (anchors.empty() || pushed.values.size() + anchors.size() > kPushedValuesMax) return;
  std::string any;
  for (const policy::Anchor& anchor : anchors) {
    any += any.empty() ? "" : " or ";
    any += QuoteIdentifier(relation.columns[anchor.column].name) + " is ?";
    pushed.values.push_back(anchor.value);
  }
  pushed.sql += (pushed.sql.empty() ? " where (" : " and (") + any + ")";
}

std::string BuildSql(const TableQuery& query, const Pushed& pushed) {
  std::string sql = "select ";
  for (size_t i = 0; i < query.relation->columns.size(); ++i) {
    sql += (i > 0 ? ", " : "") + QuoteIdentifier(query.relation->columns[i].name);
  }
  sql += " from " + QuoteIdentifier(query.relation->table) + pushed.sql;
  for (size_t i = 0; i < query.order.size(); ++i) {
    const auto& order = query.order[i];
    sql += (i == 0 ? " order by " : ", ") +
           QuoteIdentifier(query.relation->columns[order.column].name) +
           (order.descending ? " desc" : " asc") +
           (order.nulls_first ? " nulls first" : " nulls last");
  }
  return sql;
}

Status ReadRows(sqlite::Statement& select, const TableQuery& query, ReadBudget& budget,
                StoredTables& tables, TableResult& result) {
  const Relation& relation = *query.relation;
  Row row(relation.columns.size());
  uint64_t skipped = 0;
  while (result.rows < query.limit) {
    TW_ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return {};
    TW_RETURN_IF_ERROR(budget.Look());
    for (size_t i = 0; i < row.size(); ++i) {
      row[i] = store::ColumnValue(select, static_cast<int>(i), relation.columns[i].type);
    }
    tables.BeginRow();
    if (!query.filter.Matches(row) || !query.access->Allows(row, &tables)) continue;
    if (skipped < query.offset) {
      ++skipped;
      continue;
    }
    TW_RETURN_IF_ERROR(budget.Take(result, query, row));
  }
  return {};
}

// Within a read transaction.
Result<TableResult> ReadOne(sqlite::Database& database, const TableQuery& query,
                            ReadBudget& budget) {
  TableResult result;
  result.json = "[";
  Pushed pushed;
  if (const auto anchors = query.access->anchors()) Push(*anchors, *query.relation, pushed);
  Push(query.filter.equalities(), *query.relation, pushed);
  if (!query.access->allows_nothing()) {
    TW_ASSIGN_OR_RETURN(auto select, database.Prepare(BuildSql(query, pushed)));
    for (size_t i = 0; i < pushed.values.size(); ++i) {
      store::BindValue(select, static_cast<int>(i + 1), pushed.values[i]);
    }
    StoredTables tables(database, query.inner);
    TW_RETURN_IF_ERROR(ReadRows(select, query, budget, tables, result));
    TW_RETURN_IF_ERROR(tables.status());
  }
  result.json.push_back(']');
  return result;
}

}  // namespace

Result<TableResult> ReadTable(sqlite::Database& database, uint64_t epoch, const TableQuery& query,
                              const ReaderLimits& limits) {
  TW_ASSIGN_OR_RETURN(auto results, ReadTables(database, epoch, {&query, 1}, limits));
  return std::move(results.front());
}

Result<std::vector<TableResult>> ReadTables(sqlite::Database& database, uint64_t epoch,
                                            std::span<const TableQuery> queries,
                                            const ReaderLimits& limits) {
  std::vector<TableResult> results;
  // A deferred transaction: the first read fixes the snapshot for all.
  TW_RETURN_IF_ERROR(database.Execute("begin"));
  const auto run = [&]() -> Status {
    TW_ASSIGN_OR_RETURN(const int64_t last,
                        database.QueryInt("select coalesce(max(offset), 0) from tidewire_log"));
    ReadBudget budget{limits};
    for (const TableQuery& query : queries) {
      TW_ASSIGN_OR_RETURN(auto result, ReadOne(database, query, budget));
      result.position = {epoch, static_cast<uint64_t>(last)};
      results.push_back(std::move(result));
    }
    return {};
  };
  const Status done = run();
  TW_RETURN_IF_ERROR(database.Execute("rollback"));
  TW_RETURN_IF_ERROR(done);
  return results;
}

}  // namespace tw::query
