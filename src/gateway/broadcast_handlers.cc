// Broadcasts over HTTP, and the small routes beside them (realtime-protocol §1.7). Statuses and
// bodies are upstream's.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/percent.h"
#include "base/strings.h"
#include "gateway/connection.h"
#include "gateway/credential.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "http/url.h"
#include "json/json.h"
#include "protocol/broadcast.h"
#include "session/publish.h"

namespace tw::gateway {
namespace {

using session::PublishOutcome;
using session::RateOutcome;

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kTopicPrefix = "realtime:";
constexpr std::string_view kRateExceeded = "You have exceeded your rate limit";
constexpr std::string_view kBatchTooLarge =
    "Too many messages to broadcast, please reduce the batch size";
constexpr std::string_view kPayloadTooLarge = "Payload size exceeds tenant limit";
constexpr size_t kMessagesMax = 10'000;

// The caller's own request id where it is fit for a log, else a new one.
std::string RequestId(Connection& connection) {
  const std::string_view given = connection.head().Header("x-request-id");
  const bool fit = given.size() >= 20 && given.size() <= 200 &&
                   given.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                           "0123456789-_.") == std::string_view::npos;
  return fit ? std::string(given) : connection.gateway().wiring().random.Hex(16);
}

void Answer(Connection& connection, int status, std::string_view body = {}) {
  const std::string id = RequestId(connection);
  const http::HeaderView headers[] = {{"x-request-id", id}};
  connection.Respond(status, body.empty() ? std::string_view() : kJson, body, headers);
}

void AnswerText(Connection& connection, int status, std::string_view key,
                std::string_view message) {
  json::Writer writer;
  writer.Object().Key(key).String(message).End();
  Answer(connection, status, writer.Take());
}

// The caller's claims; null when it has been answered already.
ClaimsPtr Authorize(Connection& connection) {
  const std::string_view token = CredentialOf(connection.head());
  if (!token.empty()) {
    auto claims = connection.gateway().wiring().sessions.verifier.Verify(token);
    if (claims) return std::move(*claims);
  }
  AnswerText(connection, 401, "message", "Unauthorized");
  return nullptr;
}

bool IsTrue(const json::Value& value) {
  const auto text = value.AsString();
  return value.AsBool().value_or(false) || (text && EqualsIgnoreCase(*text, "true"));
}

bool IsTopic(std::string_view topic, uint32_t bytes_max) {
  return topic.size() + kTopicPrefix.size() <= bytes_max &&
         topic.find_first_of(std::string_view("\0\r\n", 3)) == std::string_view::npos;
}

// One message of a batch, or what is wrong with it as the members of an object.
struct BatchItem {
  router::Broadcast message;
  std::vector<std::pair<std::string_view, std::string_view>> errors;
};

BatchItem ReadItem(const json::Value& item, uint32_t topic_bytes_max) {
  constexpr std::string_view kBlank = "can't be blank";
  BatchItem read;
  const auto topic = item["topic"].AsString();
  const auto event = item["event"].AsString();
  const json::Value payload = item["payload"];
  if (!topic || topic->empty()) {
    read.errors.emplace_back("topic", kBlank);
  } else if (!IsTopic(*topic, topic_bytes_max)) {
    read.errors.emplace_back("topic", "is invalid");
  }
  if (!event || event->empty()) read.errors.emplace_back("event", kBlank);
  if (payload.is_null()) {
    read.errors.emplace_back("payload", kBlank);
  } else if (!payload.is_object()) {
    read.errors.emplace_back("payload", "is invalid");
  }
  if (!read.errors.empty()) return read;
  read.message.topic = std::string(kTopicPrefix) + std::string(*topic);
  read.message.payload = protocol::BroadcastPayload(*event, payload.ToText());
  read.message.bus = IsTrue(item["private"]) ? router::Bus::kPrivate : router::Bus::kPublic;
  read.message.id = item["id"].AsString().value_or("");
  return read;
}

std::string ErrorsOf(const std::vector<BatchItem>& items) {
  json::Writer writer;
  writer.Object().Key("errors").Object().Key("messages").Array();
  for (const BatchItem& item : items) {
    writer.Object();
    for (const auto& [key, text] : item.errors) writer.Key(key).Array().String(text).End();
    writer.End();
  }
  writer.End().End().End();
  return writer.Take();
}

void AnswerRate(Connection& connection, RateOutcome outcome) {
  AnswerText(connection, 429, "message",
             outcome == RateOutcome::kNeverFits ? kBatchTooLarge : kRateExceeded);
}

// POST …/api/broadcast
void HandleBatch(Connection& connection) {
  const ClaimsPtr claims = Authorize(connection);
  if (claims == nullptr) return;
  session::SessionServices& services = connection.gateway().wiring().sessions;
  const auto document = json::Parse(connection.body());
  if (!document.ok()) return AnswerText(connection, 400, "message", "The body is not JSON");
  const json::Value messages = document->root()["messages"];
  if (!messages.is_array() || messages.items().empty()) {
    return Answer(connection, 422, R"({"errors":{"messages":["can't be blank"]}})");
  }
  if (messages.items().size() > kMessagesMax) {
    return AnswerText(connection, 429, "message", kBatchTooLarge);
  }
  std::vector<BatchItem> items;
  uint64_t bytes = 0;
  bool good = true;
  for (const json::Value& item : messages.items()) {
    items.push_back(ReadItem(item, services.limits.topic_bytes_max));
    BatchItem& last = items.back();
    if (last.message.payload.size() > services.limits.broadcast_bytes_max) {
      last.errors.emplace_back("payload", kPayloadTooLarge);
    }
    bytes += last.message.payload.size();
    good = good && last.errors.empty();
  }
  if (!good) return Answer(connection, 422, ErrorsOf(items));
  const RateOutcome rate = TakeRates(services, items.size(), bytes);
  if (rate != RateOutcome::kOk) return AnswerRate(connection, rate);
  for (BatchItem& item : items) {
    // What may not be written is dropped without a word: the answer tells nothing of channels.
    if (MayPublish(services, *claims, item.message) != PublishOutcome::kOk) continue;
    services.bus.Publish(std::move(item.message));
  }
  Answer(connection, 202);
}

struct SingleTarget {
  std::string topic;
  std::string event;
};

// "<topic>/events/<event>", both percent-encoded.
std::optional<SingleTarget> TargetOf(std::string_view path) {
  constexpr std::string_view kBroadcast = "/api/broadcast/";
  constexpr std::string_view kEvents = "/events/";
  path.remove_prefix(path.find(kBroadcast) + kBroadcast.size());
  const size_t at = path.find(kEvents);
  if (at == std::string_view::npos || path.find('/') != at) return std::nullopt;
  const std::string_view event = path.substr(at + kEvents.size());
  if (event.find('/') != std::string_view::npos) return std::nullopt;
  auto topic_text = PercentDecode(path.substr(0, at));
  auto event_text = PercentDecode(event);
  if (!topic_text.ok() || !event_text.ok() || topic_text->empty() || event_text->empty() ||
      !IsUtf8(*topic_text) || !IsUtf8(*event_text)) {
    return std::nullopt;
  }
  return SingleTarget{std::move(*topic_text), std::move(*event_text)};
}

// The media type without its parameters, in lower case.
std::string MediaType(const http::RequestHead& head) {
  const std::string_view header = head.Header("content-type");
  return ToLower(Trim(header.substr(0, header.find(';'))));
}

// POST …/api/broadcast/{topic}/events/{event}
void HandleSingle(Connection& connection, const SingleTarget& target) {
  const ClaimsPtr claims = Authorize(connection);
  if (claims == nullptr) return;
  session::SessionServices& services = connection.gateway().wiring().sessions;
  const auto parameters = http::ParseQuery(connection.head().query);
  if (!parameters.ok()) return AnswerText(connection, 400, "error", parameters.error().message);
  if (!IsTopic(target.topic, services.limits.topic_bytes_max)) {
    return Answer(connection, 422, R"({"errors":{"topic":["is invalid"]}})");
  }
  router::Broadcast message;
  message.topic = std::string(kTopicPrefix) + target.topic;
  if (EqualsIgnoreCase(http::FindParameter(*parameters, "private").value_or(""), "true")) {
    message.bus = router::Bus::kPrivate;
  }
  const std::string type = MediaType(connection.head());
  if (type.empty() || type == kJson) {
    const auto document = json::Parse(connection.body());
    if (!document.ok()) return AnswerText(connection, 400, "error", "The body is not JSON");
    message.payload = protocol::BroadcastPayload(target.event, document->root().ToText());
  } else if (type == "application/octet-stream") {
    message.event = target.event;
    message.bytes = connection.body();
  } else {
    return AnswerText(connection, 415, "error",
                      "Unsupported Media Type. Use application/json or application/octet-stream");
  }
  switch (MayPublish(services, *claims, message)) {
    case PublishOutcome::kOk: break;
    case PublishOutcome::kDenied: return AnswerText(connection, 403, "message", "Unauthorized");
    case PublishOutcome::kTooLarge:
      return AnswerText(connection, 422, "error", kPayloadTooLarge);
  }
  const RateOutcome rate = TakeRates(services, 1, message.payload.size() + message.bytes.size());
  if (rate != RateOutcome::kOk) return AnswerText(connection, 429, "message", kRateExceeded);
  services.bus.Publish(std::move(message));
  Answer(connection, 202);
}

}  // namespace

void HandleBroadcast(Connection& connection) {
  const std::string_view path = connection.head().path;
  if (path.ends_with("/api/broadcast")) return HandleBatch(connection);
  const auto target = TargetOf(path);
  if (!target) return AnswerText(connection, 404, "error", "there is nothing at this path");
  HandleSingle(connection, *target);
}

void HandleHealthCheck(Connection& connection) { connection.Respond(200, "text/plain", "ok"); }

void HandlePing(Connection& connection) { Answer(connection, 200, R"({"message":"Success"})"); }

}  // namespace tw::gateway
