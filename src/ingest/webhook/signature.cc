#include "ingest/webhook/signature.h"

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "crypto/encoding.h"
#include "ingest/webhook/form.h"

namespace tw::ingest {
namespace {

using Outcome = Verifier::Outcome;

// More entries in one header are not looked at: work per request stays bounded.
constexpr size_t kSignaturesMax = 16;

std::optional<std::string_view> FindEither(std::span<const HookHeader> headers,
                                           std::string_view name, std::string_view fallback) {
  if (const auto found = FindHeader(headers, name)) return found;
  return fallback.empty() ? std::nullopt : FindHeader(headers, fallback);
}

Result<std::string> DecodeSignature(Scheme::Encoding encoding, std::string_view text) {
  switch (encoding) {
    case Scheme::Encoding::kHex:
      return crypto::DecodeHex(text);
    case Scheme::Encoding::kBase64:
      return crypto::DecodeBase64(text);
    case Scheme::Encoding::kBase64Url:
      while (text.ends_with('=')) text.remove_suffix(1);
      return crypto::DecodeBase64Url(text);
  }
  return Fail(ErrorCode::kInvalidArgument, "unknown encoding");
}

Result<std::string> DecodeKey(const Scheme& scheme, std::string_view secret) {
  if (secret.starts_with(scheme.key_prefix)) secret.remove_prefix(scheme.key_prefix.size());
  switch (scheme.key_form) {
    case Scheme::KeyForm::kUtf8:
      return std::string(secret);
    case Scheme::KeyForm::kBase64:
      return crypto::DecodeBase64(secret);
    case Scheme::KeyForm::kHex:
      return crypto::DecodeHex(secret);
  }
  return Fail(ErrorCode::kInvalidArgument, "unknown form of key");
}

// What the signature header holds.
struct Parsed {
  std::vector<std::string> signatures;  // Decoded.
  std::string_view timestamp;
  bool malformed = false;  // Something of this scheme, but not decodable.
};

void AddSignature(const Scheme& scheme, std::string_view text, Parsed& parsed) {
  if (parsed.signatures.size() >= kSignaturesMax) return;
  auto decoded = DecodeSignature(scheme.encoding, text);
  if (decoded.ok() && !decoded->empty()) {
    parsed.signatures.push_back(*std::move(decoded));
  } else {
    parsed.malformed = true;
  }
}

Parsed ParseHeader(const Scheme& scheme, std::string_view header) {
  Parsed parsed;
  switch (scheme.shape) {
    case Scheme::Shape::kPlain:
      if (header.starts_with(scheme.prefix)) {
        AddSignature(scheme, header.substr(scheme.prefix.size()), parsed);
      } else {
        parsed.malformed = true;
      }
      return parsed;
    case Scheme::Shape::kPairs:
      for (const std::string_view part : Split(header, ',')) {
        const std::string_view pair = Trim(part);
        const size_t equals = pair.find('=');
        if (equals == std::string_view::npos) continue;
        const std::string_view key = pair.substr(0, equals);
        if (key == scheme.prefix) AddSignature(scheme, pair.substr(equals + 1), parsed);
        if (key == scheme.timestamp_key) parsed.timestamp = pair.substr(equals + 1);
      }
      return parsed;
    case Scheme::Shape::kTagged:
      for (const std::string_view entry : Split(header, ' ')) {
        const size_t comma = entry.find(',');
        if (comma == std::string_view::npos || entry.substr(0, comma) != scheme.prefix) continue;
        AddSignature(scheme, entry.substr(comma + 1), parsed);
      }
      return parsed;
  }
  return parsed;
}

// Strict: digits only, as many as milliseconds need. The reference library of Standard Webhooks
// takes trailing garbage; we do not.
std::optional<WallTime> ParseUnixTime(std::string_view text, Scheme::TimestampUnit unit) {
  constexpr size_t kDigitsMax = 13;
  const bool digits = std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (text.empty() || text.size() > kDigitsMax || !digits) return std::nullopt;
  const int64_t value = *ParseInt64(text);
  if (unit == Scheme::TimestampUnit::kMilliseconds) {
    return WallTime(std::chrono::milliseconds(value));
  }
  return WallTime(std::chrono::seconds(value));
}

// As the sender called it; some providers sign a query in which harmless characters are decoded.
void AppendUrl(const Scheme& scheme, const HookRequest& request, std::string& message) {
  message.append(scheme.public_url).append(request.path);
  if (request.query.empty()) return;
  message += '?';
  std::string_view rest = request.query;
  while (!rest.empty()) {
    const auto decoded = DecodePercent(rest);
    if (decoded && scheme.query_decoded.find(*decoded) != std::string::npos) {
      message += *decoded;
      rest.remove_prefix(3);
      continue;
    }
    message += rest[0];
    rest.remove_prefix(1);
  }
}

// Names in the order of their bytes; of a repeated one its distinct values, sorted.
void AppendForm(std::string_view body, std::string& message) {
  std::set<std::pair<std::string, std::string>> fields;
  for (auto& [name, value] : ParseForm(body)) fields.emplace(std::move(name), std::move(value));
  for (const auto& [name, value] : fields) message.append(name).append(value);
}

bool BodyHashIs(const HookRequest& request, std::string_view parameter) {
  for (const auto& [name, value] : ParseForm(request.query)) {
    if (name != parameter) continue;
    return crypto::EqualSecrets(crypto::EncodeHex(crypto::Sha256(request.body).view()),
                                ToLower(value));
  }
  return false;
}

struct MessageParts {
  std::string_view id;
  std::string_view timestamp;
  const HookRequest& request;
};

// The bytes that are signed: the template with its parts put in.
std::string BuildMessage(const Scheme& scheme, const MessageParts& parts) {
  std::string_view pattern = scheme.message;
  std::string message;
  message.reserve(parts.request.body.size() + 128);
  while (!pattern.empty()) {
    const size_t open = pattern.find('{');
    const size_t close = open == std::string_view::npos ? open : pattern.find('}', open);
    if (close == std::string_view::npos) break;
    message += pattern.substr(0, open);
    const std::string_view name = pattern.substr(open + 1, close - open - 1);
    pattern.remove_prefix(close + 1);
    if (name == "body") {
      message += parts.request.body;
    } else if (name == "timestamp") {
      message += parts.timestamp;
    } else if (name == "id") {
      message += parts.id;
    } else if (name == "method") {
      message += parts.request.method;
    } else if (name == "url") {
      AppendUrl(scheme, parts.request, message);
    } else if (name == "form") {
      AppendForm(parts.request.body, message);
    } else if (name.starts_with("header:")) {
      message += FindHeader(parts.request.headers, name.substr(7)).value_or("");
    }
  }
  message += pattern;
  return message;
}

}  // namespace

std::optional<std::string_view> FindHeader(std::span<const HookHeader> headers,
                                           std::string_view name) {
  if (name.empty()) return std::nullopt;
  for (const HookHeader& header : headers) {
    if (EqualsIgnoreCase(header.name, name)) return header.value;
  }
  return std::nullopt;
}

Result<Verifier> Verifier::Create(Scheme scheme, std::span<const std::string> secrets,
                                  std::string user) {
  Verifier verifier(std::move(scheme), std::move(user));
  const Scheme& made = verifier.scheme_;
  if (made.kind == Scheme::Kind::kNone) return verifier;
  if (secrets.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "scheme " + made.name + " needs a secret");
  }
  for (const std::string& secret : secrets) {
    if (secret.empty()) {
      return Fail(ErrorCode::kInvalidArgument, "the secret of scheme " + made.name + " is empty");
    }
    if (made.kind == Scheme::Kind::kEdwards) {
      const auto bytes = DecodeKey(made, secret);
      auto key = bytes.ok() ? crypto::PublicKey::Edwards(crypto::EdwardsCurve::kEd25519, *bytes)
                            : Result<crypto::PublicKey>(std::unexpected(bytes.error()));
      if (!key.ok()) {
        return Fail(ErrorCode::kInvalidArgument,
                    "the secret of scheme " + made.name + " is no public Ed25519 key");
      }
      verifier.public_keys_.push_back(*std::move(key));
      continue;
    }
    if (made.kind != Scheme::Kind::kHmac) {
      verifier.secrets_.push_back(secret);
      continue;
    }
    const auto key = DecodeKey(made, secret);
    if (!key.ok() || key->empty()) {
      return Fail(ErrorCode::kInvalidArgument,
                  "the secret of scheme " + made.name + " is not in the form of its key");
    }
    verifier.keys_.emplace_back(made.algorithm, *key);
  }
  return verifier;
}

