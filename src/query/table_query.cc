#include "query/table_query.h"

#include <algorithm>

#include "base/strings.h"
#include "policy/program.h"

namespace tw::query {
namespace {

Result<size_t> FindColumn(const Relation& relation, std::string_view name) {
  if (const auto column = relation.Find(name)) return *column;
  std::vector<std::string_view> names;
  for (const Column& column : relation.columns) names.push_back(column.name);
  const auto nearest = Nearest(name, names);
  return Fail(ErrorCode::kInvalidArgument,
              "column " + relation.table + "." + std::string(name) + " does not exist" +
                  (nearest ? "; did you mean '" + std::string(*nearest) + "'?" : ""));
}

Status ParseSelect(std::string_view text, TableQuery& query) {
  query.columns.clear();
  for (const std::string_view part : Split(text, ',')) {
    const std::string_view name = Trim(part);
    if (name == "*") {
      for (size_t i = 0; i < query.relation->columns.size(); ++i) query.columns.push_back(i);
      continue;
    }
    if (name.find_first_of("():>!") != std::string_view::npos) {
      return Fail(ErrorCode::kInvalidArgument, "select: '" + std::string(name) +
                                                   "': only plain column names are supported");
    }
    TW_ASSIGN_OR_RETURN(const size_t column, FindColumn(*query.relation, name));
    query.columns.push_back(column);
  }
  return {};
}

Status ParseOrder(std::string_view text, TableQuery& query) {
  for (const std::string_view term : Split(text, ',')) {
    const auto parts = Split(Trim(term), '.');
    TableQuery::Order order;
    TW_ASSIGN_OR_RETURN(order.column, FindColumn(*query.relation, parts[0]));
    bool nulls_given = false;
    for (const std::string_view word : std::span(parts).subspan(1)) {
      if (word == "asc" || word == "desc") {
        order.descending = word == "desc";
      } else if (word == "nullsfirst" || word == "nullslast") {
        order.nulls_first = word == "nullsfirst";
        nulls_given = true;
      } else {
        return Fail(ErrorCode::kInvalidArgument,
                    "order: '" + std::string(word) +
                        "' is not one of asc, desc, nullsfirst, nullslast");
      }
    }
    // PostgreSQL's default: NULL is larger than every value.
    if (!nulls_given) order.nulls_first = order.descending;
    // A column's second term decides nothing, and SQLite bounds the number of terms.
    const auto known = std::ranges::find(query.order, order.column, &TableQuery::Order::column);
    if (known == query.order.end()) query.order.push_back(order);
  }
  return {};
}

Result<uint64_t> ParseCount(std::string_view name, std::string_view text) {
  const auto value = ParseUint64(text);
  if (!value) {
    return Fail(ErrorCode::kInvalidArgument,
                std::string(name) + ": '" + std::string(text.substr(0, 32)) +
                    "' is not a whole number");
  }
  return *value;
}

Status ParseParameter(std::string_view name, std::string_view value, TableQuery& query) {
  if (name == "select") return ParseSelect(value, query);
  if (name == "order") return ParseOrder(value, query);
  if (name == "limit") {
    TW_ASSIGN_OR_RETURN(const uint64_t limit, ParseCount(name, value));
    query.limit = std::min(limit, kLimitMax);
    return {};
  }
  if (name == "offset") {
    TW_ASSIGN_OR_RETURN(query.offset, ParseCount(name, value));
    return {};
  }
  if (name == "apikey") return {};
  if (name == "or" || name == "and" || name == "not.or" || name == "not.and") {
    return Fail(ErrorCode::kInvalidArgument,
                "'" + std::string(name) + "' lists are not supported; use separate parameters");
  }
  TW_RETURN_IF_ERROR(FindColumn(*query.relation, name));
  TW_ASSIGN_OR_RETURN(const auto condition,
                      policy::Filter::ParseCondition(name, value, *query.relation));
  query.filter = policy::Filter::And(query.filter, condition);
  return {};
}

}  // namespace

Result<TableQuery> ParseTableQuery(
    std::string_view table, std::span<const std::pair<std::string, std::string>> parameters,
    const Claims& claims, const policy::Catalog& catalog) {
  const policy::Catalog::Table* const found = catalog.Find("public", table);
  if (found == nullptr) {
    return Fail(ErrorCode::kNotFound,
                "Could not find the table 'public." + std::string(table.substr(0, 128)) + "'");
  }
  TableQuery query;
  query.relation = found->relation;
  if (catalog.reads_as_role()) {
    query.as_role = {claims.role, claims.text};
    query.access = std::make_shared<const policy::Access>(
        policy::Program::Allowing(found->relation), std::make_unique<policy::Slots>());
  } else {
    query.access = found->policy->AccessFor(claims);
  }
  query.inner = catalog.inner();
  if (query.access->error()) {
    return Fail(ErrorCode::kPermissionDenied, query.access->error()->message);
  }
  TW_RETURN_IF_ERROR(ParseSelect("*", query));
  for (const auto& [name, value] : parameters) {
    TW_RETURN_IF_ERROR(ParseParameter(name, value, query));
  }
  return query;
}

}  // namespace tw::query
