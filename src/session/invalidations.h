// Which client keys are old: one message per change or per window of syncs, to those whose rows they
// are. Of one loop.
//
//   Batch ──▶ InvalidationMap ──keys──▶ Audience (equal rights) ──one frame──▶ its channels
//                                        └─ window: opens with a sync, closes `batch` later
//
// Thread       Its loop.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "io/timer_wheel.h"
#include "model/change.h"
#include "model/claims.h"
#include "policy/catalog.h"
#include "protocol/message.h"
#include "query/invalidation/invalidation_map.h"
#include "router/audience.h"
#include "router/router.h"
#include "telemetry/metrics.h"

namespace tw::session {

// Syncs remembered per audience, so that none is told twice.
inline constexpr size_t kSyncsRememberedMax = 10'000;
// Clients spread their refetches over this time.
inline constexpr std::chrono::milliseconds kRefetchJitter{250};

class Invalidations;

// A channel's place among those who are told. Leaves when destroyed.
class InvalidationMembership {
 public:
  InvalidationMembership() = default;
  InvalidationMembership(const InvalidationMembership&) = delete;
  InvalidationMembership& operator=(const InvalidationMembership&) = delete;
  ~InvalidationMembership() { Leave(); }
  void Leave();

 private:
  friend class Invalidations;
  Invalidations* owner_ = nullptr;
  void* audience_ = nullptr;
  router::Receiver* receiver_ = nullptr;
};

class Invalidations {
 public:
  // `router` and `timers` outlive it.
  Invalidations(query::InvalidationMapPtr map, policy::CatalogPtr catalog,
                const router::Router& router, io::TimerWheel& timers,
                telemetry::Registry& metrics);
  ~Invalidations();

  // `receiver` is told on `topic` from now on, as `claims` allow; again after a change of claims.
  void Join(router::Receiver& receiver, protocol::Version version, const std::string& topic,
            const Claims& claims, InvalidationMembership& membership);

  // The loop's feed has just published the batch.
  void OnBatch(const Batch& batch);

  // Tells everyone: JSON arrays of keys, tags, tables; `id` is the message's own.
  void SendToAll(const std::string& id, Position position, const query::ManualInvalidation& manual);

 private:
  friend class InvalidationMembership;
  struct SourceSync {
    std::string source, id;
    Position position;
  };
  // Channels that get the same frames.
  struct Audience {
    Invalidations* owner = nullptr;
    std::string key;
    std::string topic;
    protocol::Version version = protocol::Version::kV2;
    std::unordered_map<std::string, policy::AccessPtr> access;  // By table.
    std::vector<router::Receiver*> members;
    // Of the open window.
    query::KeySet window;
    std::vector<SourceSync> syncs;
    io::Timer closes;
    std::unordered_set<std::string> seen;
    std::deque<std::string> seen_order;

    void OnClose() { owner->CloseWindow(*this); }
  };

  static bool Sees(const Audience& audience, const Change& change, const router::Views& views);
  void OnSync(Audience& audience, const query::InvalidationMap::Sync& sync, Position position);
  void CloseWindow(Audience& audience);
  void Send(Audience& audience, const std::string& id, Position position,
            const query::KeySet& keys, const std::vector<std::string>& tags,
            const std::vector<std::string>& tables, const std::vector<SourceSync>& syncs);
  void Leave(InvalidationMembership& membership);

  const query::InvalidationMapPtr map_;
  const policy::CatalogPtr catalog_;
  const router::Router& router_;
  io::TimerWheel& timers_;
  telemetry::Counter& messages_;
  telemetry::Counter& repeated_;
  std::unordered_map<std::string, std::unique_ptr<Audience>> audiences_;
};

}  // namespace tw::session
