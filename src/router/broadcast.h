// Broadcasts: from one member of a topic to all others, on every loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/strings.h"
#include "io/bytes.h"
#include "protocol/broadcast.h"
#include "protocol/message.h"
#include "router/audience.h"
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

 private:
  friend class BroadcastHub;
  BroadcastHub* hub_ = nullptr;
  BroadcastTopic* topic_ = nullptr;
  uint32_t index_ = 0;
  protocol::Version version_ = protocol::Version::kV2;
};

// One message; immutable, shared between loops.
struct Broadcast {
  std::string topic;    // With "realtime:".
  std::string payload;  // JSON of the whole payload object; empty for raw bytes.
  // Raw payloads have no text form: only version 2 gets them, as binary messages of kind 4.
  std::string event;
  std::string bytes;
};

using BroadcastPtr = std::shared_ptr<const Broadcast>;

// The members of one topic, by the version that they speak.
struct BroadcastTopic {
  struct Member {
    Receiver* receiver;
    BroadcastMembership* membership;
  };
  std::string name;
  std::vector<Member> members[2];
};

// One per loop.
class BroadcastHub {
 public:
  explicit BroadcastHub(telemetry::Registry& metrics);
  ~BroadcastHub();

  void Join(std::string_view topic, protocol::Version version, Receiver& receiver,
            BroadcastMembership& membership);
  // To every member of the message's topic but `sender` (null: to all). Encoded once per version.
  void Send(const Broadcast& message, const BroadcastMembership* sender);

 private:
  friend class BroadcastMembership;
  void Leave(BroadcastMembership& membership);

  StringMap<std::unique_ptr<BroadcastTopic>> topics_;
  std::string scratch_;
  telemetry::Counter& messages_;
  telemetry::Counter& deliveries_;
};

}  // namespace tw::router
