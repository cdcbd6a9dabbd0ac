// A result: its rows as JSON, found again by key; and the difference between two of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace tw::query {

// Immutable. `json` is an array of objects; each row is a part of it.
struct RowSet {
  struct Span {
    uint32_t start = 0;
    uint32_t size = 0;
  };
  std::string json = "[]";
  std::vector<Span> rows;
  std::vector<std::string> keys;  // JSON arrays, parallel to rows; empty without a row key.
  bool keyed = false;             // False also where two rows have one key.
  std::string version;            // Of the content: equal exactly for equal rows (96 bits of SHA-256).

  std::string_view row(size_t index) const {
    return std::string_view(json).substr(rows[index].start, rows[index].size);
  }
  size_t bytes() const;
};

using RowSetPtr = std::shared_ptr<const RowSet>;

// Builds a RowSet row by row.
class RowSetBuilder {
 public:
  RowSetBuilder() { set_.json = "["; }
  // `row` is the JSON of an object; `key` of an array, or empty.
  void Add(std::string_view row, std::string key);
  size_t bytes() const { return set_.json.size(); }
  size_t rows() const { return set_.rows.size(); }
  RowSetPtr Finish();

 private:
  RowSet set_;
};

// What turns the rows of `from` into those of `to`, as members of a JSON object without braces:
// "leave":[…],"update":[…],"place":[…] (docs/queries.md). Both must be keyed. Rows that keep their
// order among themselves are not sent again: as few as can be are placed.
std::string DiffMembers(const RowSet& from, const RowSet& to);

}  // namespace tw::query
