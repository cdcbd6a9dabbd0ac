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

// Bytes before the expression in the text that ParseExpression hands to the parser.
inline constexpr size_t kExpressionOffset = 8;

// Parses exactly one expression. Errors: kInvalidArgument with line and column; kResourceExhausted
// over kSqlBytesMax.
Result<SqlTree> ParseExpression(std::string_view sql);

// Parses exactly one SELECT statement, such as a function's body; root is its SelectStmt node.
// Errors: as ParseExpression.
Result<SqlTree> ParseSelect(std::string_view sql);

// An error at a byte offset of the SQL text: "line 2, column 5 (offset 17): reason".
std::unexpected<Error> FailAt(std::string_view sql, size_t offset, std::string_view reason);

// A node's type and fields.
struct SqlNode {
  std::string_view name;
  json::Value fields;
};
SqlNode NodeOf(const json::Value& value);

// The node's byte offset in the text; `otherwise` where the tree has none. `text_offset`: the bytes
// that the parser saw before the text.
size_t OffsetOf(const json::Value& fields, size_t otherwise, size_t text_offset);

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
bool IntegerOf(const json::Value& constant, std::string_view sql, size_t text_offset,
               int64_t& value);

}  // namespace tw::policy
