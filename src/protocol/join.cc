#include "protocol/join.h"

#include <algorithm>

#include "base/strings.h"
#include "protocol/stamp.h"

namespace tw::protocol {
namespace {

// Booleans may be the strings "true" and "false" in any case; anything else is false.
bool LenientBool(const json::Value& value) {
  if (const auto flag = value.AsBool()) return *flag;
  const auto text = value.AsString();
  return text && EqualsIgnoreCase(*text, "true");
}

// A presence key is text; numbers are taken as their text. `ids` is no key: clients take any payload
// with that member for a row change.
std::string PresenceKey(const json::Value& value) {
  if (value.kind() == json::Kind::kInt || value.kind() == json::Kind::kNumber) {
    return std::string(value.NumberText());
  }
  std::string key(value.AsString().value_or(""));
  return key == "ids" ? "" : key;
}

std::optional<ReplayRequest> Replay(const json::Value& value) {
  if (value.is_null()) return std::nullopt;
  ReplayRequest replay;
  const auto since = value["since"].AsInt();
  replay.valid = since && *since >= 0;
  replay.since_ms = since.value_or(0);
  if (const json::Value limit = value["limit"]; !limit.is_null()) {
    replay.valid = replay.valid && limit.AsInt();
    replay.limit = static_cast<uint32_t>(
        std::clamp<int64_t>(limit.AsInt().value_or(kReplayMax), 1, kReplayMax));
  }
  return replay;
}

std::optional<ResumeRequest> Resume(const json::Value& value) {
  const json::Value since = value.is_object() ? value["since"] : value;
  if (const auto text = since.AsString()) return ResumeRequest{std::string(*text)};
  if (value.is_object() || value.AsBool().value_or(false)) return ResumeRequest{};
  return std::nullopt;
}

std::string Text(const json::Value& value) { return std::string(value.AsString().value_or("")); }

EventMask Events(const json::Value& value) {
  const std::string name = ToLower(value.AsString().value_or("*"));
  if (name == "insert") return EventMask::kInsert;
  if (name == "update") return EventMask::kUpdate;
  if (name == "delete") return EventMask::kDelete;
  return EventMask::kAll;
}

// FNV-1a, folded to 27 bits as upstream's ids are; never zero.
int64_t IdOf(std::string_view parameters) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : parameters) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  const auto id = static_cast<int64_t>((hash ^ hash >> 27 ^ hash >> 54) & 0x7ffffff);
  return id == 0 ? 1 : id;
}

std::string ParametersOf(const BindingRequest& binding) {
  std::string parameters = std::to_string(static_cast<int>(binding.events));
  for (const std::string* part : {&binding.schema, &binding.table, &binding.filter}) {
    parameters += "|" + std::to_string(part->size()) + ":" + *part;
  }
  for (const std::string& column : binding.select) parameters += "|" + column;
  return parameters;
}

std::string EchoWithId(const json::Value& object, int64_t id) {
  std::string echo = "{\"id\":" + std::to_string(id);
  for (const json::Member& member : object.members()) {
    if (member.key == "id") continue;
    echo.push_back(',');
    json::AppendString(echo, member.key);
    echo.push_back(':');
    member.value.AppendTo(echo);
  }
  echo.push_back('}');
  return echo;
}

BindingRequest ParseBinding(const json::Value& object) {
  BindingRequest binding;
  binding.events = Events(object["event"]);
  binding.schema = Text(object["schema"]);
  binding.table = Text(object["table"]);
  binding.filter = Text(object["filter"]);
  if (auto resume = Resume(object["resume"])) {
    binding.resume = true;
    binding.since = UnstampedPosition(resume->since);
  }
  if (const std::string since = Text(object["since"]); !since.empty()) {
    binding.since = UnstampedPosition(since);
  }
  binding.snapshot = LenientBool(object["snapshot"]);
  binding.leave = LenientBool(object["leave"]);
  const json::Value select = object["select"];
  binding.select_malformed = !select.is_null() && !select.is_array();
  for (const json::Value& column : select.items()) {
    if (const auto name = column.AsString()) {
      binding.select.emplace_back(*name);
    } else {
      binding.select_malformed = true;
    }
  }
  return binding;
}

std::optional<SlowPolicy> Slow(const json::Value& value) {
  const auto name = value.AsString();
  if (name == "resync") return SlowPolicy::kResync;
  if (name == "conflate") return SlowPolicy::kConflate;
  if (name == "cut") return SlowPolicy::kCut;
  return std::nullopt;
}

// A prefix that nobody guesses, or nothing.
std::string ClientId(std::string text) {
  const bool fits =
      text.size() >= 16 && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
      });
  return fits ? std::move(text) : std::string();
}

}  // namespace

std::string_view AccessTokenOf(const json::Value& payload) {
  for (const char* key : {"user_token", "access_token"}) {
    const auto token = payload[key].AsString();
    if (token && !token->empty() && !token->starts_with("sb_")) return *token;
  }
  return {};
}

Result<JoinRequest> ParseJoin(const json::Value& payload) {
  JoinRequest request;
  request.access_token = AccessTokenOf(payload);
  const json::Value config = payload["config"];
  request.is_private = LenientBool(config["private"]);
  request.broadcast_ack = LenientBool(config["broadcast"]["ack"]);
  request.broadcast_self = LenientBool(config["broadcast"]["self"]);
  request.replication_ready = LenientBool(config["broadcast"]["replication_ready"]);
  request.replay = Replay(config["broadcast"]["replay"]);
  request.resume = Resume(config["broadcast"]["resume"]);
  request.presence_key = PresenceKey(config["presence"]["key"]);
  const json::Value enabled = config["presence"]["enabled"];
  if (!enabled.is_null() && !LenientBool(enabled)) request.presence = PresenceWish::kOff;
  if (LenientBool(config["postgres_changes_options"]["wait"])) {
    request.changes = ChangesWish::kRequire;
  }
  const json::Value tidewire = config["tidewire"];
  request.positions = LenientBool(tidewire["positions"]);
  request.leave = LenientBool(tidewire["leave"]);
  request.since = Text(tidewire["since"]);
  request.snapshot = LenientBool(tidewire["snapshot"]);
  request.client = ClientId(Text(tidewire["client"]));
  request.invalidations = LenientBool(tidewire["invalidations"]);
  request.slow = Slow(tidewire["slow"]);
  if (!request.slow) request.slow = Slow(config["broadcast"]["slow"]);
  for (const json::Value& item : config["postgres_changes"].items()) {
    if (item.is_null()) continue;
    if (request.bindings.size() == kBindingsMax) {
      return Fail(ErrorCode::kResourceExhausted, "Too many postgres_changes bindings. Maximum " +
                                                     std::to_string(kBindingsMax));
    }
    BindingRequest binding = ParseBinding(item);
    if (!request.slow) request.slow = Slow(item["slow"]);
    binding.id = IdOf(ParametersOf(binding));
    // Two different bindings of a channel must differ in id; equal ones may share it.
    const auto taken = [&](int64_t id) {
      return std::ranges::any_of(request.bindings, [&](const BindingRequest& other) {
        return other.id == id && ParametersOf(other) != ParametersOf(binding);
      });
    };
    while (taken(binding.id)) binding.id = binding.id % 0x7ffffff + 1;
    binding.echo = EchoWithId(item, binding.id);
    request.bindings.push_back(std::move(binding));
  }
  return request;
}

}  // namespace tw::protocol
