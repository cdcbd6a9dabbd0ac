#include "client/machine.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "client/token.h"

namespace tw::client {
namespace {

constexpr Milliseconds kStable{5'000};
constexpr Milliseconds kFailedRetry{60'000};
constexpr Milliseconds kTokenLead{60'000};
constexpr Milliseconds kTokenRetry{5'000};
constexpr Milliseconds kTokenCheckMin{30'000};
constexpr Milliseconds kTokenCheckNewMin{1'000};
constexpr Milliseconds kTokenCheckMax{86'400'000};
constexpr uint32_t kDoublingsMax = 30;
constexpr int kNormal = 1000, kGone = 3000;

std::optional<std::string_view> TextOf(const json::Value& value) { return value.AsString(); }

}  // namespace

std::vector<Effect> Machine::Step(const Event& event, const Env& env) {
  effects_.clear();
  if (phase_ == Phase::kClosed) return {};
  env_ = env;
  std::visit([this](const auto& what) { On(what); }, event);
  return std::exchange(effects_, {});
}

std::optional<std::string> Machine::PositionOf(std::string_view id) const {
  const auto found = std::ranges::find(channels_, id, &Channel::id);
  return found == channels_.end() ? std::nullopt : found->position;
}

void Machine::On(const event::Subscribe& event) {
  channels_.push_back({.id = event.id, .binding = event.binding, .position = event.since});
  if (phase_ == Phase::kOpen) return Join(channels_.back());
  if (phase_ == Phase::kIdle) Begin();
}

void Machine::On(const event::Unsubscribe& event) {
  const auto found = std::ranges::find(channels_, event.id, &Channel::id);
  if (found == channels_.end()) return;
  const std::optional<std::string> join_ref = found->join_ref;
  channels_.erase(found);
  SetTimer("join:" + event.id, std::nullopt);
  if (phase_ == Phase::kOpen && join_ref) Send(*join_ref, "realtime:" + event.id, "phx_leave", "{}");
  if (phase_ == Phase::kWaiting && channels_.empty()) {
    SetTimer("retry", std::nullopt);
    phase_ = Phase::kIdle;
    attempt_ = 0;
  }
}

// Starts an attempt, if anything is subscribed, with a token asked for it.
void Machine::Begin() {
  SetTimer("retry", std::nullopt);
  phase_ = channels_.empty() ? Phase::kIdle : Phase::kToken;
  if (channels_.empty()) return;
  effects_.push_back(effect::AskToken{});
  SetTimer("open", limits_.answer_max);
}

void Machine::On(const event::Token& event) {
  const bool same = token_ == event.token;
  token_ = event.token;
  if (const auto expiry = ExpiryOf(event.token)) {
    const Milliseconds left = *expiry - env_.now;
    const Milliseconds wait = std::min(left - std::min(kTokenLead, left / 5), kTokenCheckMax);
    SetTimer("token", std::max(wait, same ? kTokenCheckMin : kTokenCheckNewMin));
  }
  if (phase_ == Phase::kToken) {
    phase_ = Phase::kOpening;
    conn_ = ++conns_;
    effects_.push_back(effect::Connect{conn_, event.token});
    SetTimer("open", limits_.answer_max);
  } else if (phase_ == Phase::kOpen && !same) {
    json::Writer payload;
    payload.Object().Key("access_token").String(event.token).End();
    const std::string text = payload.Take();
    for (const Channel& channel : channels_) {
      if (channel.join_ref) Send(*channel.join_ref, "realtime:" + channel.id, "access_token", text);
    }
  }
}

void Machine::On(const event::TokenFailed& event) {
  if (phase_ == Phase::kToken) return Fail(event.error);
  if (phase_ == Phase::kOpen) SetTimer("token", kTokenRetry);
}

void Machine::On(const event::Opened& event) {
  if (event.conn != conn_ || phase_ != Phase::kOpening) return;
  phase_ = Phase::kOpen;
  error_.clear();
  heard_ = false;
  SetTimer("open", std::nullopt);
  SetTimer("stable", kStable);
  SetTimer("heartbeat", limits_.heartbeat_interval);
  for (Channel& channel : channels_) Join(channel);
}

void Machine::On(const event::Frame& event) {
  if (event.conn != conn_ || phase_ != Phase::kOpen) return;
  const auto document = json::Parse(event.text);
  if (!document.ok()) return;
  const auto items = document->root().items();
  if (items.size() < 5 || !items[2].is_string() || !items[3].is_string() ||
      !items[4].is_object()) {
    return;
  }
  const Incoming frame{TextOf(items[0]), TextOf(items[1]), items[2].GetString(),
                       items[3].GetString(), items[4]};
  heard_ = true;
  if (frame.topic != "phoenix") return OnChannelFrame(frame);
  const auto position = TextOf(frame.payload["response"]["tidewire"]["position"]);
  if (frame.event == "phx_reply" && position) OnWatermark(*position);
}

void Machine::On(const event::Lost& event) {
  if (event.conn != conn_ || (phase_ != Phase::kOpen && phase_ != Phase::kOpening)) return;
  Fail(event.reason.empty()
           ? "The connection was closed (" + std::to_string(event.code) + ")."
           : event.reason);
}

void Machine::On(const event::Timer& event) {
  if (event.name.starts_with("join:")) return OnJoinTimer(std::string_view(event.name).substr(5));
  if (event.name == "retry") {
    if (phase_ == Phase::kWaiting || phase_ == Phase::kFailed) Begin();
  } else if (event.name == "open") {
    if (phase_ == Phase::kToken || phase_ == Phase::kOpening) Fail("Connecting took too long.");
  } else if (phase_ != Phase::kOpen) {
    return;
  } else if (event.name == "stable") {
    if (!heard_) return SetTimer("stable", kStable);
    attempt_ = 0;
  } else if (event.name == "heartbeat") {
    SetTimer("heartbeat", limits_.heartbeat_interval);
    Beat();
  } else if (event.name == "silent") {
    if (!heard_) Fail("The server fell silent.");
  } else if (event.name == "token") {
    effects_.push_back(effect::AskToken{});
  }
}

void Machine::On(const event::Pause&) {
  if (phase_ != Phase::kPaused) Rest(Phase::kPaused, kNormal, "paused");
}

void Machine::On(const event::Resume&) {
  if (phase_ == Phase::kPaused) Begin();
}

void Machine::On(const event::Retry&) {
  if (phase_ == Phase::kWaiting || phase_ == Phase::kFailed) Begin();
}

void Machine::On(const event::Close&) {
  Rest(Phase::kClosed, kNormal, "closed by the application");
}

void Machine::Beat() {
  Send(std::nullopt, "phoenix", "heartbeat", "{}");
  heard_ = false;
  SetTimer("silent", limits_.answer_max);
}

// The attempt or the connection failed: back off and try again, if anything is subscribed.
void Machine::Fail(std::string error) {
  const uint32_t attempt = attempt_ + 1;
  Rest(Phase::kWaiting, kGone, error);
  if (channels_.empty()) {
    phase_ = Phase::kIdle;
    attempt_ = 0;
    return;
  }
  error_ = std::move(error);
  attempt_ = attempt;
  if (attempt > limits_.attempts_max) {
    phase_ = Phase::kFailed;
    return SetTimer("retry", kFailedRetry);
  }
  const Milliseconds window =
      std::min(limits_.retry_max,
               limits_.retry_base * std::exp2(static_cast<double>(std::min(attempt - 1, kDoublingsMax))));
  SetTimer("retry", env_.random * (attempt == 1 ? std::max(window, jitter_hint_) : window));
}

// Leaves the current connection for good, whatever state it is in.
void Machine::Rest(Phase phase, int code, std::string reason) {
  for (const char* name : {"open", "stable", "heartbeat", "silent", "token", "retry"}) {
    SetTimer(name, std::nullopt);
  }
  effects_.push_back(effect::Disconnect{conn_, code, std::move(reason)});
  Suspend();
  if (phase != Phase::kWaiting) attempt_ = 0;
  phase_ = phase;
  conn_ = 0;
}

Machine::Channel* Machine::Find(std::string_view id) {
  const auto found = std::ranges::find(channels_, id, &Channel::id);
  return found == channels_.end() ? nullptr : &*found;
}

std::string Machine::Send(std::optional<std::string_view> join_ref, std::string_view topic,
                          std::string_view event, std::string_view payload) {
  const std::string ref = std::to_string(++ref_);
  json::Writer frame;
  frame.Array();
  if (event == "phx_join") {
    frame.String(ref);
  } else if (join_ref) {
    frame.String(*join_ref);
  } else {
    frame.Null();
  }
  frame.String(ref).String(topic).String(event).Raw(payload).End();
  effects_.push_back(effect::Send{conn_, frame.Take()});
  return ref;
}

void Machine::SetTimer(std::string name, std::optional<Milliseconds> delay) {
  effects_.push_back(effect::SetTimer{std::move(name), delay});
}

// Offsets are compared as text, length first, so that they stay exact whatever their size.
std::optional<int> ComparePositions(std::string_view a, std::string_view b) {
  const size_t cut_a = a.find(':');
  const size_t cut_b = b.find(':');
  if (cut_a == 0 || cut_b == 0 || cut_a == a.npos || cut_b == b.npos ||
      a.substr(0, cut_a) != b.substr(0, cut_b)) {
    return std::nullopt;
  }
  const std::string_view left = a.substr(cut_a + 1);
  const std::string_view right = b.substr(cut_b + 1);
  if (left.size() != right.size()) return left.size() < right.size() ? -1 : 1;
  return left < right ? -1 : left > right ? 1 : 0;
}

}  // namespace tw::client
