// CSV, row by row, in whatever pieces its bytes come (RFC 4180, and what people send in its name:
// bare line feeds, a byte order mark, quotes with line breaks inside). No I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ingest/poll/poll_config.h"

namespace tw::ingest {

class CsvReader {
 public:
  static constexpr size_t kRowBytesMax = 1u << 20;
  static constexpr size_t kColumnsMax = 1'000;

  struct Row {
    std::vector<std::string> values;
    uint64_t line = 0;  // Where it begins, from 1.
  };

  explicit CsvReader(char delimiter) : delimiter_(delimiter) {}

  // Appends the rows that end in `bytes` to `rows`. Empty lines are no rows. Errors:
  // kInvalidArgument with the line: text after a closing quote, a row or its columns over the limit.
  Status Feed(std::string_view bytes, std::vector<Row>& rows);
  // The last row may lack its line end. Errors: kInvalidArgument when a quote is still open.
  Status Finish(std::vector<Row>& rows);

 private:
  enum class State : uint8_t { kStart, kPlain, kQuoted, kQuote };

  Status EndValue();
  Status EndRow(std::vector<Row>& rows);
  std::unexpected<Error> Wrong(std::string_view what) const;

  const char delimiter_;
  State state_ = State::kStart;
  Row row_{.line = 1};
  std::string value_;
  size_t bytes_ = 0;
  uint64_t line_ = 1;
  bool after_return_ = false;  // The last byte was a carriage return that ended a row.
  bool quoted_ = false;        // The value was quoted: an empty one still makes a row.
};

// A value's bytes as UTF-8. Errors: kInvalidArgument when they are not in `encoding`.
Result<std::string> DecodeCsvText(std::string value, CsvEncoding encoding);

}  // namespace tw::ingest
