#include "ingest/webhook/handshake.h"

#include <algorithm>

#include "base/strings.h"
#include "crypto/encoding.h"
#include "crypto/hash.h"
#include "http/url.h"
#include "json/json.h"

namespace tw::ingest {
namespace {

struct Row {
  std::string_view name;
  std::string_view method;
  std::string_view parameter;  // That must be there …
  std::string_view value;      // … and equal, when not empty.
  std::string_view token_query;
  std::string_view at;
  std::string_view equals;
  std::string_view echo_query;
  std::string_view echo;
  Handshake::Proof proof = Handshake::Proof::kNone;
};

using Proof = Handshake::Proof;

// A provider is a row. Sources: the providers' documentation of subscription verification.
constexpr Row kPresets[] = {
    {.name = "dropbox", .method = "GET", .parameter = "challenge", .echo_query = "challenge"},
    {.name = "meta-challenge", .method = "GET", .parameter = "hub.mode", .value = "subscribe",
     .token_query = "hub.verify_token", .echo_query = "hub.challenge"},
    {.name = "microsoft-graph", .method = "POST", .parameter = "validationToken",
     .echo_query = "validationToken"},
    {.name = "nylas", .method = "GET", .parameter = "challenge", .echo_query = "challenge"},
    {.name = "slack", .method = "POST", .at = "$.type", .equals = "url_verification",
     .echo = "$.challenge"},
    {.name = "x", .method = "GET", .parameter = "crc_token", .echo_query = "crc_token",
     .proof = Proof::kBase64OfEcho},
    {.name = "zoom", .method = "POST", .at = "$.event", .equals = "endpoint.url_validation",
     .echo = "$.payload.plainToken", .proof = Proof::kHexOfEcho},
};

config::Located<mapping::Expression> Compiled(std::string_view text) {
  config::Located<mapping::Expression> expression(*mapping::Expression::Compile(text));
  expression.where.file = std::make_shared<const std::string>("preset");
  return expression;
}

void Fill(const Row& row, HandshakeConfig& config) {
  if (config.method.empty()) config.method = row.method;
  if (config.query.empty() && !row.parameter.empty()) {
    config.query.items.push_back(
        {std::string(row.parameter), config::Located<std::string>(std::string(row.value)), {}});
  }
  if (config.token_query.empty()) config.token_query = row.token_query;
  if (!config.at.where.known() && !row.at.empty()) {
    config.at = Compiled(row.at);
    config.equals = row.equals;
  }
  if (config.echo_query.empty()) config.echo_query = row.echo_query;
  if (!config.echo.where.known() && !row.echo.empty()) config.echo = Compiled(row.echo);
}

}  // namespace

std::vector<std::string_view> HandshakePresets() {
  std::vector<std::string_view> names;
  for (const Row& row : kPresets) names.push_back(row.name);
  return names;
}

Result<Handshake> Handshake::Create(const HandshakeConfig& config) {
  Handshake handshake;
  handshake.config_ = config;
  if (!config.preset->empty()) {
    const auto found = std::ranges::find(kPresets, *config.preset, &Row::name);
    if (found == std::end(kPresets)) {
      std::string message = "no handshake '" + *config.preset + "'";
      if (const auto nearest = Nearest(*config.preset, HandshakePresets())) {
        message += "; did you mean '" + std::string(*nearest) + "'?";
      }
      return Fail(ErrorCode::kInvalidArgument, message);
    }
    Fill(*found, handshake.config_);
    handshake.proof_ = found->proof;
  }
  const HandshakeConfig& filled = handshake.config_;
  handshake.preset_needs_body_ = filled.echo.where.known();
  if (!filled.token_query.empty() && filled.verify_token.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "the handshake needs verify_token");
  }
  if (handshake.proof_ != Proof::kNone && filled.secret.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "the handshake needs secret");
  }
  if (filled.echo_query.empty() && !filled.echo.where.known()) {
    return Fail(ErrorCode::kInvalidArgument, "the handshake answers nothing: echo_query or echo");
  }
  if (filled.method.empty() || (filled.query.empty() && !filled.at.where.known())) {
    return Fail(ErrorCode::kInvalidArgument,
                "a handshake needs method, and query or at, to be told from events");
  }
  return handshake;
}

std::optional<std::string> Handshake::EchoOf(const HookRequest& request) const {
  if (!config_.echo_query.empty()) {
    const auto parameters = http::ParseQuery(request.query);
    if (!parameters.ok()) return std::nullopt;
    const auto value = http::FindParameter(*parameters, config_.echo_query);
    if (!value) return std::nullopt;
    return std::string(*value);
  }
  const auto document = json::Parse(request.body);
  if (!document.ok()) return std::nullopt;
  return config_.echo->Evaluate({.record = document->root()}).value.ToText();
}

std::optional<Handshake::Answer> Handshake::Judge(const HookRequest& request) const {
  constexpr size_t kEchoBytesMax = 1'024;  // Of providers' challenges; more would be a reflector.
  if (request.method != config_.method) return std::nullopt;
  const auto parameters = http::ParseQuery(request.query);
  if (!parameters.ok()) return std::nullopt;
  for (const auto& item : config_.query) {
    const auto value = http::FindParameter(*parameters, item.key);
    if (!value || (!item.value->empty() && *value != *item.value)) return std::nullopt;
  }
  if (config_.at.where.known()) {
    const auto document = json::Parse(request.body);
    if (!document.ok()) return std::nullopt;
    const auto kind = config_.at->Evaluate({.record = document->root()}).value.ToText();
    if (kind != config_.equals) return std::nullopt;
  }
  const Answer refused{403, "application/json", "{\"error\":\"forbidden\"}"};
  if (!config_.token_query.empty()) {
    const auto token = http::FindParameter(*parameters, config_.token_query);
    if (!token || !crypto::EqualSecrets(*token, config_.verify_token.Reveal())) {
      return refused;
    }
  }
  const auto echo = EchoOf(request);
  if (!echo || echo->empty() || echo->size() > kEchoBytesMax) return refused;
  if (proof_ == Proof::kNone) return Answer{200, "text/plain; charset=utf-8", *echo};
  const crypto::HmacKey key(crypto::HashAlgorithm::kSha256, config_.secret.Reveal());
  const crypto::Digest digest = key.Mac(*echo);
  json::Writer writer;
  writer.Object();
  if (proof_ == Proof::kHexOfEcho) {
    writer.Key("plainToken").String(*echo);
    writer.Key("encryptedToken").String(crypto::EncodeHex(digest.view()));
  } else {
    writer.Key("response_token").String("sha256=" + crypto::EncodeBase64(digest.view()));
  }
  writer.End();
  return Answer{200, "application/json", writer.Take()};
}

}  // namespace tw::ingest
