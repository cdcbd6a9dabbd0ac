#include "crypto/encoding.h"

#include <array>
#include <cstdint>

namespace tw::crypto {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kStandardAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// The value of each character of an alphabet; 0xff for all others.
using DecodeTable = std::array<uint8_t, 256>;
constexpr uint8_t kForeign = 0xff;

constexpr DecodeTable MakeDecodeTable(std::string_view alphabet) {
  DecodeTable table;
  table.fill(kForeign);
  for (size_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<uint8_t>(alphabet[i])] = static_cast<uint8_t>(i);
  }
  return table;
}

constexpr DecodeTable MakeHexTable() {
  DecodeTable table = MakeDecodeTable(kHexDigits);
  for (uint8_t i = 10; i < 16; ++i) table['A' + i - 10] = i;
  return table;
}

constexpr DecodeTable kHexTable = MakeHexTable();
constexpr DecodeTable kStandardTable = MakeDecodeTable(kStandardAlphabet);
constexpr DecodeTable kUrlTable = MakeDecodeTable(kUrlAlphabet);

std::string Encode64(std::string_view bytes, std::string_view alphabet) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  uint32_t bits = 0;
  int bits_held = 0;
  for (const char byte : bytes) {
    bits = (bits << 8) | static_cast<uint8_t>(byte);
    for (bits_held += 8; bits_held >= 6;) {
      bits_held -= 6;
      text += alphabet[(bits >> bits_held) & 63];
    }
  }
  if (bits_held > 0) text += alphabet[(bits << (6 - bits_held)) & 63];
  return text;
}

Result<std::string> Decode64(std::string_view text, const DecodeTable& table) {
  if (text.size() % 4 == 1) return Fail(ErrorCode::kInvalidArgument, "base64 of impossible length");
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int bits_held = 0;
  for (const char c : text) {
    const uint8_t value = table[static_cast<uint8_t>(c)];
    if (value == kForeign) {
      return Fail(ErrorCode::kInvalidArgument, "a character outside the base64 alphabet");
    }
    bits = (bits << 6) | value;
    bits_held += 6;
    if (bits_held >= 8) {
      bits_held -= 8;
      bytes += static_cast<char>(bits >> bits_held);
    }
  }
  if ((bits & ((1u << bits_held) - 1)) != 0) {
    return Fail(ErrorCode::kInvalidArgument, "base64 with unused bits set");
  }
  return bytes;
}

}  // namespace

std::string EncodeHex(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char byte : bytes) {
    text += kHexDigits[static_cast<uint8_t>(byte) >> 4];
    text += kHexDigits[static_cast<uint8_t>(byte) & 15];
  }
  return text;
}

Result<std::string> DecodeHex(std::string_view text) {
  if (text.size() % 2 != 0) return Fail(ErrorCode::kInvalidArgument, "hex of odd length");
  std::string bytes(text.size() / 2, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    const uint8_t high = kHexTable[static_cast<uint8_t>(text[2 * i])];
    const uint8_t low = kHexTable[static_cast<uint8_t>(text[2 * i + 1])];
    if (high == kForeign || low == kForeign) {
      return Fail(ErrorCode::kInvalidArgument, "a character that is no hex digit");
    }
    bytes[i] = static_cast<char>(high << 4 | low);
  }
  return bytes;
}

std::string EncodeBase64(std::string_view bytes) {
  std::string text = Encode64(bytes, kStandardAlphabet);
  text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

Result<std::string> DecodeBase64(std::string_view text) {
  if (text.ends_with('=')) {
    if (text.size() % 4 != 0)
      return Fail(ErrorCode::kInvalidArgument, "base64 of impossible length");
    text.remove_suffix(text.ends_with("==") ? 2 : 1);
  }
  return Decode64(text, kStandardTable);
}

std::string EncodeBase64Url(std::string_view bytes) {
  return Encode64(bytes, kUrlAlphabet);
}
Result<std::string> DecodeBase64Url(std::string_view text) {
  return Decode64(text, kUrlTable);
}

}  // namespace tw::crypto
