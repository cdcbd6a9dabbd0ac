#include "router/broadcast.h"

#include "base/check.h"
#include "websocket/shared_frame.h"

namespace tw::router {

using protocol::Version;

void BroadcastMembership::Leave() {
  if (topic_ != nullptr) hub_->Leave(*this);
}

BroadcastHub::BroadcastHub(telemetry::Registry& metrics)
    : messages_(metrics.GetCounter("tidewire_broadcast_messages_total",
                                   "Broadcasts handed to a loop's members.")),
      deliveries_(metrics.GetCounter("tidewire_broadcast_deliveries_total",
                                     "Frames handed to connections for broadcasts.")) {}

BroadcastHub::~BroadcastHub() { TW_CHECK(topics_.empty()); }

void BroadcastHub::Join(std::string_view topic, Version version, Receiver& receiver,
                        BroadcastMembership& membership) {
  membership.Leave();
  auto found = topics_.find(topic);
  if (found == topics_.end()) {
    auto made = std::make_unique<BroadcastTopic>();
    made->name = topic;
    found = topics_.emplace(std::string(topic), std::move(made)).first;
  }
  auto& members = found->second->members[static_cast<int>(version)];
  membership.hub_ = this;
  membership.topic_ = found->second.get();
  membership.version_ = version;
  membership.index_ = static_cast<uint32_t>(members.size());
  members.push_back({&receiver, &membership});
}

void BroadcastHub::Leave(BroadcastMembership& membership) {
  BroadcastTopic& topic = *membership.topic_;
  auto& members = topic.members[static_cast<int>(membership.version_)];
  members[membership.index_] = members.back();
  members[membership.index_].membership->index_ = membership.index_;
  members.pop_back();
  membership.topic_ = nullptr;
  if (topic.members[0].empty() && topic.members[1].empty()) {
    topics_.erase(topics_.find(topic.name));
  }
}

void BroadcastHub::Send(const Broadcast& message, const BroadcastMembership* sender) {
  const auto found = topics_.find(message.topic);
  if (found == topics_.end()) return;
  messages_.Add();
  const bool raw = message.payload.empty();
  for (const Version version : {Version::kV1, Version::kV2}) {
    const auto& members = found->second->members[static_cast<int>(version)];
    if (members.empty() || (raw && version == Version::kV1)) continue;
    io::SharedBytes frame;
    if (raw) {
      frame = websocket::ShareFrame(
          websocket::Opcode::kBinary,
          EncodeUserBroadcast(message.topic, message.event, protocol::BroadcastEncoding::kRaw,
                              message.bytes));
    } else {
      const protocol::Address nobody{std::nullopt, std::nullopt, message.topic};
      scratch_.clear();
      BeginMessage(scratch_, version, nobody, "broadcast");
      scratch_ += message.payload;
      EndMessage(scratch_, version, nobody);
      frame = websocket::ShareFrame(websocket::Opcode::kText, scratch_);
    }
    uint64_t delivered = 0;
    for (const auto& member : members) {
      if (member.membership == sender) continue;
      member.receiver->OnFrame(frame);
      ++delivered;
    }
    deliveries_.Add(delivered);
  }
}

}  // namespace tw::router
