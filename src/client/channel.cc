// One subscription's life; its phases are drawn in sdk/js/client/src/machine.ts.
#include <algorithm>
#include <cmath>
#include <utility>

#include "base/strings.h"
#include "client/machine.h"

namespace tw::client {
namespace {

constexpr std::string_view kTopicPrefix = "realtime:";
constexpr Milliseconds kRefusedBase{1'000};
constexpr uint32_t kRefusedDoublingsMax = 16;

std::optional<std::string> TextOf(const json::Value& value) {
  const auto text = value.AsString();
  return text ? std::optional(std::string(*text)) : std::nullopt;
}

std::optional<std::string> ObjectOf(const json::Value& value) {
  return value.is_object() ? std::optional(value.ToText()) : std::nullopt;
}

// The change inside a postgres_changes payload; nullopt when it is not one.
std::optional<Change> DecodeChange(const json::Value& payload) {
  const json::Value data = payload["data"];
  const auto table = TextOf(data["table"]);
  const auto type = TextOf(data["type"]);
  if (!table || !type) return std::nullopt;
  if (*type != "INSERT" && *type != "UPDATE" && *type != "DELETE" && *type != "LEAVE") {
    return std::nullopt;
  }
  Change change{.type = *type,
                .schema = TextOf(data["schema"]).value_or("public"),
                .table = *table,
                .commit_timestamp = TextOf(data["commit_timestamp"]),
                .record = ObjectOf(data["record"]),
                .old_record = ObjectOf(data["old_record"]),
                .position = TextOf(payload["position"])};
  if (*type == "LEAVE") change.record.reset();
  return change;
}

bool SpeaksOfTokens(std::string_view error) {
  const std::string lower = ToLower(error);
  return lower.contains("token") || lower.contains("jwt") || lower.contains("auth");
}

}  // namespace

std::string_view ToString(ChannelPhase phase) {
  switch (phase) {
    case ChannelPhase::kWaiting: return "waiting";
    case ChannelPhase::kJoining: return "joining";
    case ChannelPhase::kCatchingUp: return "catching-up";
    case ChannelPhase::kLive: return "live";
    case ChannelPhase::kRefused: return "refused";
  }
  return "";
}

void Machine::Join(Channel& channel) {
  json::Writer payload;
  payload.Object().Key("config").Object();
  payload.Key("broadcast").Object().Key("ack").Bool(false).Key("self").Bool(false).End();
  payload.Key("presence").Object().Key("key").String("").Key("enabled").Bool(false).End();
  payload.Key("postgres_changes").Array().Object();
  payload.Key("event").String(channel.binding.event);
  payload.Key("schema").String(channel.binding.schema);
  payload.Key("table").String(channel.binding.table);
  if (!channel.binding.filter.empty()) payload.Key("filter").String(channel.binding.filter);
  payload.End().End().Key("private").Bool(false);
  payload.Key("tidewire").Object().Key("positions").Bool(true).Key("leave").Bool(true);
  if (channel.position) payload.Key("since").String(*channel.position);
  payload.End().End();
  if (token_) payload.Key("access_token").String(*token_);
  payload.Key("version").String("tidewire-cpp/0.1.0").End();
  channel.join_ref = Send(std::nullopt, std::string(kTopicPrefix) + channel.id, "phx_join",
                          payload.Take());
  channel.asked_since = channel.position.has_value();
  Settle(channel, ChannelPhase::kJoining, channel.error);
  SetTimer("join:" + channel.id, limits_.answer_max);
}

// Its answer did not come in time, or its wait after a refusal is over.
void Machine::OnJoinTimer(std::string_view id) {
  Channel* const channel = Find(id);
  if (phase_ != Phase::kOpen || channel == nullptr) return;
  if (channel->phase == ChannelPhase::kJoining) {
    Refuse(*channel, "The server did not answer in time.");
  } else if (channel->phase == ChannelPhase::kRefused) {
    Join(*channel);
  }
}

// The connection is gone: what was live waits for the next one.
void Machine::Suspend() {
  for (Channel& channel : channels_) {
    SetTimer("join:" + channel.id, std::nullopt);
    channel.join_ref.reset();
    Settle(channel, ChannelPhase::kWaiting, channel.error);
  }
}

void Machine::OnChannelFrame(const Incoming& frame) {
  if (!frame.topic.starts_with(kTopicPrefix)) return;
  Channel* const channel = Find(frame.topic.substr(kTopicPrefix.size()));
  if (channel == nullptr || !channel->join_ref) return;
  if (frame.join_ref && *frame.join_ref != *channel->join_ref) return;
  if (frame.event == "postgres_changes") {
    OnChange(*channel, frame.payload);
  } else if (frame.event == "phx_reply") {
    const bool of_join = frame.ref && *frame.ref == *channel->join_ref;
    if (of_join && channel->phase == ChannelPhase::kJoining) OnReply(*channel, frame.payload);
  } else if (frame.event == "system") {
    OnSystem(*channel, frame.payload);
  } else if (frame.event == "phx_error" || frame.event == "phx_close") {
    const auto reason = TextOf(frame.payload["reason"]);
    Refuse(*channel, reason ? *reason : channel->error.value_or("The channel was closed."));
  }
}

// The heartbeat's answer: everything up to `position` that concerns live channels was sent.
void Machine::OnWatermark(std::string_view position) {
  for (Channel& channel : channels_) {
    if (channel.phase != ChannelPhase::kLive || !channel.position) continue;
    const auto order = ComparePositions(*channel.position, position);
    if (order && *order < 0) channel.position = position;
  }
}

void Machine::OnReply(Channel& channel, const json::Value& payload) {
  const json::Value response = payload["response"];
  if (payload["status"].AsString() != "ok") {
    return Refuse(channel, TextOf(response["reason"])
                               .value_or("The server refused the subscription."));
  }
  const json::Value extra = response["tidewire"];
  if (const json::Value hint = extra["reconnect_jitter_max_ms"];
      hint.kind() == json::Kind::kInt && hint.GetInt() >= 0) {
    jitter_hint_ = Milliseconds(static_cast<double>(hint.GetInt()));
  }
  SetTimer("join:" + channel.id, std::nullopt);
  channel.attempt = 0;
  if (channel.asked_since && extra["recovered"].AsBool() == true) {
    // The position stays where it is: the missed changes are still to come.
    return Settle(channel, ChannelPhase::kCatchingUp, std::nullopt);
  }
  if (channel.asked_since || channel.promised) {
    TellVerdict(channel, false, TextOf(extra["reason"]).value_or("unsupported"));
  }
  channel.position = TextOf(extra["position"]);
  channel.promised = true;
  Settle(channel, ChannelPhase::kLive, std::nullopt);
}

void Machine::OnChange(Channel& channel, const json::Value& payload) {
  if (channel.phase != ChannelPhase::kLive && channel.phase != ChannelPhase::kCatchingUp) return;
  auto change = DecodeChange(payload);
  if (!change) return;
  if (change->position) {
    if (channel.position) {
      const auto order = ComparePositions(*change->position, *channel.position);
      if (order && *order <= 0) return;
      if (!order) TellVerdict(channel, false, "epoch_changed");
    }
    channel.position = change->position;
  }
  effects_.push_back(effect::Deliver{channel.id, std::move(*change)});
}

void Machine::OnSystem(Channel& channel, const json::Value& payload) {
  const auto message = TextOf(payload["message"]);
  if (payload["status"].AsString() == "error") {
    return Settle(channel, channel.phase, message.value_or("The server reported an error."));
  }
  if (payload["extension"].AsString() == "tidewire" && message == "caught_up") {
    if (channel.phase != ChannelPhase::kCatchingUp) return;
    TellVerdict(channel, true, "");
    channel.promised = true;
    if (const auto reached = TextOf(payload["position"])) {
      const auto order = channel.position ? ComparePositions(*channel.position, *reached)
                                          : std::nullopt;
      if (!order || *order <= 0) channel.position = reached;
    }
    return Settle(channel, ChannelPhase::kLive, channel.error);
  }
  if (payload["extension"].AsString() == "postgres_changes") {
    Settle(channel, channel.phase, std::nullopt);
  }
}

// The server will not have it now: wait, with a fresh token, and join again.
void Machine::Refuse(Channel& channel, std::string error) {
  ++channel.attempt;
  const Milliseconds window =
      std::min(limits_.retry_max,
               kRefusedBase * std::exp2(std::min(channel.attempt, kRefusedDoublingsMax)));
  channel.join_ref.reset();
  const bool of_token = SpeaksOfTokens(error);
  Settle(channel, ChannelPhase::kRefused, std::move(error));
  SetTimer("join:" + channel.id, window * (0.5 + env_.random / 2));
  if (of_token) effects_.push_back(effect::AskToken{});
}

// A new phase or error is told.
void Machine::Settle(Channel& channel, ChannelPhase phase, std::optional<std::string> error) {
  if (channel.phase == phase && channel.error == error) return;
  channel.phase = phase;
  channel.error = std::move(error);
  effects_.push_back(effect::Channel{channel.id, phase, channel.error});
}

void Machine::TellVerdict(const Channel& channel, bool recovered, std::string reason) {
  effects_.push_back(effect::Tell{channel.id, {recovered, std::move(reason)}});
}

}  // namespace tw::client
