#include "query/named/sql_text.h"

#include <algorithm>

#include "base/strings.h"

namespace tw::query {
namespace {

bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsNamePart(char c) { return IsNameStart(c) || (c >= '0' && c <= '9'); }

class SqlScanner {
 public:
  explicit SqlScanner(std::string_view sql) : sql_(sql) {}

  Result<SqlText> Run() {
    while (at_ < sql_.size()) TW_RETURN_IF_ERROR(Next());
    return std::move(text_);
  }

 private:
  std::unexpected<Error> FailHere(size_t offset, std::string_view reason) const {
    return Fail(ErrorCode::kInvalidArgument, PlaceIn(sql_, offset) + ": " + std::string(reason));
  }
  bool At(std::string_view word) const { return sql_.substr(at_).starts_with(word); }

  void Copy(size_t count) {
    text_.sqlite += sql_.substr(at_, count);
    text_.postgres += sql_.substr(at_, count);
    at_ += count;
  }

  Status Next() {
    const char c = sql_[at_];
    if (c == '\0') return FailHere(at_, "a NUL byte");
    if (c == '\'' || c == '"' || c == '`') return Quoted(c);
    if (At("--")) {
      Copy(std::min(sql_.find('\n', at_), sql_.size()) - at_);
      return {};
    }
    if (At("/*")) return Comment();
    if (IsNamePart(c)) {
      size_t end = at_;
      while (end < sql_.size() && (IsNamePart(sql_[end]) || sql_[end] == '$')) ++end;
      Copy(end - at_);
      return {};
    }
    if (At("::")) {
      Copy(2);
      return {};
    }
    if (c == ':' && at_ + 1 < sql_.size() && IsNameStart(sql_[at_ + 1])) return Parameter();
    if (c == '?' || c == '$' || c == '@' || c == ':') {
      return FailHere(at_, "'" + std::string(1, c) + "': parameters are written :name");
    }
    Copy(1);
    return {};
  }

  Status Quoted(char quote) {
    size_t end = at_ + 1;
    for (;;) {
      end = sql_.find(quote, end);
      if (end == sql_.npos) return FailHere(at_, "the quote does not end");
      if (end + 1 >= sql_.size() || sql_[end + 1] != quote) break;
      end += 2;
    }
    if (sql_.substr(at_, end - at_).find('\0') != sql_.npos) return FailHere(at_, "a NUL byte");
    Copy(end + 1 - at_);
    return {};
  }

  Status Comment() {
    const size_t end = sql_.find("*/", at_ + 2);
    if (end == sql_.npos) return FailHere(at_, "the comment does not end");
    const size_t inner = sql_.find("/*", at_ + 2);
    if (inner < end) return FailHere(inner, "a comment within a comment");
    Copy(end + 2 - at_);
    return {};
  }

  Status Parameter() {
    size_t end = at_ + 1;
    while (end < sql_.size() && IsNamePart(sql_[end])) ++end;
    std::string name(sql_.substr(at_ + 1, end - at_ - 1));
    if (name == "claims") {
      while (end + 1 < sql_.size() && sql_[end] == '.' && IsNameStart(sql_[end + 1])) {
        size_t part = end + 1;
        while (part < sql_.size() && IsNamePart(sql_[part])) ++part;
        name += sql_.substr(end, part - end);
        end = part;
      }
      if (name == "claims") return FailHere(at_, "which claim? Write :claims.sub");
    }
    const auto known = std::ranges::find(text_.names, name);
    const auto number = std::to_string(known - text_.names.begin() + 1);
    if (known == text_.names.end()) text_.names.push_back(std::move(name));
    text_.sqlite += "?" + number;
    text_.postgres += "$" + number;
    at_ = end;
    text_.places.emplace_back(text_.sqlite.size(), at_);
    return {};
  }

  std::string_view sql_;
  size_t at_ = 0;
  SqlText text_;
};

}  // namespace

size_t SqlText::Original(size_t rewritten) const {
  const auto behind = std::ranges::upper_bound(places, rewritten, {},
                                               &std::pair<size_t, size_t>::first);
  if (behind == places.begin()) return rewritten;
  const auto& [now, before] = *(behind - 1);
  return before + (rewritten - now);
}

Result<SqlText> ScanSql(std::string_view sql) {
  if (sql.size() > kQuerySqlBytesMax) {
    return Fail(ErrorCode::kResourceExhausted,
                "SQL text longer than " + std::to_string(kQuerySqlBytesMax) + " bytes");
  }
  return SqlScanner(sql).Run();
}

std::string PlaceIn(std::string_view sql, size_t offset) {
  const std::string_view before = sql.substr(0, offset);
  const auto line = 1 + std::ranges::count(before, '\n');
  const size_t start = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
  return "line " + std::to_string(line) + ", column " +
         std::to_string(before.size() - start + 1);
}

}  // namespace tw::query
