#include "ingest/webhook/presets.h"

#include <algorithm>
#include <array>

namespace tw::ingest {
namespace {

using Kind = Scheme::Kind;
using Shape = Scheme::Shape;
using Encoding = Scheme::Encoding;
using KeyForm = Scheme::KeyForm;
using Direction = Scheme::Direction;

constexpr std::chrono::seconds kFiveMinutes{300};

std::array<Scheme, 16> MakePresets() {
  return {{
      {.name = "basic", .kind = Kind::kBasic, .header = "authorization"},
      {.name = "generic-hmac", .header = "x-signature"},
      {.name = "github",
       .header = "x-hub-signature-256",
       .prefix = "sha256=",
       .id_header = "x-github-delivery"},
      {.name = "hubspot",  // Its version 3.
       .header = "x-hubspot-signature-v3",
       .encoding = Encoding::kBase64,
       .message = "{method}{url}{body}{timestamp}",
       .timestamp_header = "x-hubspot-request-timestamp",
       .unit = Scheme::TimestampUnit::kMilliseconds,
       .tolerance = kFiveMinutes,
       .query_decoded = ":/?@!$'()*,;"},
      {.name = "meta", .header = "x-hub-signature-256", .prefix = "sha256="},
      {.name = "none", .kind = Kind::kNone},
      {.name = "path-token", .kind = Kind::kPathToken},
      {.name = "shopify",
       .header = "x-shopify-hmac-sha256",
       .encoding = Encoding::kBase64,
       .id_header = "x-shopify-webhook-id"},
      {.name = "slack",
       .header = "x-slack-signature",
       .prefix = "v0=",
       .message = "v0:{timestamp}:{body}",
       .timestamp_header = "x-slack-request-timestamp",
       .tolerance = kFiveMinutes},
      {.name = "standard-webhooks",
       .header = "webhook-signature",
       .shape = Shape::kTagged,
       .prefix = "v1",
       .encoding = Encoding::kBase64,
       .key_form = KeyForm::kBase64,
       .key_prefix = "whsec_",
       .message = "{id}.{timestamp}.{body}",
       .timestamp_header = "webhook-timestamp",
       .tolerance = kFiveMinutes,
       .id_header = "webhook-id",
       .id_is_signed = true},
      {.name = "standard-webhooks-v1a",
       .kind = Kind::kEdwards,
       .header = "webhook-signature",
       .shape = Shape::kTagged,
       .prefix = "v1a",
       .encoding = Encoding::kBase64,
       .key_form = KeyForm::kBase64,
       .key_prefix = "whpk_",
       .message = "{id}.{timestamp}.{body}",
       .timestamp_header = "webhook-timestamp",
       .tolerance = kFiveMinutes,
       .id_header = "webhook-id",
       .id_is_signed = true},
      {.name = "stripe",
       .header = "stripe-signature",
       .shape = Shape::kPairs,
       .prefix = "v1",
       .message = "{timestamp}.{body}",
       .timestamp_key = "t",
       .tolerance = kFiveMinutes,
       .direction = Direction::kOldOnly},
      {.name = "svix",
       .header = "svix-signature",
       .header_fallback = "webhook-signature",
       .shape = Shape::kTagged,
       .prefix = "v1",
       .encoding = Encoding::kBase64,
       .key_form = KeyForm::kBase64,
       .key_prefix = "whsec_",
       .message = "{id}.{timestamp}.{body}",
       .timestamp_header = "svix-timestamp",
       .timestamp_header_fallback = "webhook-timestamp",
       .tolerance = kFiveMinutes,
       .id_header = "svix-id",
       .id_header_fallback = "webhook-id",
       .id_is_signed = true},
      {.name = "token", .kind = Kind::kToken, .header = "x-webhook-token"},
      {.name = "twilio",  // Forms.
       .header = "x-twilio-signature",
       .algorithm = crypto::HashAlgorithm::kSha1,
       .encoding = Encoding::kBase64,
       .message = "{url}{form}"},
      {.name = "twilio-json",
       .header = "x-twilio-signature",
       .algorithm = crypto::HashAlgorithm::kSha1,
       .encoding = Encoding::kBase64,
       .message = "{url}",
       .body_hash_query = "bodySHA256"},
  }};
}

const std::array<Scheme, 16>& All() {
  static const std::array<Scheme, 16> kPresets = MakePresets();
  return kPresets;
}

}  // namespace

std::span<const Scheme> Presets() {
  return All();
}

const Scheme* FindPreset(std::string_view name) {
  const auto found = std::ranges::find(All(), name, &Scheme::name);
  return found == All().end() ? nullptr : &*found;
}

std::span<const std::string_view> PresetNames() {
  static const auto kNames = [] {
    std::array<std::string_view, 16> names;
    std::ranges::transform(All(), names.begin(),
                           [](const Scheme& scheme) { return std::string_view(scheme.name); });
    return names;
  }();
  return kNames;
}

}  // namespace tw::ingest
