#include <array>
#include <charconv>
#include <cmath>

#include "base/check.h"
#include "base/strings.h"
#include "json/json.h"

namespace tw::json {
namespace {

// For each byte: 0 = copy as it is, 'u' = \u00XX, else the letter after the backslash.
constexpr auto kEscapes = [] {
  std::array<char, 256> table{};
  for (int c = 0; c < 0x20; ++c) table[c] = 'u';
  table['\b'] = 'b';
  table['\f'] = 'f';
  table['\n'] = 'n';
  table['\r'] = 'r';
  table['\t'] = 't';
  table['"'] = '"';
  table['\\'] = '\\';
  return table;
}();

void AppendEscaped(std::string& out, std::string_view text) {
  size_t start = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const char escape = kEscapes[byte];
    if (escape == 0) [[likely]] continue;
    out.append(text, start, at - start);
    start = at + 1;
    out.push_back('\\');
    out.push_back(escape);
    if (escape == 'u') {
      static constexpr char kHex[] = "0123456789abcdef";
      out += "00";
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
  out.append(text, start);
}

// Length of the well-formed sequence at the front; 0 when there is none.
size_t SequenceLength(std::string_view text) {
  for (size_t length = 1; length <= 4 && length <= text.size(); ++length) {
    if (IsUtf8(text.substr(0, length))) return length;
  }
  return 0;
}

template <typename T>
void AppendNumber(std::string& out, T value) {
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  out.append(text.data(), end);
}

}  // namespace

void AppendString(std::string& out, std::string_view text) {
  out.push_back('"');
  if (IsUtf8(text)) [[likely]] {
    AppendEscaped(out, text);
  } else {
    while (!text.empty()) {
      const size_t length = SequenceLength(text);
      if (length == 0) {
        out += "\xef\xbf\xbd";
        text.remove_prefix(1);
      } else {
        AppendEscaped(out, text.substr(0, length));
        text.remove_prefix(length);
      }
    }
  }
  out.push_back('"');
}

void AppendInt(std::string& out, int64_t value) { AppendNumber(out, value); }
void AppendUint(std::string& out, uint64_t value) { AppendNumber(out, value); }

void AppendDouble(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  AppendNumber(out, value);
}

Writer& Writer::End() {
  TW_CHECK(!closers_.empty());
  out_->push_back(closers_.back());
  closers_.pop_back();
  needs_comma_ = true;
  return *this;
}

Writer& Writer::Key(std::string_view key) {
  Separate();
  AppendString(*out_, key);
  out_->push_back(':');
  needs_comma_ = false;
  return *this;
}

Writer& Writer::Int(int64_t value) {
  Separate();
  AppendInt(*out_, value);
  return *this;
}

Writer& Writer::Uint(uint64_t value) {
  Separate();
  AppendUint(*out_, value);
  return *this;
}

Writer& Writer::Double(double value) {
  Separate();
  AppendDouble(*out_, value);
  return *this;
}

Writer& Writer::String(std::string_view value) {
  Separate();
  AppendString(*out_, value);
  return *this;
}

Writer& Writer::Raw(std::string_view text) {
  Separate();
  *out_ += text;
  return *this;
}

Writer& Writer::Json(const Value& value) {
  Separate();
  value.AppendTo(*out_);
  return *this;
}

Writer& Writer::Open(char open, char close) {
  Separate();
  out_->push_back(open);
  closers_.push_back(close);
  needs_comma_ = false;
  return *this;
}

void Writer::Separate() {
  if (needs_comma_) out_->push_back(',');
  needs_comma_ = true;
}

}  // namespace tw::json
