// Rows of a CSV file, as values: what the reader hands to the store.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "ingest/mapping/expression.h"

namespace tw::ingest {

// The columns of one file, shared by all its rows.
struct CsvHeader {
  std::vector<std::string> names;
  StringMap<size_t> index;
};

// One row as an expression's col() sees it. A value that means "nothing is there" is null.
class CsvRow final : public mapping::Variables {
 public:
  std::shared_ptr<const CsvHeader> header;
  std::vector<std::optional<std::string>> values;
  uint64_t line = 0;  // Where it begins, from 1.

  mapping::Datum Variable(std::string_view) const override { return {}; }
  mapping::Datum Column(std::string_view name) const override {
    const auto found = header->index.find(name);
    if (found == header->index.end() || found->second >= values.size()) return {};
    const auto& value = values[found->second];
    return value ? mapping::Datum(Value(*value)) : mapping::Datum();
  }
};

}  // namespace tw::ingest