bool Verifier::AnySecretEquals(std::string_view candidate) const {
  // Digests are compared, so that not even the secret's length shows in the time; and every secret
  // is looked at.
  const crypto::Digest given = crypto::Sha256(candidate);
  bool equal = false;
  for (const std::string& secret : secrets_) {
    equal = crypto::EqualSecrets(given.view(), crypto::Sha256(secret).view()) || equal;
  }
  return equal;
}

Verifier::Verdict Verifier::Verify(const HookRequest& request,
                                   std::optional<std::string_view> path_token) const {
  const auto judge = [&](std::string_view candidate) -> Verdict {
    return {AnySecretEquals(candidate) ? Outcome::kAuthentic : Outcome::kMismatch, {}};
  };
  switch (scheme_.kind) {
    case Scheme::Kind::kNone:
      return {Outcome::kAuthentic, {}};
    case Scheme::Kind::kPathToken:
      if (!path_token || path_token->empty()) return {Outcome::kMissing, {}};
      return judge(*path_token);
    case Scheme::Kind::kToken: {
      const auto token = FindHeader(request.headers, scheme_.header);
      if (!token || token->empty()) return {Outcome::kMissing, {}};
      if (!token->starts_with(scheme_.prefix)) return {Outcome::kMalformed, {}};
      return judge(token->substr(scheme_.prefix.size()));
    }
    case Scheme::Kind::kBasic: {
      const auto header = FindHeader(request.headers, "authorization");
      if (!header) return {Outcome::kMissing, {}};
      constexpr std::string_view kScheme = "basic ";
      if (header->size() < kScheme.size() ||
          !EqualsIgnoreCase(header->substr(0, kScheme.size()), kScheme)) {
        return {Outcome::kMissing, {}};
      }
      const auto decoded = crypto::DecodeBase64(Trim(header->substr(kScheme.size())));
      if (!decoded.ok()) return {Outcome::kMalformed, {}};
      const size_t colon = decoded->find(':');
      if (colon == std::string::npos) return {Outcome::kMalformed, {}};
      const bool user =
          crypto::EqualSecrets(crypto::Sha256(std::string_view(*decoded).substr(0, colon)).view(),
                               crypto::Sha256(user_).view());
      Verdict verdict = judge(std::string_view(*decoded).substr(colon + 1));
      if (!user) verdict.outcome = Outcome::kMismatch;
      return verdict;
    }
    case Scheme::Kind::kHmac:
    case Scheme::Kind::kEdwards:
      return VerifySignature(request);
  }
  return {Outcome::kMissing, {}};
}

