// The figures of one run: printed as a table for people, written as one JSON object for
// bench/report.mjs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/common/histogram.h"

namespace tw::bench {

class Report {
 public:
  void Text(std::string_view name, std::string_view value);
  void Count(std::string_view name, uint64_t value);
  void Number(std::string_view name, double value);

  // Adds `<prefix>_p50_ms`, `_p99_ms`, `_p999_ms` and `_max_ms`; nothing when the histogram is
  // empty.
  void Latency(std::string_view prefix, const Histogram& histogram);

  std::string ToJson() const;

  // Prints the table to standard output; appends the JSON as one line to `json_path` unless empty.
  void Write(const std::string& json_path) const;

 private:
  struct Entry {
    std::string name;
    std::string shown;
    std::string json;
  };
  std::vector<Entry> entries_;
};

}  // namespace tw::bench
