#include "router/broadcast.h"

#include <atomic>
#include <cstdio>

#include "base/check.h"
#include "websocket/shared_frame.h"

namespace tw::router {

using protocol::Version;

namespace {

// Ids are unique over all loops, since a message names its sender wherever it arrives.
uint64_t NextMemberId() {
  static std::atomic<uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

// Version × positions.
uint8_t GroupOf(Version version, BroadcastPositions positions) {
  return static_cast<uint8_t>(static_cast<int>(version) * 2 + static_cast<int>(positions));
}

// A replayed message without an id of its sender's has one made of its position, the same each time.
std::string ReplayedId(const Broadcast& message) {
  if (!message.id.empty()) return message.id;
  const uint64_t epoch = message.position.epoch;
  const uint64_t offset = message.position.offset;
  char id[40];
  std::snprintf(id, sizeof(id), "%08x-%04x-8%03x-8%03x-%012llx", unsigned(epoch >> 32),
                unsigned(epoch >> 16 & 0xffff), unsigned(epoch & 0xfff), unsigned(offset >> 48 & 0xfff),
                static_cast<unsigned long long>(offset & 0xffff'ffff'ffff));
  return id;
}

// {"id":…,"replayed":true,"position":…}, or nothing.
std::string MetaOf(const Broadcast& message, BroadcastPositions positions,
                   BroadcastOrigin origin) {
  const bool replayed = origin == BroadcastOrigin::kReplayed;
  const bool position = positions == BroadcastPositions::kYes && message.position.offset > 0;
  if (message.id.empty() && !replayed && !position) return {};
  json::Writer writer;
  writer.Object();
  if (replayed) {
    writer.Key("id").String(ReplayedId(message)).Key("replayed").Bool(true);
  } else if (!message.id.empty()) {
    writer.Key("id").String(message.id);
  }
  if (position) writer.Key("position").String(ToString(message.position));
  writer.End();
  return writer.Take();
}

}  // namespace

io::SharedBytes EncodeBroadcast(const Broadcast& message, Version version,
                                BroadcastPositions positions, BroadcastOrigin origin,
                                std::string& scratch) {
  const std::string meta = MetaOf(message, positions, origin);
  if (message.payload.empty()) {
    if (version == Version::kV1) return {};
    return websocket::ShareFrame(
        websocket::Opcode::kBinary,
        EncodeUserBroadcast(message.topic, message.event, protocol::BroadcastEncoding::kRaw,
                            message.bytes, meta));
  }
  const protocol::Address nobody{std::nullopt, std::nullopt, message.topic};
  scratch.clear();
  BeginMessage(scratch, version, nobody, "broadcast");
  scratch += message.payload;
  if (!meta.empty()) {
    // Behind all that its sender wrote, so that a `meta` of theirs does not hide this one.
    scratch.pop_back();
    if (message.payload.size() > 2) scratch.push_back(',');
    scratch += "\"meta\":" + meta + "}";
  }
  EndMessage(scratch, version, nobody);
  return websocket::ShareFrame(websocket::Opcode::kText, scratch);
}

void BroadcastMembership::Leave() {
  if (topic_ != nullptr) hub_->Leave(*this);
}

BroadcastHub::BroadcastHub(telemetry::Registry& metrics)
    : messages_(metrics.GetCounter("tidewire_broadcast_messages_total",
                                   "Broadcasts handed to a loop's members.")),
      deliveries_(metrics.GetCounter("tidewire_broadcast_deliveries_total",
                                     "Frames handed to connections for broadcasts.")) {}

BroadcastHub::~BroadcastHub() { TW_CHECK(topics_[0].empty() && topics_[1].empty()); }

void BroadcastHub::Join(const Place& place, Receiver& receiver, BroadcastMembership& membership) {
  membership.Leave();
  auto& topics = topics_[IndexOf(place.bus)];
  auto found = topics.find(place.topic);
  if (found == topics.end()) {
    auto made = std::make_unique<BroadcastTopic>();
    made->name = place.topic;
    made->bus = place.bus;
    found = topics.emplace(std::string(place.topic), std::move(made)).first;
  }
  membership.hub_ = this;
  membership.topic_ = found->second.get();
  membership.group_ = GroupOf(place.version, place.positions);
  if (membership.id_ == 0) membership.id_ = NextMemberId();
  auto& members = found->second->members[membership.group_];
  membership.index_ = static_cast<uint32_t>(members.size());
  members.push_back({&receiver, &membership, membership.id_});
}

void BroadcastHub::Leave(BroadcastMembership& membership) {
  BroadcastTopic& topic = *membership.topic_;
  auto& members = topic.members[membership.group_];
  members[membership.index_] = members.back();
  members[membership.index_].membership->index_ = membership.index_;
  members.pop_back();
  membership.topic_ = nullptr;
  for (const auto& group : topic.members) {
    if (!group.empty()) return;
  }
  auto& topics = topics_[IndexOf(topic.bus)];
  topics.erase(topics.find(topic.name));
}

void BroadcastHub::Send(const Broadcast& message) {
  const auto& topics = topics_[IndexOf(message.bus)];
  const auto found = topics.find(message.topic);
  if (found == topics.end()) return;
  messages_.Add();
  sending_.message = &message;
  for (const Version version : {Version::kV1, Version::kV2}) {
    for (const auto positions : {BroadcastPositions::kNo, BroadcastPositions::kYes}) {
      const auto& members = found->second->members[GroupOf(version, positions)];
      if (members.empty()) continue;
      const io::SharedBytes frame =
          EncodeBroadcast(message, version, positions, BroadcastOrigin::kLive, scratch_);
      if (frame.size() == 0) continue;
      uint64_t delivered = 0;
      for (const auto& member : members) {
        if (member.id == message.sender) continue;
        sending_.membership = member.membership;
        member.receiver->OnFrame(frame);
        ++delivered;
      }
      deliveries_.Add(delivered);
    }
  }
  sending_ = {};
}

}  // namespace tw::router
