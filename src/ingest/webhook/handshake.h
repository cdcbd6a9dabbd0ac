// Handshakes: requests by which a provider asks whether an address is really ours, answered by rules
// (ingestion spec §2.4). A handshake never reaches the inbox.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "config/location.h"
#include "config/types.h"
#include "ingest/mapping/expression.h"
#include "ingest/webhook/signature.h"

namespace tw::ingest {

// One rule as written. A preset fills what is not said.
struct HandshakeConfig {
  config::Located<std::string> preset;
  std::string method;
  config::OrderedMap<config::Located<std::string>> query;  // Parameters; an empty value: any.
  std::string token_query;                    // Parameter that must be `verify_token`.
  config::Secret verify_token;
  config::Located<mapping::Expression> at;    // Of a signed body, with `equals`.
  std::string equals;
  std::string echo_query;                     // Answer with this parameter, as text.
  config::Located<mapping::Expression> echo;  // Answer with this value of the body, as text.
  config::Secret secret;                      // Of an HMAC in the answer.
};

// A rule, ready. Immutable.
class Handshake {
 public:
  enum class Proof : uint8_t {
    kNone,           // The echo alone.
    kHexOfEcho,      // {"plainToken": echo, "encryptedToken": hex HMAC-SHA256}
    kBase64OfEcho,   // {"response_token": "sha256=" + base64 HMAC-SHA256}
  };
  struct Answer {
    int status = 200;
    std::string content_type;
    std::string body;
  };

  // Errors: kInvalidArgument: an unknown preset, a missing verify_token or secret, no answer.
  static Result<Handshake> Create(const HandshakeConfig& config);

  // Whether it is judged only after the request has proved who sends it.
  bool needs_authentication() const { return config_.at.where.known() || preset_needs_body_; }
  const std::string& method() const { return config_.method; }
  // nullopt: the request is no such handshake. 403 when its token is wrong.
  std::optional<Answer> Judge(const HookRequest& request) const;

 private:
  std::optional<std::string> EchoOf(const HookRequest& request) const;

  HandshakeConfig config_;
  bool preset_needs_body_ = false;
  Proof proof_ = Proof::kNone;
};

// Names of the presets, sorted.
std::vector<std::string_view> HandshakePresets();

}  // namespace tw::ingest
