// Signature schemes as data (ingestion spec §2): one engine, a record per provider.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/hash.h"
#include "crypto/public_key.h"

namespace tw::ingest {

struct HookHeader {
  std::string_view name;  // Any case.
  std::string_view value;
};

// A whole request, its body in memory. Views: valid during the judgement.
struct HookRequest {
  std::string_view method;
  std::string_view path;   // As sent, without the query.
  std::string_view query;  // As sent, without '?'.
  std::span<const HookHeader> headers;
  std::string_view body;  // The exact bytes.
  WallTime received_at;
};

// The value of the first header of this name, any case; nullopt when absent.
std::optional<std::string_view> FindHeader(std::span<const HookHeader> headers,
                                           std::string_view name);

// What a scheme's credential is and where its parts are. A provider is a value of this type.
struct Scheme {
  enum class Kind : uint8_t { kHmac, kEdwards, kToken, kBasic, kPathToken, kNone };
  enum class Shape : uint8_t {
    kPlain,   // The header is prefix + signature.
    kPairs,   // "t=1,v1=ab,v1=cd": `prefix` is the signature's key, `timestamp_key` the time's.
    kTagged,  // "v1,<sig> v1,<sig>": `prefix` is the tag.
  };
  enum class Encoding : uint8_t { kHex, kBase64, kBase64Url };
  enum class KeyForm : uint8_t { kUtf8, kBase64, kHex };
  enum class TimestampUnit : uint8_t { kSeconds, kMilliseconds };
  enum class Direction : uint8_t { kOldOnly, kBoth };

  std::string name;
  Kind kind = Kind::kHmac;
  std::string header;
  std::string header_fallback;  // Looked at when the first is absent.
  Shape shape = Shape::kPlain;
  std::string prefix;
  crypto::HashAlgorithm algorithm = crypto::HashAlgorithm::kSha256;
  Encoding encoding = Encoding::kHex;
  KeyForm key_form = KeyForm::kUtf8;
  std::string key_prefix;  // Dropped from the secret before it is decoded.
  // What is signed: text with {body}, {timestamp}, {id}, {method}, {url}, {form} and {header:Name}
  // in it. {url} is the address that the sender called: public_url, path and query. {form} has the
  // body's form fields by name, each name followed by its value.
  std::string message = "{body}";
  std::string timestamp_header;
  std::string timestamp_header_fallback;
  std::string timestamp_key;
  TimestampUnit unit = TimestampUnit::kSeconds;
  std::chrono::microseconds tolerance{0};  // Zero: no replay window.
  Direction direction = Direction::kBoth;
  std::string id_header;  // The delivery id.
  std::string id_header_fallback;
  bool id_is_signed = false;  // Only a signed id may tell two equal bodies apart.
  std::string public_url;     // Scheme, host and what proxies cut off the path; no '/' at its end.
  // These characters stand decoded in the query of {url}, whatever the sender called.
  std::string query_decoded;
  std::string body_hash_query;  // A signed parameter that must be the body's SHA-256 in hex.

  // Whether it is a signature over the message, by whatever key.
  bool Signs() const { return kind == Kind::kHmac || kind == Kind::kEdwards; }
};

// The preset of this name: path-token, token, basic, none, generic-hmac, github, hubspot, stripe,
// slack, standard-webhooks, standard-webhooks-v1a, svix, shopify, meta, twilio, twilio-json.
// nullptr for any other.
const Scheme* FindPreset(std::string_view name);
// Their names, sorted, for "did you mean".
std::span<const std::string_view> PresetNames();

// A scheme with its secrets, ready to judge requests. Immutable.
class Verifier {
 public:
  enum class Outcome : uint8_t {
    kAuthentic,
    kMissing,    // No credential of this scheme in the request.
    kMalformed,  // One that is not in the scheme's form.
    kMismatch,   // One that no secret explains.
    kStale,      // A right one outside the replay window.
  };
  struct Verdict {
    Outcome outcome = Outcome::kMissing;
    std::string signed_id;  // The delivery id, when the signature covers it.
  };

  // `param` is the path parameter of path-token; `user` that of basic.
  // Errors: kInvalidArgument: no secret, an empty one, or one that is not in the key's form.
  static Result<Verifier> Create(Scheme scheme, std::span<const std::string> secrets,
                                 std::string user = {});

  // `path_token` is what stands in the path where the parameter is; nullopt when the path has none.
  Verdict Verify(const HookRequest& request, std::optional<std::string_view> path_token) const;

  const Scheme& scheme() const { return scheme_; }
  // Whether success says that the body is as the sender wrote it.
  bool ProvesBody() const { return scheme_.Signs(); }

 private:
  Verifier(Scheme scheme, std::string user) : scheme_(std::move(scheme)), user_(std::move(user)) {}
  Verdict VerifySignature(const HookRequest& request) const;
  bool Explains(std::string_view message, std::span<const std::string> signatures) const;
  bool AnySecretEquals(std::string_view candidate) const;

  Scheme scheme_;
  std::string user_;
  std::vector<std::string> secrets_;            // kToken, kBasic, kPathToken
  std::vector<crypto::HmacKey> keys_;           // kHmac
  std::vector<crypto::PublicKey> public_keys_;  // kEdwards
};

// "signature", "timestamp", …: a closed set for logs and metrics.
std::string_view ReasonOf(Verifier::Outcome outcome);

}  // namespace tw::ingest
