// One webhook delivery as it was received, and its bytes inside a segment record.
//
//   record payload = version u8 (1), channel u8, authentication u8, zero u8, received_at i64 (µs),
//                    source, method, query, remote address, headers, path parameters, body
//   text = length varint, bytes · list = count varint, then name and value texts · body = the rest
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace tw::ingest {

// How a delivery came to us.
enum class Channel : uint8_t { kWebhook, kReplay, kTry };

// What was proven before it was accepted.
enum class Authentication : uint8_t {
  kNone,         // Nothing: the source has no scheme.
  kPathToken,    // The sender knows the address; nothing about the body.
  kCredentials,  // A shared secret, basic or bearer credentials; nothing about the body.
  kSignature,    // The body's bytes are signed.
};

inline constexpr uint32_t kDeliveryListMax = 256;  // Headers or path parameters of one delivery.

using NamedText = std::pair<std::string, std::string>;
using NamedView = std::pair<std::string_view, std::string_view>;

struct Delivery {
  uint64_t sequence = 0;  // Given by the inbox; not encoded, the log keeps it.
  WallTime received_at;
  Channel channel = Channel::kWebhook;
  Authentication authentication = Authentication::kNone;
  std::string source;                      // The configured source's name.
  std::string method;                      // "POST".
  std::string query;                       // As received, without "?", secrets removed.
  std::string remote_address;              // Of the sender, behind trusted proxies.
  std::vector<NamedText> headers;          // The source's allow-list only, names in lower case.
  std::vector<NamedText> path_parameters;  // Secrets removed.
  std::string body;
};

// The same over bytes that belong to someone else.
struct DeliveryView {
  uint64_t sequence = 0;
  WallTime received_at;
  Channel channel = Channel::kWebhook;
  Authentication authentication = Authentication::kNone;
  std::string_view source;
  std::string_view method;
  std::string_view query;
  std::string_view remote_address;
  std::vector<NamedView> headers;
  std::vector<NamedView> path_parameters;
  std::string_view body;
};

// A view of a delivery that we own; lives as long as `delivery` is unchanged.
DeliveryView ViewOf(const Delivery& delivery);

// The memory that a waiting delivery stands for: its texts and its fixed part.
size_t DeliveryBytes(const Delivery& delivery);

// Appends the encoded delivery to `out`. Lists are at most kDeliveryListMax long (checked).
void EncodeDelivery(const Delivery& delivery, std::string& out);

// The view points into `payload`. Errors: kFailedPrecondition: a newer version wrote it. kDataLoss:
// anything else that EncodeDelivery does not write.
Result<DeliveryView> DecodeDelivery(uint64_t sequence, std::string_view payload);

}  // namespace tw::ingest
