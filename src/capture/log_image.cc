#include "capture/log_image.h"

#include <charconv>
#include <limits>

#include "base/strings.h"
#include "sqlite/sqlite.h"

namespace tw::capture {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// Reads literals off the front of a text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool AtEnd() const { return rest_.empty(); }
  bool TakeComma() { return Take(","); }

  bool Literal(Value& value) {
    if (rest_.empty()) return false;
    if (Take("NULL")) {
      value = Value();
      return true;
    }
    if (rest_.front() == '\'') return Text(value);
    if (Take("X'")) return Blob(value);
    return Number(value);
  }

 private:
  bool Take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  bool Text(Value& value) {
    std::string text;
    rest_.remove_prefix(1);
    for (;;) {
      const size_t quote = rest_.find('\'');
      if (quote == std::string_view::npos) return false;
      text.append(rest_, 0, quote);
      rest_.remove_prefix(quote + 1);
      if (!rest_.starts_with('\'')) break;
      text.push_back('\'');
      rest_.remove_prefix(1);
    }
    value = Value(std::move(text));
    return true;
  }

  bool Blob(Value& value) {
    std::string bytes;
    while (rest_.size() >= 2 && rest_.front() != '\'') {
      const int high = HexDigit(rest_[0]);
      const int low = HexDigit(rest_[1]);
      if (high < 0 || low < 0) return false;
      bytes.push_back(static_cast<char>(high << 4 | low));
      rest_.remove_prefix(2);
    }
    if (!Take("'")) return false;
    value = Value(Bytes{std::move(bytes)});
    return true;
  }

  bool Number(Value& value) {
    const std::string_view token = rest_.substr(0, rest_.find(','));
    rest_.remove_prefix(token.size());
    if (const auto integer = ParseInt64(token)) {
      value = Value(*integer);
      return true;
    }
    double real;
    const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), real);
    if (end != token.data() + token.size() || token.empty()) return false;
    // quote() writes an infinity as a literal that overflows to it.
    if (error == std::errc::result_out_of_range) {
      real = token.front() == '-' ? -std::numeric_limits<double>::infinity()
                                  : std::numeric_limits<double>::infinity();
    } else if (error != std::errc{}) {
      return false;
    }
    value = Value(real);
    return true;
  }

  std::string_view rest_;
};

}  // namespace

std::string ImageExpression(const Relation& relation, std::string_view prefix) {
  std::string expression;
  for (const Column& column : relation.columns) {
    if (!expression.empty()) expression += "||','||";
    expression += "quote(" + std::string(prefix) + "." + sqlite::QuoteIdentifier(column.name) + ")";
  }
  return expression;
}

Result<Row> ParseImage(std::string_view image, const Relation& relation) {
  Row row(relation.columns.size());
  Scanner scanner(image);
  for (size_t i = 0; i < row.size(); ++i) {
    if ((i > 0 && !scanner.TakeComma()) || !scanner.Literal(row[i])) {
      return Fail(ErrorCode::kDataLoss, "tidewire_log holds no image of " + relation.table +
                                            " at column " + std::to_string(i + 1));
    }
    const int64_t* integer = row[i].AsInt();
    if (relation.columns[i].type == ColumnType::kBool && integer != nullptr &&
        (*integer == 0 || *integer == 1)) {
      row[i] = Value(*integer == 1);
    }
  }
  if (!scanner.AtEnd()) {
    return Fail(ErrorCode::kDataLoss, "tidewire_log holds a longer image than " + relation.table);
  }
  return row;
}

}  // namespace tw::capture
