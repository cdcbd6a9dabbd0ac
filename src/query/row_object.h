// A row as the JSON object that table reads answer with, the same on both stores.
#pragma once

#include <string>

#include "json/json.h"
#include "model/value.h"
#include "query/table_query.h"

namespace tw::query {

// Appends the columns that `query` asks for, in its order. `row` has all columns of the relation.
inline void AppendObject(std::string& out, const TableQuery& query, const Row& row) {
  char separator = '{';
  for (const size_t column : query.columns) {
    out.push_back(separator);
    json::AppendString(out, query.relation->columns[column].name);
    out.push_back(':');
    AppendJson(out, row[column], query.relation->columns[column].type);
    separator = ',';
  }
  out += separator == '{' ? "{}" : "}";
}

}  // namespace tw::query
