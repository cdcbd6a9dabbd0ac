#include "ingest/webhook/endpoint.h"

#include <algorithm>

#include "base/strings.h"
#include "ingest/webhook/form.h"
#include "ingest/webhook/handshake.h"
#include "ingest/webhook/verifiers.h"
#include "json/json.h"

namespace tw::ingest {
namespace {

// What a stored delivery keeps of its headers beside those of its schemes.
constexpr std::string_view kKeptHeaders[] = {"content-type", "user-agent"};
constexpr size_t kKeptHeaderBytesMax = 1'024;  // Of one value; longer ones are cut.

Authentication AuthenticationOf(Scheme::Kind kind) {
  switch (kind) {
    case Scheme::Kind::kHmac:
    case Scheme::Kind::kEdwards:
      return Authentication::kSignature;
    case Scheme::Kind::kToken:
    case Scheme::Kind::kBasic:
      return Authentication::kCredentials;
    case Scheme::Kind::kPathToken:
      return Authentication::kPathToken;
    case Scheme::Kind::kNone:
      return Authentication::kNone;
  }
  return Authentication::kNone;
}

}  // namespace

struct Endpoint::Parts {
  const Source* source = nullptr;
  PathPattern path;
  std::vector<Verifier> verifiers;
  std::vector<Handshake> handshakes;
  std::vector<std::string> kept_headers;  // Lower case; never one that holds a secret.
  std::string allow;

