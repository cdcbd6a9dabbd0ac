// The text of a named query: its parameters found, and the text as each database takes it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tw::query {

inline constexpr size_t kQuerySqlBytesMax = 64 * 1024;

struct SqlText {
  std::string sqlite;    // ":name" → "?1"; elsewhere byte for byte as given.
  std::string postgres;  // ":name" → "$1".
  // In the order of their numbers; a claim as "claims.path.to.it".
  std::vector<std::string> names;

  // The offset in the text as given of an offset in `sqlite` or `postgres`.
  size_t Original(size_t rewritten) const;

  // (offset behind a replaced parameter in the new text, the same in the old text), ascending.
  std::vector<std::pair<size_t, size_t>> places;
};

// Finds ":name" and ":claims.a.b" outside of quotes and comments; "::" casts stay.
// Errors: kInvalidArgument "line L, column C: …" for unterminated quotes or comments, comments
// within comments (the databases end them differently), other parameter forms (?, $1, @x), NUL;
// kResourceExhausted over kQuerySqlBytesMax.
Result<SqlText> ScanSql(std::string_view sql);

// "line 2, column 5" of a byte offset.
std::string PlaceIn(std::string_view sql, size_t offset);

}  // namespace tw::query
