#include "ingest/poll/csv_reader.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/strings.h"

namespace tw::ingest {
namespace {

// 0x80 to 0x9f of windows-1252; 0 where nothing is defined. Source: WHATWG Encoding Standard.
constexpr std::array<char16_t, 32> kWindows1252 = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

void AppendUtf8(std::string& out, char16_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xe0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

}  // namespace

std::unexpected<Error> CsvReader::Wrong(std::string_view what) const {
  return Fail(ErrorCode::kInvalidArgument,
              "line " + std::to_string(line_) + ": " + std::string(what));
}

Status CsvReader::EndValue() {
  if (row_.values.size() >= kColumnsMax) return Wrong("too many columns");
  row_.values.push_back(std::exchange(value_, {}));
  state_ = State::kStart;
  return {};
}

Status CsvReader::EndRow(std::vector<Row>& rows) {
  const bool empty = row_.values.empty() && value_.empty() && !quoted_;
  if (!empty) {
    TW_RETURN_IF_ERROR(EndValue());
    rows.push_back(std::exchange(row_, {}));
  }
  row_.values.clear();
  row_.line = line_;
  bytes_ = 0;
  quoted_ = false;
  state_ = State::kStart;
  return {};
}

Status CsvReader::Feed(std::string_view bytes, std::vector<Row>& rows) {
  size_t at = 0;
  while (at < bytes.size()) {
    // Runs of ordinary bytes are taken at once: that is nearly all of a file.
    if (state_ == State::kPlain || state_ == State::kQuoted) {
      const char stops[] = {state_ == State::kQuoted ? '"' : delimiter_, '\n',
                            state_ == State::kQuoted ? '\n' : '\r'};
      const size_t end = std::min(bytes.find_first_of({stops, sizeof(stops)}, at), bytes.size());
      value_.append(bytes.substr(at, end - at));
      bytes_ += end - at;
      at = end;
      if (bytes_ > kRowBytesMax) return Wrong("the row is too long");
      if (at == bytes.size()) break;
    }
    const char c = bytes[at++];
    ++bytes_;
    const bool line_feed_of_pair = std::exchange(after_return_, false) && c == '\n';
    if (line_feed_of_pair) continue;
    if (state_ == State::kQuoted) {
      if (c == '"') {
        state_ = State::kQuote;
      } else {
        value_ += c;  // A line feed inside quotes.
        ++line_;
      }
      continue;
    }
    if (state_ == State::kQuote && c == '"') {
      value_ += '"';
      state_ = State::kQuoted;
    } else if (c == delimiter_) {
      TW_RETURN_IF_ERROR(EndValue());
      quoted_ = true;  // A further value follows, though it may be empty.
    } else if (c == '\n' || c == '\r') {
      ++line_;
      after_return_ = c == '\r';
      TW_RETURN_IF_ERROR(EndRow(rows));
    } else if (state_ == State::kStart && c == '"') {
      state_ = State::kQuoted;
      quoted_ = true;
    } else if (state_ == State::kQuote) {
      return Wrong("text after a closing quote");
    } else {
      value_ += c;
      state_ = State::kPlain;
    }
  }
  return {};
}

Status CsvReader::Finish(std::vector<Row>& rows) {
  if (state_ == State::kQuoted) return Wrong("a quote is not closed");
  return EndRow(rows);
}

Result<std::string> DecodeCsvText(std::string value, CsvEncoding encoding) {
  const bool ascii = std::ranges::all_of(value, [](char c) { return (c & 0x80) == 0; });
  if (value.find('\0') != std::string::npos) {
    return Fail(ErrorCode::kInvalidArgument, "NUL in a value");
  }
  if (ascii) return value;
  if (encoding == CsvEncoding::kUtf8Sig) {
    if (!IsUtf8(value)) return Fail(ErrorCode::kInvalidArgument, "a value is not UTF-8");
    return value;
  }
  std::string text;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    char16_t code = byte;
    if (byte >= 0x80 && byte < 0xa0) code = kWindows1252[byte - 0x80];
    if (code == 0) return Fail(ErrorCode::kInvalidArgument, "a value is not windows-1252");
    AppendUtf8(text, code);
  }
  return text;
}

}  // namespace tw::ingest
