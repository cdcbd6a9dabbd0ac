#include "policy/pattern.h"

#include <re2/re2.h>

#include <algorithm>

#include "base/strings.h"

namespace tw::policy {
namespace {

char Fold(char c, LetterCase letter_case) {
  return letter_case == LetterCase::kInsensitive && c >= 'A' && c <= 'Z'
             ? static_cast<char>(c - 'A' + 'a')
             : c;
}

// Bytes of the character that starts at `text[at]`.
size_t CharacterBytes(std::string_view text, size_t at) {
  size_t end = at + 1;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
  return end - at;
}

// Refuses what RE2 would read differently from PostgreSQL, or not at all.
Status CheckDialect(std::string_view pattern) {
  const auto refuse = [](std::string_view what) {
    return Fail(ErrorCode::kInvalidArgument, std::string(what) + " is not supported");
  };
  if (pattern.starts_with("***")) return refuse("the prefix ***");
  bool in_bracket = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const std::string_view rest = pattern.substr(i);
    if (in_bracket) {
      if (rest.starts_with("[.") || rest.starts_with("[=")) return refuse("[.…] or [=…]");
      if (rest.starts_with("[:<:]") || rest.starts_with("[:>:]")) return refuse(rest.substr(0, 5));
      if (rest.starts_with("[:")) {
        i = std::min(pattern.find(":]", i), pattern.size() - 2) + 1;
        continue;
      }
      in_bracket = rest.front() != ']';
    } else if (rest.front() == '[') {
      in_bracket = true;
      if (rest.starts_with("[^")) ++i;
      if (pattern.substr(i + 1).starts_with(']')) ++i;
      continue;
    } else if (rest.starts_with("(?") && !rest.starts_with("(?:")) {
      return refuse("(?…) except (?:…)");
    }
    if (pattern[i] != '\\') continue;
    ++i;
    if (i == pattern.size()) return Fail(ErrorCode::kInvalidArgument, "invalid escape \\ sequence");
    const char c = pattern[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter && std::string_view("dDsSwWtnrfv").find(c) == std::string_view::npos) {
      return refuse("the escape \\" + std::string(1, c));
    }
  }
  return {};
}

}  // namespace

std::optional<bool> Like(std::string_view text, std::string_view pattern, LetterCase letter_case) {
  size_t t = 0;
  size_t p = 0;
  // Where to continue when a match fails: behind the last '%', one character of text further.
  size_t star = std::string_view::npos;
  size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      star = ++p;
      star_text = t;
      continue;
    }
    if (p < pattern.size() && pattern[p] == '_') {
      t += CharacterBytes(text, t);
      ++p;
      continue;
    }
    if (p < pattern.size()) {
      const bool escape = pattern[p] == '\\';
      if (escape && p + 1 == pattern.size()) return std::nullopt;
      const size_t at = escape ? p + 1 : p;
      if (Fold(text[t], letter_case) == Fold(pattern[at], letter_case)) {
        ++t;
        p = at + 1;
        continue;
      }
    }
    if (star == std::string_view::npos) return false;
    star_text += CharacterBytes(text, star_text);
    t = star_text;
    p = star;
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

Result<RegexPtr> CompileRegex(std::string_view pattern, LetterCase letter_case) {
  TW_RETURN_IF_ERROR(CheckDialect(pattern));
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);
  options.set_case_sensitive(letter_case == LetterCase::kSensitive);
  options.set_max_mem(kRegexBytesMax);
  auto regex =
      std::make_shared<const re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!regex->ok()) return Fail(ErrorCode::kInvalidArgument, regex->error());
  return regex;
}

bool RegexMatches(const re2::RE2& regex, std::string_view text) {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), regex);
}

}  // namespace tw::policy