bool Verifier::Explains(std::string_view message, std::span<const std::string> signatures) const {
  bool equal = false;
  for (const crypto::HmacKey& key : keys_) {
    const crypto::Digest mac = key.Mac(message);
    for (const std::string& signature : signatures) {
      equal = crypto::EqualSecrets(mac.view(), signature) || equal;
    }
  }
  for (const crypto::PublicKey& key : public_keys_) {
    for (const std::string& signature : signatures) {
      equal = equal || key.VerifyEdwards(message, signature);
    }
  }
  return equal;
}

Verifier::Verdict Verifier::VerifySignature(const HookRequest& request) const {
  const auto header = FindEither(request.headers, scheme_.header, scheme_.header_fallback);
  if (!header || header->empty()) return {Outcome::kMissing, {}};
  const Parsed parsed = ParseHeader(scheme_, *header);
  if (parsed.signatures.empty()) {
    return {parsed.malformed ? Outcome::kMalformed : Outcome::kMissing, {}};
  }
  MessageParts parts{.timestamp = parsed.timestamp, .request = request};
  if (!scheme_.timestamp_header.empty()) {
    parts.timestamp =
        FindEither(request.headers, scheme_.timestamp_header, scheme_.timestamp_header_fallback)
            .value_or("");
  }
  parts.id =
      FindEither(request.headers, scheme_.id_header, scheme_.id_header_fallback).value_or("");
  if (scheme_.id_is_signed && parts.id.empty()) return {Outcome::kMissing, {}};
  const bool timed = !scheme_.timestamp_header.empty() || !scheme_.timestamp_key.empty();
  const auto time = ParseUnixTime(parts.timestamp, scheme_.unit);
  if (timed && !time) return {Outcome::kMalformed, {}};
  if (!Explains(BuildMessage(scheme_, parts), parsed.signatures)) return {Outcome::kMismatch, {}};
  if (!scheme_.body_hash_query.empty() && !BodyHashIs(request, scheme_.body_hash_query)) {
    return {Outcome::kMismatch, {}};
  }
  if (timed && scheme_.tolerance.count() > 0) {
    const auto age = request.received_at - *time;
    const bool early = scheme_.direction == Scheme::Direction::kBoth && age < -scheme_.tolerance;
    if (age > scheme_.tolerance || early) return {Outcome::kStale, {}};
  }
  return {Outcome::kAuthentic, scheme_.id_is_signed ? std::string(parts.id) : std::string()};
}

std::string_view ReasonOf(Verifier::Outcome outcome) {
  switch (outcome) {
    case Outcome::kAuthentic:
      return "ok";
    case Outcome::kMissing:
      return "missing";
    case Outcome::kMalformed:
      return "form";
    case Outcome::kMismatch:
      return "mismatch";
    case Outcome::kStale:
      return "timestamp";
  }
  return "";
}

}  // namespace tw::ingest
