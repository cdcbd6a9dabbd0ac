#include "query/postgres_reader.h"

#include <algorithm>

#include "json/json.h"
#include "query/acting_session.h"
#include "query/read_budget.h"

namespace tw::query {
namespace {

using postgres::Parameter;
using postgres::QuoteIdentifier;

constexpr size_t kPushedValuesMax = 100;
// Rows fetched from the cursor at a time.
constexpr const char* kFetch = "fetch 1000 from tidewire_read";
// A condition that every wanted row meets, its values as parameters.
struct Pushed {
  std::string sql;
  std::vector<std::string> values;
};

// The text of `value` as a parameter of its column's type; nullopt: not pushed.
std::optional<std::string> TextOf(const Value& value) {
  if (const auto* held = value.AsBool()) return *held ? "t" : "f";
  if (const auto* held = value.AsInt()) return std::to_string(*held);
  if (const auto* held = value.AsText()) return *held;
  return std::nullopt;
}

void Push(std::span<const policy::Anchor> anchors, const Relation& relation, Pushed& pushed) {
  if (anchors.empty() || pushed.values.size() + anchors.size() > kPushedValuesMax) return;
  std::string any;
  std::vector<std::string> values;
  for (const policy::Anchor& anchor : anchors) {
    const Column& column = relation.columns[anchor.column];
    any += (any.empty() ? "" : " or ") + QuoteIdentifier(column.name);
    if (anchor.value.is_null()) {
      any += " is null";
      continue;
    }
    auto text = TextOf(anchor.value);
    // Text of a float or of an array is not what it compares by.
    if (!text || column.type == ColumnType::kFloat8 || column.type == ColumnType::kEncoded) return;
    values.push_back(std::move(*text));
    any += " = $" + std::to_string(pushed.values.size() + values.size());
  }
  pushed.values.insert(pushed.values.end(), values.begin(), values.end());
  pushed.sql += (pushed.sql.empty() ? " where (" : " and (") + any + ")";
}

std::string BuildSql(const TableQuery& query, const Pushed& pushed) {
  const Relation& relation = *query.relation;
  std::string sql = "declare tidewire_read no scroll cursor for select ";
  for (size_t i = 0; i < relation.columns.size(); ++i) {
    const bool readable = query.readable.empty() || query.readable[i];
    sql += (i > 0 ? ", " : "") + (readable ? QuoteIdentifier(relation.columns[i].name) : "null");
  }
  sql += " from " + QuoteIdentifier(relation.schema) + "." + QuoteIdentifier(relation.table) +
         pushed.sql;
  for (size_t i = 0; i < query.order.size(); ++i) {
    const auto& order = query.order[i];
    sql += (i == 0 ? " order by " : ", ") + QuoteIdentifier(relation.columns[order.column].name) +
           (order.descending ? " desc" : " asc") +
           (order.nulls_first ? " nulls first" : " nulls last");
  }
  return sql;
}

}  // namespace

Result<TableResult> PostgresReader::Read(const TableQuery& query, const ReaderLimits& limits) {
  TW_ASSIGN_OR_RETURN(auto results, ReadTables({&query, 1}, limits));
  return std::move(results.front());
}

Result<std::vector<TableResult>> PostgresReader::ReadTables(std::span<const TableQuery> queries,
                                                            const ReaderLimits& limits) {
  for (int attempt = 0; attempt < StreamPlace::kSnapshotsMax; ++attempt) {
    TW_RETURN_IF_ERROR(OpenToAct({.dsn = options_.dsn,
                                  .application_name = "tidewire reader",
                                  .statement_timeout = options_.statement_timeout,
                                  // What the policies of the role hid would be missing.
                                  .settings = {{"row_security", "off"}}},
                                 connection_, types_));
    auto results = ReadOnce(queries, limits);
    if (!results.ok()) {
      if (connection_->broken()) connection_.reset();
      return std::unexpected(results.error());
    }
    if (*results) return std::move(**results);
  }
  return Fail(ErrorCode::kUnavailable, "too many commits at the same moment; try again");
}

Result<std::optional<std::vector<TableResult>>> PostgresReader::ReadOnce(
    std::span<const TableQuery> queries, const ReaderLimits& limits) {
  std::vector<TableResult> results;
  StreamPlace::Snapshot snapshot;
  {
    TW_ASSIGN_OR_RETURN(auto transaction,
                        postgres::Transaction::Begin(
                            *connection_, "begin isolation level repeatable read read only"));
    TW_ASSIGN_OR_RETURN(snapshot, place_.Take(*connection_));
    if (!queries.empty() && queries.front().as_role) {
      const TableQuery::Reader& reader = *queries.front().as_role;
      TW_RETURN_IF_ERROR(connection_->Execute(ActAs(reader.role, reader.claims)));
    }
    ReadBudget budget{limits};
    for (const TableQuery& query : queries) {
      TW_ASSIGN_OR_RETURN(auto result, ReadRows(query, budget));
      results.push_back(std::move(result));
    }
    TW_RETURN_IF_ERROR(transaction.Commit());
  }
  TW_ASSIGN_OR_RETURN(const auto position, place_.Locate(*connection_, snapshot));
  if (!position) return std::nullopt;
  for (TableResult& result : results) result.position = *position;
  return results;
}

Result<TableResult> PostgresReader::ReadRows(const TableQuery& query, ReadBudget& budget) {
  TableResult result;
  result.json = "[";
  skipped_ = 0;
  Pushed pushed;
  if (const auto anchors = query.access->anchors()) Push(*anchors, *query.relation, pushed);
  Push(query.filter.equalities(), *query.relation, pushed);
  if (!query.access->allows_nothing()) {
    const std::vector<Parameter> parameters(pushed.values.begin(), pushed.values.end());
    TW_RETURN_IF_ERROR(connection_->Query(BuildSql(query, pushed), parameters));
    for (bool more = true; more;) {
      TW_ASSIGN_OR_RETURN(const auto rows, connection_->Query(kFetch));
      if (rows.empty()) break;
      TW_ASSIGN_OR_RETURN(more, TakeRows(rows, query, budget, result));
    }
    TW_RETURN_IF_ERROR(connection_->Execute("close tidewire_read"));
  }
  result.json.push_back(']');
  return result;
}

// False when the result is complete.
Result<bool> PostgresReader::TakeRows(const postgres::Rows& rows, const TableQuery& query,
                                      ReadBudget& budget, TableResult& result) {
  const size_t columns = query.relation->columns.size();
  Row row(columns);
  for (size_t r = 0; r < rows.size(); ++r) {
    if (result.rows >= query.limit) return false;
    TW_RETURN_IF_ERROR(budget.Look());
    for (size_t c = 0; c < columns; ++c) {
      const uint32_t type = rows.ColumnTypeOid(c);
      if (!types_.Knows(type)) TW_RETURN_IF_ERROR(types_.Load(*connection_));
      row[c] = rows.IsNull(r, c) ? Value() : types_.Decode(type, rows.Text(r, c));
    }
    if (!query.filter.Matches(row) || !query.access->Allows(row)) continue;
    if (skipped_ < query.offset) {
      ++skipped_;
      continue;
    }
    TW_RETURN_IF_ERROR(budget.Take(result, query, row));
  }
  return result.rows < query.limit;
}

std::unique_ptr<PostgresReaders> PostgresReaders::Start(const PostgresReaderOptions& options,
                                                        capture::CommitLog& log,
                                                        capture::RecentCommits& recent,
                                                        telemetry::Registry& metrics) {
  std::vector<std::unique_ptr<PostgresReader>> readers;
  for (uint32_t i = 0; i < options.threads; ++i) {
    readers.push_back(std::make_unique<PostgresReader>(options, log, recent));
  }
  return std::unique_ptr<PostgresReaders>(
      new PostgresReaders(std::move(readers), CountedReads(options.queue_tasks_max, metrics)));
}

}  // namespace tw::query
