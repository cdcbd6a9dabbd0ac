#include "bench/common/webhook_body.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdio>
#include <ctime>

#include "bench/common/flags.h"

namespace tw::bench {
namespace {

// An instant of today, spread over one hour by `number`, as RFC 3339 in UTC.
std::string Instant(uint64_t number) {
  static const std::time_t base = std::time(nullptr) - 3600;
  const std::time_t at = base + static_cast<std::time_t>(number % 3600);
  std::tm utc;
  gmtime_r(&at, &utc);
  char text[40];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

bool HasReply(EventType type) {
  return type == EventType::kContactReplied || type == EventType::kLeadInterested ||
         type == EventType::kManualEmailSent;
}

std::string Uuid(uint64_t high, uint64_t low) {
  char text[40];
  std::snprintf(text, sizeof text, "%08x-%04x-4%03x-8%03x-%012llx",
                static_cast<unsigned>(high & 0xffffffff), static_cast<unsigned>(low >> 48 & 0xffff),
                static_cast<unsigned>(high & 0xfff), static_cast<unsigned>(low & 0xfff),
                static_cast<unsigned long long>(low & 0xffff'ffff'ffff));
  return text;
}

// What the event says beyond the lead, the campaign and the sender.
std::string Details(EventType type, const std::string& id, const std::string& uuid,
                    const std::string& at) {
  if (HasReply(type)) {
    const char* when = type == EventType::kManualEmailSent ? "date_sent" : "date_received";
    return "\"reply\":{\"id\":" + id + ",\"uuid\":\"" + uuid + "\",\"" + when + "\":\"" + at +
           "\",\"from_email_address\":\"jo@example.com\"}";
  }
  std::string moment;
  if (type == EventType::kEmailOpened) moment = "\",\"opened_at\":\"" + at;
  if (type == EventType::kEmailBounced) moment = "\",\"bounced_at\":\"" + at;
  return "\"scheduled_email\":{\"id\":" + id +
         "},\"email\":{\"subject\":\"A quick question\",\"sent_at\":\"" + at + moment + "\"}";
}

}  // namespace

std::string_view NameOf(EventType type) {
  switch (type) {
    case EventType::kEmailSent:
      return "EMAIL_SENT";
    case EventType::kManualEmailSent:
      return "MANUAL_EMAIL_SENT";
    case EventType::kEmailOpened:
      return "EMAIL_OPENED";
    case EventType::kContactReplied:
      return "CONTACT_REPLIED";
    case EventType::kLeadInterested:
      return "LEAD_INTERESTED";
    case EventType::kContactUnsubscribed:
      return "CONTACT_UNSUBSCRIBED";
    case EventType::kEmailBounced:
      return "EMAIL_BOUNCED";
  }
  Die("unknown event type");
}

bool WritesLead(EventType type) {
  return type == EventType::kContactReplied || type == EventType::kLeadInterested ||
         type == EventType::kContactUnsubscribed || type == EventType::kEmailBounced;
}

std::string MakeWebhookBody(EventType type, const Workspace& workspace, uint64_t run, Stamp stamp) {
  // Ten digits of sequence below five of run: unique over runs, and exact in a JavaScript number.
  const uint64_t number = run % 100'000 * 10'000'000'000 + stamp.sequence;
  const std::string id = std::to_string(number);
  const std::string at = Instant(stamp.sequence);
  std::string body = "{\"event\":{\"type\":\"";
  body.append(NameOf(type)).append("\",\"name\":\"").append(NameOf(type));
  body += "\",\"instance_url\":\"https://send.example.com\",\"workspace_id\":";
  body.append(std::to_string(workspace.id)).append(",\"workspace_name\":\"");
  body.append(workspace.name).append("\",\"timestamp\":\"").append(at);
  body.append("\"},\"data\":{\"lead\":{\"id\":").append(id).append(",\"email\":\"lead.");
  body.append(id).append("@example.com\",\"first_name\":\"").append(ToString(stamp));
  body +=
      "\",\"last_name\":\"Rivera\",\"status\":\"in_sequence\",\"title\":\"COO\","
      "\"company\":\"Acme\",\"custom_variables\":[{\"name\":\"phone\",\"value\":"
      "\"+1 555 0100\"}]},";
  body += Details(type, id, Uuid(run, stamp.sequence), at);
  body +=
      ",\"campaign\":{\"id\":4711,\"name\":\"Spring\"},\"sender_email\":{\"id\":12,"
      "\"email\":\"sam@example.org\",\"name\":\"Sam Doe\"}}}";
  return body;
}

WebhookSigner::WebhookSigner(std::string_view secret) {
  constexpr std::string_view kPrefix = "whsec_";
  if (!secret.starts_with(kPrefix)) Die("a signing secret starts with whsec_");
  secret.remove_prefix(kPrefix.size());
  key_.resize(secret.size());
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(key_.data()),
                                   reinterpret_cast<const unsigned char*>(secret.data()),
                                   static_cast<int>(secret.size()));
  if (size < 0) Die("the signing secret is not base64");
  size_t padding = 0;
  while (secret.ends_with('=')) {
    ++padding;
    secret.remove_suffix(1);
  }
  key_.resize(static_cast<size_t>(size) - padding);  // EVP_DecodeBlock counts padding as zeros.
}

std::string WebhookSigner::Headers(uint64_t id, std::string_view body) const {
  const std::string message_id = "msg_" + std::to_string(id);
  const std::string timestamp = std::to_string(std::time(nullptr));
  std::string message = message_id + "." + timestamp + ".";
  message.append(body);
  unsigned char digest[32];
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
       reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest, nullptr);
  unsigned char encoded[48];
  EVP_EncodeBlock(encoded, digest, sizeof digest);
  return "webhook-id: " + message_id + "\r\nwebhook-timestamp: " + timestamp +
         "\r\nwebhook-signature: v1," + reinterpret_cast<char*>(encoded) + "\r\n";
}

}  // namespace tw::bench
