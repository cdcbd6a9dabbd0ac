#include "postgres/array.h"

#include <utility>

namespace tw::postgres {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

void AppendHex(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
}

int DigitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void ArrayLiteral::Add(std::string_view text) {
  Separate();
  text_ += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') text_ += '\\';
    text_ += c;
  }
  text_ += '"';
}

void ArrayLiteral::Add(int64_t number) {
  Separate();
  text_ += std::to_string(number);
}

void ArrayLiteral::AddNull() {
  Separate();
  text_ += "NULL";
}

void ArrayLiteral::AddBytes(std::string_view bytes) {
  Separate();
  text_ += "\"\\\\x";
  AppendHex(text_, bytes);
  text_ += '"';
}

std::string ArrayLiteral::Take() {
  std::string text = std::exchange(text_, "{");
  text += '}';
  return text;
}

std::string ByteaText(std::string_view bytes) {
  std::string text = "\\x";
  text.reserve(2 + bytes.size() * 2);
  AppendHex(text, bytes);
  return text;
}

std::string BytesOfText(std::string_view text) {
  if (!text.starts_with("\\x") || text.size() % 2 != 0) return std::string(text);
  std::string bytes;
  bytes.reserve(text.size() / 2 - 1);
  for (size_t i = 2; i < text.size(); i += 2) {
    const int high = DigitOf(text[i]);
    const int low = DigitOf(text[i + 1]);
    if (high < 0 || low < 0) return std::string(text);
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

}  // namespace tw::postgres
