#include "policy/sql_tree.h"

#include <pg_query.h>

#include <algorithm>

#include "base/strings.h"
#include "policy/policy.h"

namespace tw::policy {
namespace {

constexpr std::string_view kBefore = "SELECT (";
constexpr std::string_view kAfter = "\n)";  // The line feed ends a comment at the end.

// Byte offset of the character number `characters`.
size_t ByteOffset(std::string_view text, size_t characters) {
  size_t at = 0;
  while (at < text.size() && characters > 0) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
    --characters;
  }
  return at;
}

// SELECT with one unnamed target and nothing else; the target's node.
Result<json::Value> OnlyTarget(const json::Value& root, std::string_view sql) {
  const auto other = [&] { return FailAt(sql, 0, "expected one expression"); };
  const auto statements = root["stmts"].items();
  if (statements.size() != 1) return other();
  const SqlNode select = NodeOf(statements[0]["stmt"]);
  if (select.name != "SelectStmt") return other();
  for (const json::Member& member : select.fields.members()) {
    if (member.key != "targetList" && member.key != "limitOption" && member.key != "op") {
      return other();
    }
  }
  const auto targets = select.fields["targetList"].items();
  if (targets.size() != 1 || select.fields["op"].AsString() != "SETOP_NONE") return other();
  const json::Value target = NodeOf(targets[0]).fields;
  if (target.Find("name") != nullptr) return other();
  return target["val"];
}

}  // namespace

std::unexpected<Error> FailAt(std::string_view sql, size_t offset, std::string_view reason) {
  offset = std::min(offset, sql.size());
  const std::string_view before = sql.substr(0, offset);
  const size_t line = 1 + static_cast<size_t>(std::ranges::count(before, '\n'));
  const size_t start = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
  return Fail(ErrorCode::kInvalidArgument,
              "line " + std::to_string(line) + ", column " + std::to_string(offset - start + 1) +
                  " (offset " + std::to_string(offset) + "): " + std::string(reason));
}

namespace {

// `statement` is `before` + sql + an end; the tree's document is set, its root is the whole tree.
Result<SqlTree> Parse(std::string_view sql, std::string_view before, const std::string& statement) {
  if (sql.size() > kSqlBytesMax) {
    return Fail(ErrorCode::kResourceExhausted,
                "SQL text longer than " + std::to_string(kSqlBytesMax) + " bytes");
  }
  if (Trim(sql).empty()) return FailAt(sql, 0, "expected an expression, found nothing");
  if (!IsUtf8(sql) || sql.find('\0') != sql.npos) return FailAt(sql, 0, "invalid UTF-8");
  PgQueryParseResult parsed = pg_query_parse(statement.c_str());
  if (parsed.error != nullptr) {
    const std::string message = parsed.error->message;
    const auto cursor = static_cast<size_t>(std::max(parsed.error->cursorpos - 1, 0));
    pg_query_free_parse_result(parsed);
    const size_t at = ByteOffset(statement, cursor);
    return FailAt(sql, at < before.size() ? 0 : at - before.size(), message);
  }
  auto document = json::Parse(parsed.parse_tree);
  pg_query_free_parse_result(parsed);
  if (!document.ok()) return FailAt(sql, 0, "the expression is nested too deeply");
  SqlTree tree;
  tree.document = std::move(*document);
  tree.root = tree.document.root();
  return tree;
}

}  // namespace

Result<SqlTree> ParseExpression(std::string_view sql) {
  static_assert(kBefore.size() == kExpressionOffset);
  TW_ASSIGN_OR_RETURN(
      SqlTree tree,
      Parse(sql, kBefore, std::string(kBefore) + std::string(sql) + std::string(kAfter)));
  TW_ASSIGN_OR_RETURN(tree.root, OnlyTarget(tree.root, sql));
  return tree;
}

Result<SqlTree> ParseSelect(std::string_view sql) {
  TW_ASSIGN_OR_RETURN(SqlTree tree, Parse(sql, {}, std::string(sql)));
  const auto statements = tree.root["stmts"].items();
  if (statements.size() != 1 || NodeOf(statements[0]["stmt"]).name != "SelectStmt") {
    return FailAt(sql, 0, "expected one SELECT statement");
  }
  tree.root = statements[0]["stmt"];
  return tree;
}

SqlNode NodeOf(const json::Value& value) {
  const auto members = value.members();
  if (members.empty()) return {};
  return {members[0].key, members[0].value};
}

size_t OffsetOf(const json::Value& fields, size_t otherwise, size_t text_offset) {
  const auto location = fields["location"].AsInt();
  if (!location || *location < static_cast<int64_t>(text_offset)) return otherwise;
  return static_cast<size_t>(*location) - text_offset;
}

SqlName NameOf(const json::Value& list) {
  SqlName result;
  for (const json::Value& part : list.items()) {
    result.schema = result.name;
    result.name = part["String"]["sval"].AsString().value_or("");
    ++result.parts;
  }
  return result;
}

bool IntegerOf(const json::Value& constant, std::string_view sql, size_t text_offset,
               int64_t& value) {
  if (const auto given = constant["ival"]["ival"].AsInt()) {
    value = *given;
    return true;
  }
  std::string_view text = sql.substr(std::min(OffsetOf(constant, sql.size(), text_offset), sql.size()));
  const bool negative = text.starts_with('-');
  if (negative) {
    text.remove_prefix(1);
    text.remove_prefix(std::min(text.find_first_not_of(" \t\n\r"), text.size()));
  }
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = ParseInt64(text.substr(0, digits));
  // Only zero and negative numbers are left out; anything else means that we misread the text.
  if (!number || *number > int64_t{1} << 31 || (!negative && *number != 0)) return false;
  value = negative ? -*number : *number;
  return true;
}

}  // namespace tw::policy
