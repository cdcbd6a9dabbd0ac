#include "bench/common/websocket.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

namespace tw::bench {
namespace {

std::string Header(Opcode opcode, size_t size, uint8_t mask_bit) {
  std::string header(1, static_cast<char>(0x80 | static_cast<uint8_t>(opcode)));
  if (size < 126) {
    header += static_cast<char>(mask_bit | size);
    return header;
  }
  const int bytes = size <= 0xffff ? 2 : 8;
  header += static_cast<char>(mask_bit | (bytes == 2 ? 126 : 127));
  for (int i = bytes - 1; i >= 0; --i) header += static_cast<char>(size >> (8 * i) & 0xff);
  return header;
}

}  // namespace

std::string EncodeServerFrame(Opcode opcode, std::string_view payload) {
  return Header(opcode, payload.size(), 0).append(payload);
}

std::string EncodeClientFrame(Opcode opcode, std::string_view payload) {
  static uint32_t state = 0x9e3779b9;
  state = state * 1664525 + 1013904223;  // Unpredictability is for browsers; here any key will do.
  const char mask[4] = {static_cast<char>(state >> 24), static_cast<char>(state >> 16),
                        static_cast<char>(state >> 8), static_cast<char>(state)};
  std::string frame = Header(opcode, payload.size(), 0x80);
  frame.append(mask, 4);
  const size_t start = frame.size();
  frame.append(payload);
  ApplyMask(mask, frame.data() + start, payload.size());
  return frame;
}

void ApplyMask(const char* mask, char* payload, size_t size) {
  for (size_t i = 0; i < size; ++i) payload[i] ^= mask[i & 3];
}

std::string AcceptFor(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  unsigned char encoded[4 * ((SHA_DIGEST_LENGTH + 2) / 3) + 1];
  const int size = EVP_EncodeBlock(encoded, digest, SHA_DIGEST_LENGTH);
  return std::string(reinterpret_cast<char*>(encoded), static_cast<size_t>(size));
}

std::string HandshakeRequest(const Endpoint& endpoint) {
  return "GET " + endpoint.path + " HTTP/1.1\r\nHost: " + endpoint.host + ":" +
         std::to_string(endpoint.port) +
         "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " +
         std::string(kHandshakeKey) + "\r\nSec-WebSocket-Version: 13\r\n\r\n";
}

bool HandshakeAccepted(std::string_view reply) {
  static const std::string accept = AcceptFor(kHandshakeKey);
  return reply.starts_with("HTTP/1.1 101") && reply.find(accept) != reply.npos;
}

}  // namespace tw::bench
