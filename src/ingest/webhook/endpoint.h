// ingest/webhook: is this request a delivery that we must keep?
//
//   request ──Judge──▶ accept (append, then answer) · reply · refuse (kept) · malformed · 404 · 405
//
// Start here   endpoint.h (the judgement) → signature.h (one engine, schemes as data) →
//              presets.h (providers as rows) → refused_store.h (what was refused, bounded).
// Promises     Nothing is parsed in front of the append except by schemes that prove nothing about
//              the body. Every comparison with a secret takes constant time. No secret reaches a
//              Delivery, a reply or an error.
// Not here     Sockets (gateway), durability (ingest/inbox), meaning (ingest/apply).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ingest/inbox/delivery.h"
#include "ingest/source.h"
#include "ingest/webhook/signature.h"

namespace tw::ingest {

// The header of a stored delivery that holds the id which the sender signed, if there is one. A
// request's own header of this name is never kept.
inline constexpr std::string_view kSignedIdHeader = "tidewire-signed-id";

// What to send back. The gateway adds Content-Length and its own headers.
struct HookReply {
  int status = 200;
  std::string content_type;
  std::string body;
};

struct HookVerdict {
  enum class Kind : uint8_t {
    kAccept,     // Append `delivery`; send `reply` only after it is durable.
    kReply,      // Send `reply`; nothing is kept.
    kRefuse,     // 401 (or as configured): keep `delivery` in the refused store and count it.
    kMalformed,  // 400: the body is not JSON and its scheme proves nothing about it.
    kTooLarge,   // 413: the body is over body_bytes_max().
    kNotFound,   // 404: the path is not this endpoint's.
    kMethodNotAllowed,  // 405: `allow` names the methods.
  };
  Kind kind = Kind::kNotFound;
  HookReply reply;
  Delivery delivery;   // kAccept, kRefuse; without any secret.
  std::string reason;  // A closed set of words for metrics: "signature", "timestamp", …
  std::string allow;   // kMethodNotAllowed: value of the Allow header.
};

// The webhook of one source. Immutable; any thread.
class Endpoint {
 public:
  // `source` must outlive the endpoint.
  // Errors: kInvalidArgument (a secret is empty or not in its scheme's form).
  static Result<std::unique_ptr<Endpoint>> Create(const Source& source);
  ~Endpoint();

  // Whether `path` (without query, as sent) is this endpoint's, whatever the method.
  bool Matches(std::string_view path) const;
  // The gateway refuses a larger body with 413 before it reads it.
  size_t body_bytes_max() const;
  std::string_view source() const;

  // Judges one whole request. Pure: the same request gives the same verdict.
  HookVerdict Judge(const HookRequest& request) const;

  // Judges what was refused once more, under the present secrets and at the time of its receipt:
  // the delivery to append, or nullopt when it still proves nothing. Only signatures can be judged
  // from what is kept: addresses, tokens and passwords are not.
  std::optional<Delivery> Rejudge(const Delivery& refused) const;

 private:
  struct Parts;
  explicit Endpoint(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace tw::ingest
