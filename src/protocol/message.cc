#include "protocol/message.h"

#include "base/strings.h"

namespace tw::protocol {
namespace {

std::unexpected<Error> Malformed(std::string_view what) {
  return Fail(ErrorCode::kInvalidArgument, "malformed message: " + std::string(what));
}

// A ref is a string; old clients also send numbers.
std::optional<std::string_view> Ref(const json::Value& value) {
  if (const auto text = value.AsString()) return text;
  if (value.AsInt()) return value.NumberText();
  return std::nullopt;
}

void AppendRef(std::string& out, const std::optional<std::string_view>& ref) {
  if (ref) {
    json::AppendString(out, *ref);
  } else {
    out += "null";
  }
}

}  // namespace

Result<Version> ParseVersion(std::string_view vsn) {
  if (vsn.empty()) return Version::kV1;
  const auto parts = Split(vsn, '.');
  if (parts.size() <= 3 && ParseUint64(parts[0])) {
    const bool zero_minor = parts.size() < 2 || parts[1] == "0";
    const bool number_patch = parts.size() < 3 || ParseUint64(parts[2]).has_value();
    if (zero_minor && number_patch && parts[0] == "1") return Version::kV1;
    if (zero_minor && number_patch && parts[0] == "2") return Version::kV2;
  }
  return Fail(ErrorCode::kInvalidArgument,
              "unknown protocol version '" + std::string(vsn.substr(0, 32)) +
                  "'; 1.0.0 and 2.0.0 are spoken");
}

Result<ClientMessage> ParseClientMessage(std::string_view text, Version version) {
  ClientMessage message;
  TW_ASSIGN_OR_RETURN(message.document, json::Parse(text));
  const json::Value& root = message.document.root();
  json::Value topic, event;
  if (version == Version::kV1) {
    if (!root.is_object()) return Malformed("an object is expected");
    message.join_ref = Ref(root["join_ref"]);
    message.ref = Ref(root["ref"]);
    topic = root["topic"];
    event = root["event"];
    message.payload = root["payload"];
  } else {
    const auto items = root.items();
    if (items.size() < 5) return Malformed("an array of five items is expected");
    message.join_ref = Ref(items[0]);
    message.ref = Ref(items[1]);
    topic = items[2];
    event = items[3];
    message.payload = items[4];
  }
  if (!topic.is_string() || !event.is_string()) return Malformed("topic and event must be strings");
  message.topic = topic.GetString();
  message.event = event.GetString();
  return message;
}

void BeginMessage(std::string& out, Version version, const Address& address,
                  std::string_view event) {
  if (version == Version::kV1) {
    out += "{\"topic\":";
    json::AppendString(out, address.topic);
    out += ",\"event\":";
    json::AppendString(out, event);
    out += ",\"payload\":";
    return;
  }
  out.push_back('[');
  AppendRef(out, address.join_ref);
  out.push_back(',');
  AppendRef(out, address.ref);
  out.push_back(',');
  json::AppendString(out, address.topic);
  out.push_back(',');
  json::AppendString(out, event);
  out.push_back(',');
}

void EndMessage(std::string& out, Version version, const Address& address) {
  if (version == Version::kV1) {
    // Physically present even when null: realtime-py requires the key.
    out += ",\"ref\":";
    AppendRef(out, address.ref);
    out.push_back('}');
    return;
  }
  out.push_back(']');
}

std::string EncodeMessage(Version version, const Address& address, std::string_view event,
                          std::string_view payload) {
  std::string out;
  out.reserve(payload.size() + address.topic.size() + event.size() + 64);
  BeginMessage(out, version, address, event);
  out += payload;
  EndMessage(out, version, address);
  return out;
}

std::string EncodeReply(Version version, const Address& address, ReplyStatus status,
                        std::string_view response) {
  std::string payload = status == ReplyStatus::kOk ? "{\"status\":\"ok\",\"response\":"
                                                   : "{\"status\":\"error\",\"response\":";
  payload += response;
  payload.push_back('}');
  return EncodeMessage(version, address, "phx_reply", payload);
}

std::string SystemPayload(std::string_view extension, ReplyStatus status, std::string_view message,
                          std::string_view channel) {
  json::Writer writer;
  writer.Object().Key("extension").String(extension);
  writer.Key("status").String(status == ReplyStatus::kOk ? "ok" : "error");
  writer.Key("message").String(message).Key("channel").String(channel).End();
  return writer.Take();
}

}  // namespace tw::protocol
