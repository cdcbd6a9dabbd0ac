#include "base/percent.h"

#include <charconv>

namespace tw {
namespace {

bool IsUnreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

}  // namespace

Result<std::string> PercentDecode(std::string_view text, PlusSign plus) {
  // Most texts need no decoding: their start is copied at once.
  size_t at = text.find_first_of(plus == PlusSign::kSpace ? "%+" : "%");
  if (at == std::string_view::npos) return std::string(text);
  std::string decoded;
  decoded.reserve(text.size());
  decoded = text.substr(0, at);
  for (; at < text.size(); ++at) {
    if (text[at] == '+' && plus == PlusSign::kSpace) {
      decoded += ' ';
    } else if (text[at] != '%') {
      decoded += text[at];
    } else {
      const std::string_view digits = text.substr(at + 1, 2);
      uint8_t byte = 0;
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
      if (digits.size() != 2 || error != std::errc{} || end != digits.data() + 2) {
        return Fail(ErrorCode::kInvalidArgument, "'%' without two hex digits after it");
      }
      decoded += static_cast<char>(byte);
      at += 2;
    }
  }
  return decoded;
}

std::string PercentEncode(std::string_view bytes) {
  constexpr std::string_view kHexDigits = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(bytes.size());
  for (const char byte : bytes) {
    if (IsUnreserved(byte)) {
      encoded += byte;
    } else {
      encoded += '%';
      encoded += kHexDigits[static_cast<uint8_t>(byte) >> 4];
      encoded += kHexDigits[static_cast<uint8_t>(byte) & 15];
    }
  }
  return encoded;
}

}  // namespace tw
