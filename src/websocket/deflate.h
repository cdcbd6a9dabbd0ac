// permessage-deflate (RFC 7692) without I/O: what is agreed on, and the two directions.
//
// Both directions run without context takeover: a message is compressed by itself, so that one
// compression serves all its readers, and an idle connection holds no compressor at all.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "websocket/handshake.h"

namespace tw::websocket {

// zlib's raw streams: a window of 256 bytes (8) is not to be had, RFC 7692 §7.1.2 allows 8 to 15.
inline constexpr uint8_t kWindowBitsMin = 9;
inline constexpr uint8_t kWindowBitsMax = 15;
// Offers of one handshake that are looked at; the rest is declined unread.
inline constexpr size_t kDeflateOffersMax = 16;

// What was agreed on. The client's window is its own choice: ours inflates the largest.
struct DeflateAgreement {
  uint8_t window_bits = kWindowBitsMax;  // Of what we send.
  bool operator==(const DeflateAgreement&) const = default;
};

// The first offer in Sec-WebSocket-Extensions that can be served, RFC 7692 §7.1. An offer with an
// unknown, repeated or malformed parameter is declined; so is a header that is no list of
// extensions, RFC 6455 §9.1, with all that it offers.
std::optional<DeflateAgreement> ChooseDeflate(std::span<const HeaderView> headers);
// The header line of the answer with its CRLF.
std::string DeflateAnswer(const DeflateAgreement& agreement);

// Expands one message as its bytes arrive. About 40 KiB while it lives.
class Inflater {
 public:
  enum class Result : uint8_t {
    kOk,
    kCorrupt,  // No deflate data.
    kTooBig,   // More than bytes_max came out. At most that much was appended.
  };

  Inflater();
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Appends what `bytes` expand to. `out` never holds more than `bytes_max` bytes, nor memory for
  // more than half as much again.
  Result Feed(std::string_view bytes, std::string& out, uint64_t bytes_max);
  // The message ends: gives what the tail that senders leave off brings (RFC 7692 §7.2.2).
  Result Finish(std::string& out, uint64_t bytes_max);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Compresses whole messages, each by itself.
class Deflater {
 public:
  // `level` 1 to 9, `window_bits` kWindowBitsMin to kWindowBitsMax.
  Deflater(int level, uint8_t window_bits);
  ~Deflater();
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  // The payload of a frame with RSV1; valid until the next call.
  std::string_view Compress(std::string_view message);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tw::websocket
