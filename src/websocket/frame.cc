#include "websocket/frame.h"

#include <cstring>

#include "base/check.h"

namespace tw::websocket {
namespace {

constexpr char kFinal = '\x80';
constexpr char kMasked = '\x80';

bool IsControl(Opcode opcode) {
  return static_cast<uint8_t>(opcode) >= 0x8;
}

void AppendBigEndian(char*& at, uint64_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    *at++ = static_cast<char>(value >> shift);
  }
}

}  // namespace

bool IsSendable(CloseCode code) {
  const auto value = static_cast<uint16_t>(code);
  if (value >= 3000) return value <= 4999;
  return (value >= 1000 && value <= 1003) || (value >= 1007 && value <= 1014);
}

size_t EncodeHeader(char* out, Opcode opcode, uint64_t payload_bytes) {
  char* at = out;
  *at++ = static_cast<char>(kFinal | static_cast<char>(opcode));
  if (payload_bytes <= kControlBytesMax) {
    *at++ = static_cast<char>(payload_bytes);
  } else if (payload_bytes <= 0xffff) {
    *at++ = 126;
    AppendBigEndian(at, payload_bytes, 2);
  } else {
    *at++ = 127;
    AppendBigEndian(at, payload_bytes, 8);
  }
  return static_cast<size_t>(at - out);
}

void EncodeFrame(std::string& out, Opcode opcode, std::string_view payload) {
  TW_CHECK(!IsControl(opcode) || payload.size() <= kControlBytesMax);
  char header[kHeaderBytesMax];
  out.append(header, EncodeHeader(header, opcode, payload.size()));
  out.append(payload);
}

void EncodeFrame(std::string& out, Opcode opcode, std::string_view payload, MaskKey key) {
  const size_t start = out.size();
  EncodeFrame(out, opcode, payload);
  const size_t header_end = out.size() - payload.size();
  out[start + 1] = static_cast<char>(out[start + 1] | kMasked);
  out.insert(header_end, key.data(), key.size());
  Mask(std::span(out).subspan(header_end + key.size()), key);
}

std::string ClosePayload(CloseCode code, std::string_view reason) {
  if (code == CloseCode::kNoStatus) return {};
  TW_CHECK(IsSendable(code));
  if (reason.size() > kControlBytesMax - 2) {
    size_t end = kControlBytesMax - 2;
    while (end > 0 && (static_cast<uint8_t>(reason[end]) & 0xc0) == 0x80) --end;
    reason = reason.substr(0, end);
  }
  std::string payload;
  payload += static_cast<char>(static_cast<uint16_t>(code) >> 8);
  payload += static_cast<char>(static_cast<uint16_t>(code) & 0xff);
  payload += reason;
  return payload;
}

void Mask(std::span<char> bytes, MaskKey key, size_t offset) {
  char pattern[8];
  for (size_t i = 0; i < sizeof(pattern); ++i) pattern[i] = key[(offset + i) % key.size()];
  uint64_t pattern_word;
  std::memcpy(&pattern_word, pattern, sizeof(pattern_word));

  char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= sizeof(uint64_t); left -= sizeof(uint64_t), at += sizeof(uint64_t)) {
    uint64_t word;
    std::memcpy(&word, at, sizeof(word));
    word ^= pattern_word;
    std::memcpy(at, &word, sizeof(word));
  }
  for (size_t i = 0; i < left; ++i) at[i] = static_cast<char>(at[i] ^ pattern[i]);
}

}  // namespace tw::websocket
