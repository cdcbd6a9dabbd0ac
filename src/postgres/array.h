// Array literals: one parameter that carries a whole column of values, for unnest().
// Source: PostgreSQL 15 manual §8.15.6 "Array Input and Output Syntax".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tw::postgres {

// Builds '{"a",NULL,"b"}'. Text must be UTF-8 without zero bytes; bytes go in as \x….
class ArrayLiteral {
 public:
  void Add(std::string_view text);
  void Add(int64_t number);
  void AddNull();
  void AddBytes(std::string_view bytes);
  void AddOptional(const std::optional<std::string_view>& text) {
    if (text) {
      Add(*text);
    } else {
      AddNull();
    }
  }
  bool empty() const { return text_.size() == 1; }
  // The literal; the object can be filled anew afterwards.
  std::string Take();

 private:
  void Separate() {
    if (text_.size() > 1) text_ += ',';
  }
  std::string text_ = "{";
};

// The input form of a bytea: \x and two hex digits per byte.
std::string ByteaText(std::string_view bytes);
// Inverse of ByteaText, for what a server sends (bytea_output hex); other text is returned as it is.
std::string BytesOfText(std::string_view text);

}  // namespace tw::postgres
