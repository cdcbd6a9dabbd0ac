// Presence: who is on a topic, on every loop of the process.
//
//   Track ──▶ own loop's PresenceHub ──diff──▶ its listeners
//                    └── PresenceChange ──PresenceLink──▶ the other loops' hubs ──diff──▶ theirs
//
// Each loop knows the metas of all topics; a meta belongs to the loop of the channel that tracks it.
// Changes of one loop arrive in order at the others, and metas are independent of each other, so
// all loops come to the same state. A channel whose connection was lost leaves its meta behind for
// `lost_after`; whoever tracks the same key meanwhile takes it over, so that a short cut is not seen.
// Each taking over is a new, higher claim on the meta. Each claim's end is told by the loop that made
// it and counts for that claim only, so that words of former owners that arrive late do no harm.
//
// A small topic tells each change at once. A large one gathers changes for a while that grows with
// it: one frame then tells all of them, and joiners that wait share one encoded state. So the cost of
// a join is linear in the members however fast they come.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/strings.h"
#include "io/timer_wheel.h"
#include "protocol/message.h"
#include "protocol/presence.h"
#include "router/audience.h"
#include "router/bus.h"
#include "telemetry/metrics.h"

namespace tw::router {

// What one channel says of itself, as all members see it. Immutable, shared between loops.
struct PresenceMeta {
  std::string key;
  std::string reference;  // phx_ref, unique in the process.
  protocol::PresenceMetaText meta;

  size_t ApproximateBytes() const {
    return sizeof(PresenceMeta) + key.size() + reference.size() + meta.text.size();
  }
};
using PresenceMetaPtr = std::shared_ptr<const PresenceMeta>;

// What one loop tells the others.
struct PresenceChange {
  enum class Kind : uint8_t {
    kJoined,  // `meta` is there, instead of `replaced` when that is set.
    kLeft,
    kLost,    // Its connection is gone; it leaves later unless someone takes it over.
  };
  Kind kind = Kind::kJoined;
  Bus bus = Bus::kPublic;
  std::string topic;  // With "realtime:".
  PresenceMetaPtr meta;
  uint64_t claim = 0;  // The one that begins, ends or is lost.
  PresenceMetaPtr replaced;
  uint64_t replaced_claim = 0;
};

// Takes changes to the other loops, each loop's in order.
class PresenceLink {
 public:
  virtual ~PresenceLink() = default;
  virtual void SendPresence(PresenceChange change) = 0;
};

// Updates told as a frame of leaves and a frame of joins, or as one diff (realtime-protocol §5.3).
enum class PresenceUpdates : uint8_t { kSplit, kWhole };

struct PresenceOptions {
  PresenceUpdates updates = PresenceUpdates::kSplit;
  // How long a lost connection's meta stays.
  std::chrono::milliseconds lost_after{7'000};
  // Tracking beyond this is refused, per topic.
  uint32_t metas_max = 100'000;
  // … and beyond this much memory for the metas of all topics together.
  uint64_t bytes_max = 256u << 20;
  // A topic with this many listeners or metas gathers changes instead of telling each at once.
  uint32_t gather_from = 128;
  // … for one tick of the timers, or size ÷ this per millisecond where that is longer.
  uint32_t gather_sizes_per_millisecond = 50;
};

class PresenceHub;
struct PresenceEntry;
struct PresenceTopic;

// Why a channel leaves: it said so, or its connection was lost.
enum class Departure : uint8_t { kSaid, kLost };

// A channel's place in a topic's presence. Leaves (as said) when destroyed.
class PresenceMember {
 public:
  PresenceMember() = default;
  PresenceMember(const PresenceMember&) = delete;
  PresenceMember& operator=(const PresenceMember&) = delete;
  ~PresenceMember() { Leave(Departure::kSaid); }

  bool attached() const { return topic_ != nullptr; }
  bool listening() const { return place_ != Place::kSilent; }
  bool tracking() const { return meta_ != nullptr; }
  void Leave(Departure departure);

