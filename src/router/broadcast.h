// Broadcasts: from one member of a topic, or from an HTTP request, to all members on every loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"
#include "io/bytes.h"
#include "model/position.h"
#include "protocol/broadcast.h"
#include "protocol/message.h"
#include "router/audience.h"
#include "router/bus.h"
#include "telemetry/metrics.h"

namespace tw::router {

class BroadcastHub;
struct BroadcastTopic;

// A receiver's place in a topic. Leaves when destroyed.
class BroadcastMembership {
 public:
  BroadcastMembership() = default;
  BroadcastMembership(const BroadcastMembership&) = delete;
  BroadcastMembership& operator=(const BroadcastMembership&) = delete;
  ~BroadcastMembership() { Leave(); }
  void Leave();
  bool joined() const { return topic_ != nullptr; }
  // Unique in the process while joined; what Broadcast::sender names. Kept over a second Join.
  uint64_t id() const { return id_; }

 private:
  friend class BroadcastHub;
  BroadcastHub* hub_ = nullptr;
  BroadcastTopic* topic_ = nullptr;
  uint64_t id_ = 0;
  uint32_t index_ = 0;
  uint8_t group_ = 0;
};

// Whether a member is told each message's position.
enum class BroadcastPositions : uint8_t { kNo, kYes };

// One message. Immutable once it has its place in the topic's order; shared between loops.
struct Broadcast {
  std::string topic;    // With "realtime:".
  std::string payload;  // JSON of the whole payload object; empty for raw bytes.
  // Raw payloads have no text form: only version 2 gets them, as binary messages of kind 4.
  std::string event;
  std::string bytes;
  Bus bus = Bus::kPublic;
  // The member that it does not come back to; 0: to all.
  uint64_t sender = 0;
  // `meta.id`, when its sender gave one.
  std::string id;
  // Given by the topic's history; an offset of 0 means none.
  Position position;
  WallTime sent_at{};

  size_t ApproximateBytes() const {
    return sizeof(Broadcast) + topic.size() + payload.size() + event.size() + bytes.size() +
           id.size();
  }
};

using BroadcastPtr = std::shared_ptr<const Broadcast>;

// How a message was found: as it was sent, or later in the history.
enum class BroadcastOrigin : uint8_t { kLive, kReplayed };

// One framed message for members of `version`; empty when that version has no form of it.
// `scratch` is reused memory.
io::SharedBytes EncodeBroadcast(const Broadcast& message, protocol::Version version,
                                BroadcastPositions positions, BroadcastOrigin origin,
                                std::string& scratch);

// The members of one topic, by the version that they speak and whether they want positions.
struct BroadcastTopic {
  struct Member {
    Receiver* receiver;
    BroadcastMembership* membership;
    uint64_t id;
  };
  std::string name;
  Bus bus = Bus::kPublic;
  std::vector<Member> members[4];
};

// One per loop.
class BroadcastHub {
 public:
  explicit BroadcastHub(telemetry::Registry& metrics);
  ~BroadcastHub();

  struct Place {
    Bus bus = Bus::kPublic;
    std::string_view topic;  // With "realtime:".
    protocol::Version version = protocol::Version::kV2;
    BroadcastPositions positions = BroadcastPositions::kNo;
  };
  // `receiver` and `membership` stay where they are until Leave.
  void Join(const Place& place, Receiver& receiver, BroadcastMembership& membership);
  // To every member of the message's topic but its sender. Encoded once per group of members.
  void Send(const Broadcast& message);

  // What is being sent, and to whom; null outside of Send.
  struct Sending {
    const Broadcast* message = nullptr;
    const BroadcastMembership* membership = nullptr;
  };
  const Sending& sending() const { return sending_; }

 private:
  friend class BroadcastMembership;
  void Leave(BroadcastMembership& membership);

  StringMap<std::unique_ptr<BroadcastTopic>> topics_[2];
  std::string scratch_;
  Sending sending_;
  telemetry::Counter& messages_;
  telemetry::Counter& deliveries_;
};

}  // namespace tw::router