  Delivery MakeDelivery(const HookRequest& request) const;
  void KeepHeadersOf(const Scheme& scheme);
};

void Endpoint::Parts::KeepHeadersOf(const Scheme& scheme) {
  // A signature proves knowledge of a secret without being one; a token is one.
  if (!scheme.Signs()) return;
  for (const std::string* name :
       {&scheme.header, &scheme.header_fallback, &scheme.timestamp_header,
        &scheme.timestamp_header_fallback, &scheme.id_header, &scheme.id_header_fallback}) {
    if (!name->empty()) kept_headers.push_back(ToLower(*name));
  }
}

Delivery Endpoint::Parts::MakeDelivery(const HookRequest& request) const {
  Delivery delivery;
  delivery.received_at = request.received_at;
  delivery.source = source->name;
  delivery.method = request.method;
  for (const HookHeader& header : request.headers) {
    std::string name = ToLower(header.name);
    if (delivery.headers.size() >= kDeliveryListMax / 2) break;
    if (std::ranges::find(kept_headers, name) == kept_headers.end()) continue;
    delivery.headers.emplace_back(std::move(name), header.value.substr(0, kKeptHeaderBytesMax));
  }
  // Neither the query nor the path's parameter is kept: both are places for secrets.
  delivery.body = request.body;
  return delivery;
}

Endpoint::Endpoint(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Endpoint::~Endpoint() = default;

Result<std::unique_ptr<Endpoint>> Endpoint::Create(const Source& source) {
  auto parts = std::make_unique<Parts>();
  parts->source = &source;
  TW_ASSIGN_OR_RETURN(parts->path, ParsePathPattern(*source.webhook->path));
  config::Problems problems;
  parts->verifiers = BuildVerifiers(*source.webhook, problems);
  TW_RETURN_IF_ERROR(problems.ToStatus());
  parts->kept_headers.assign(std::begin(kKeptHeaders), std::end(kKeptHeaders));
  for (const Verifier& verifier : parts->verifiers) parts->KeepHeadersOf(verifier.scheme());
  // One that another scheme uses as its token must not be kept after all.
  for (const Verifier& verifier : parts->verifiers) {
    if (verifier.scheme().Signs()) continue;
    std::erase(parts->kept_headers, ToLower(verifier.scheme().header));
  }
  for (const HandshakeConfig& config : source.webhook->handshake) {
    TW_ASSIGN_OR_RETURN(auto handshake, Handshake::Create(config));
    parts->handshakes.push_back(std::move(handshake));
  }
  for (const Text& method : source.webhook->methods) {
    parts->allow += (parts->allow.empty() ? "" : ", ") + *method;
  }
  return std::unique_ptr<Endpoint>(new Endpoint(std::move(parts)));
}

bool Endpoint::Matches(std::string_view path) const {
  return parts_->path.Match(path).has_value();
}

size_t Endpoint::body_bytes_max() const {
  return parts_->source->webhook->max_body.bytes;
}

std::string_view Endpoint::source() const {
  return parts_->source->name;
}

std::optional<Delivery> Endpoint::Rejudge(const Delivery& refused) const {
  std::vector<HookHeader> headers;
  for (const auto& [name, value] : refused.headers) headers.push_back({name, value});
  const HookRequest request{.method = refused.method,
                            .path = parts_->path.before,
                            .query = refused.query,
                            .headers = headers,
                            .body = refused.body,
                            .received_at = refused.received_at};
  for (const Verifier& verifier : parts_->verifiers) {
    if (!verifier.scheme().Signs()) continue;
    Verifier::Verdict verdict = verifier.Verify(request, std::nullopt);
    if (verdict.outcome != Verifier::Outcome::kAuthentic) continue;
    Delivery delivery = refused;
    delivery.authentication = AuthenticationOf(verifier.scheme().kind);
    if (!verdict.signed_id.empty()) {
      delivery.headers.emplace_back(kSignedIdHeader, std::move(verdict.signed_id));
    }
    return delivery;
  }
  return std::nullopt;
}

HookVerdict Endpoint::Judge(const HookRequest& request) const {
  using Kind = HookVerdict::Kind;
  const WebhookConfig& webhook = *parts_->source->webhook;
  const auto refuse = [](Kind kind, int status, std::string_view reason) {
    HookVerdict verdict{.kind = kind, .reason = std::string(reason)};
    verdict.reply = {status, "application/json", "{\"error\":\"" + std::string(reason) + "\"}"};
    return verdict;
  };
  const auto parameter = parts_->path.Match(request.path);
  if (!parameter) return refuse(Kind::kNotFound, 404, "not_found");
  const auto shake = [&](bool authenticated) -> std::optional<HookVerdict> {
    for (const Handshake& handshake : parts_->handshakes) {
      if (handshake.needs_authentication() != authenticated) continue;
      auto answer = handshake.Judge(request);
      if (!answer) continue;
      return HookVerdict{
          .kind = Kind::kReply,
          .reply = {answer->status, std::move(answer->content_type), std::move(answer->body)}};
    }
    return std::nullopt;
  };
  if (auto answered = shake(false)) return *std::move(answered);
  const auto named = [&](const Text& method) { return *method == request.method; };
  if (std::ranges::none_of(webhook.methods, named)) {
    // A method that only handshakes have tells nothing of the address.
    const auto of_handshake = [&](const Handshake& handshake) {
      return handshake.method() == request.method;
    };
    if (std::ranges::any_of(parts_->handshakes, of_handshake)) {
      return refuse(Kind::kNotFound, 404, "not_found");
    }
    HookVerdict verdict = refuse(Kind::kMethodNotAllowed, 405, "method_not_allowed");
    verdict.allow = parts_->allow;
    return verdict;
  }
  if (request.body.size() > body_bytes_max()) return refuse(Kind::kTooLarge, 413, "too_large");

  const std::optional<std::string_view> token =
      parts_->path.parameter.empty() ? std::nullopt : parameter;
  Verifier::Verdict best;
  const Verifier* accepted = nullptr;
  for (const Verifier& verifier : parts_->verifiers) {
    Verifier::Verdict verdict = verifier.Verify(request, token);
    if (verdict.outcome == Verifier::Outcome::kAuthentic) {
      best = std::move(verdict);
      accepted = &verifier;
      break;
    }
    // The one that got furthest explains the refusal best.
    if (verdict.outcome > best.outcome) best = std::move(verdict);
  }
  if (accepted == nullptr) {
    HookVerdict verdict =
        refuse(Kind::kRefuse, static_cast<int>(webhook.refused.status), ReasonOf(best.outcome));
    // The sender learns nothing but that it was refused.
    verdict.reply.body = "{\"error\":\"unauthorized\"}";
    verdict.delivery = parts_->MakeDelivery(request);
    return verdict;
  }
  const auto type = FindHeader(request.headers, "content-type").value_or("");
  if (!accepted->ProvesBody() && !IsForm(type) && !json::Parse(request.body).ok()) {
    return refuse(Kind::kMalformed, 400, "malformed_json");
  }
  if (auto answered = shake(true)) return *std::move(answered);
  HookVerdict verdict{.kind = Kind::kAccept};
  verdict.reply = {static_cast<int>(webhook.reply.status), webhook.reply.content_type,
                   webhook.reply.body};
  verdict.delivery = parts_->MakeDelivery(request);
  verdict.delivery.authentication = AuthenticationOf(accepted->scheme().kind);
  if (!best.signed_id.empty()) {
    verdict.delivery.headers.emplace_back(kSignedIdHeader, std::move(best.signed_id));
  }
  return verdict;
}

}  // namespace tw::ingest