 private:
  friend class PresenceHub;
  enum class Place : uint8_t { kSilent, kWaiting, kListening };
  PresenceHub* hub_ = nullptr;
  PresenceTopic* topic_ = nullptr;
  Receiver* receiver_ = nullptr;
  PresenceMetaPtr meta_;
  uint32_t index_ = 0;  // Among the waiting ones or the listeners of its version.
  Place place_ = Place::kSilent;
  protocol::Version version_ = protocol::Version::kV2;
};

struct PresenceMetrics {
  explicit PresenceMetrics(telemetry::Registry& registry);
  telemetry::Gauge& metas;
  telemetry::Counter& diffs;
  telemetry::Counter& states;
  telemetry::Counter& deliveries;
  telemetry::Counter& taken_over;
  telemetry::Counter& refused;
};

// One per loop.
class PresenceHub {
 public:
  // `loop`: this loop's index. All references outlive the hub.
  PresenceHub(uint16_t loop, const PresenceOptions& options, PresenceLink& link, io::TimerWheel& timers,
              const Clock& clock, Random& random, telemetry::Registry& registry);
  ~PresenceHub();

  // Gives `member` its place; nothing is sent yet.
  void Attach(Bus bus, std::string_view topic, protocol::Version version, Receiver& receiver,
              PresenceMember& member);
  // The member gets the state, then every diff. Without effect when it listens already.
  void Listen(PresenceMember& member);
  // The member gets nothing more; what it tracks stays.
  void Silence(PresenceMember& member);

  enum class Tracked : uint8_t { kOk, kTooMany };
  // Says `tracked` (protocol::TrackedText) under `key`; what the member said before is replaced,
  // and the same again changes nothing.
  Tracked Track(PresenceMember& member, std::string_view key, std::string_view tracked);
  void Untrack(PresenceMember& member);

  // The member whose frame is being given out; null outside of that.
  const PresenceMember* telling() const { return telling_; }

  // What another loop says.
  void Apply(const PresenceChange& change);

  uint64_t bytes() const { return bytes_; }
  size_t topics() const { return topics_[0].size() + topics_[1].size(); }

 private:
  friend class PresenceMember;
  friend struct PresenceTopic;
  struct Lost {
    MonoTime due;
    Bus bus;
    std::string topic;
    PresenceMetaPtr meta;
    uint64_t claim;
  };

  PresenceTopic& Find(Bus bus, std::string_view topic);
  void Detach(PresenceMember& member, Departure departure);
  uint64_t ClaimAfter(uint64_t claim) const;
  PresenceMetaPtr MakeMeta(std::string_view key, std::string_view previous,
                           std::string_view tracked);
  // Tells the other loops.
  void Announce(PresenceTopic& topic, PresenceChange change);
  void Put(PresenceTopic& topic, const PresenceMetaPtr& meta, uint64_t claim,
           PresenceMember* owner);
  void Drop(PresenceTopic& topic, const PresenceMeta& meta, uint64_t claim);
  void SayAnew(PresenceTopic& topic, const PresenceEntry& entry);
  // `member` says `tracked` under a new reference, instead of `replaced` when that is set.
  void Replace(PresenceTopic& topic, PresenceMember& member, std::string_view key,
               std::string_view tracked, const PresenceMetaPtr& replaced);
  void Schedule(PresenceTopic& topic);
  void Flush(PresenceTopic& topic);
  void Tell(const PresenceMember& member, const io::SharedBytes& frame);
  void SendDiff(PresenceTopic& topic);
  void SendState(PresenceTopic& topic);
  void EraseIfEmpty(PresenceTopic& topic);
  void ArmLost();
  void OnLost();

  const PresenceOptions options_;
  PresenceLink& link_;
  io::TimerWheel& timers_;
  const Clock& clock_;
  const uint16_t loop_;
  const std::string reference_prefix_;
  uint64_t next_reference_ = 1;
  uint64_t bytes_ = 0;  // Of all metas that this loop knows.
  StringMap<std::unique_ptr<PresenceTopic>> topics_[2];
  const PresenceMember* telling_ = nullptr;
  std::deque<Lost> lost_;  // In order of `due`.
  io::Timer lost_timer_;
  PresenceMetrics metrics_;
};

}  // namespace tw::router
