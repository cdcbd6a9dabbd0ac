// libpg_query's parse tree of one expression, as JSON: {"NodeName": {fields…}}.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "json/json.h"

namespace tw::policy {

struct SqlTree {
  json::Document document;
  json::Value root;  // The expression's node, in `document`.
};

// Parses exactly one expression. Errors: kInvalidArgument with line and column; kResourceExhausted
// over kSqlBytesMax.
Result<SqlTree> ParseExpression(std::string_view sql);

// An error at a byte offset of the SQL text: "line 2, column 5 (offset 17): reason".
std::unexpected<Error> FailAt(std::string_view sql, size_t offset, std::string_view reason);

// A node's type and fields.
struct SqlNode {
  std::string_view name;
  json::Value fields;
};
SqlNode NodeOf(const json::Value& value);

// The node's byte offset in the expression's text; `otherwise` where the tree has none.
size_t OffsetOf(const json::Value& fields, size_t otherwise);

// The last part of a possibly qualified name given as [{"String":{"sval":…}}…], and the part before
// it.
struct SqlName {
  std::string_view schema;
  std::string_view name;
  size_t parts = 0;
};
SqlName NameOf(const json::Value& list);

// The value of an integer A_Const. libpg_query 15 leaves out values ≤ 0, so that these are read
// from the text. False when the text has an unusual form.
bool IntegerOf(const json::Value& constant, std::string_view sql, int64_t& value);

}  // namespace tw::policy
