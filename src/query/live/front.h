// A loop's copies of results: hits are answered here, without leaving the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/function.h"
#include "model/position.h"
#include "query/live/hub.h"

namespace tw::query {

enum class CacheOutcome : uint8_t { kHit, kStale, kMiss, kCoalesced, kError };
std::string_view ToString(CacheOutcome outcome);

// The answer to a read.
struct ReadAnswer {
  CacheOutcome outcome = CacheOutcome::kMiss;
  SnapshotPtr snapshot;            // Null with an error that leaves nothing to show.
  Position position;               // The rows are true here.
  std::optional<CallError> error;  // With `snapshot`: older rows, and why they are not newer.
};

// How a front reaches the hub. Any call only posts. Implemented by app.
class HubPort {
 public:
  virtual ~HubPort() = default;
  virtual void Ask(CallPtr call, uint64_t min_offset) = 0;
  virtual void Watch(CallPtr call) = 0;
  virtual void Unwatch(CallPtr call) = 0;
  virtual void Touch(EntryId id, uint64_t hits) = 0;
};

// Hears of followed results. Called on the loop; must not destroy the front.
class Follower {
 public:
  virtual ~Follower() = default;
  // A new result, or an error over the old one.
  virtual void OnDelivery(const Delivery& delivery) = 0;
  // Every followed result was brought to this position before.
  virtual void OnSettled(Position settled) = 0;
  // All results are gone, the watched ones as well, and the catalogue may be another: what is still
  // wanted must be watched again.
  virtual void OnReset() = 0;
};

struct FrontMetrics {
  explicit FrontMetrics(telemetry::Registry& registry);
  telemetry::Counter* reads[5];  // By CacheOutcome.
};

// One per loop.
class Front {
 public:
  static constexpr std::chrono::milliseconds kPositionWaitMax{2'000};
  static constexpr size_t kWaitingMax = 10'000;

  Front(QueryCataloguePtr catalogue, Position head, HubPort& hub, const Clock& clock,
        FrontMetrics& metrics);

  const QueryCatalogue& catalogue() const { return *catalogue_; }
  // The caller's rights for a query, remembered per claims. The result is shared and immutable.
  CallResult<std::shared_ptr<const Rights>> RightsFor(const NamedQuery& query,
                                                      const ClaimsPtr& claims);

  // Answers now or later, once. `min_position`: as Min-Position. Errors in the answer:
  // epoch_changed, position_not_reached, busy, and those of the execution.
  using Done = Function<void(ReadAnswer)>;
  void Read(const CallPtr& call, std::optional<Position> min_position, Done done);

  // Begins to follow: Deliveries of this result reach the follower until Unwatch. The first follows
  // by itself, or is what Current gives.
  void Watch(const CallPtr& call);
  void Unwatch(const std::string& key);
  // The newest result, if it is true now; null otherwise.
  SnapshotPtr Current(const std::string& key) const;
  void SetFollower(Follower* follower) { follower_ = follower; }

  // From the hub.
  void OnDelivery(DeliveryPtr delivery);
  void OnProgress(const std::vector<EntryId>& dirty, Position marked, Position settled);
  void OnDrop(EntryId id);
  void OnReset(QueryCataloguePtr catalogue, Position head);
  // Ends waits that are over, reports hits. About every 100 ms.
  void Tick();

  Position marked() const { return marked_; }
  Position settled() const { return settled_; }
  size_t entries() const { return entries_.size(); }

 private:
  struct Waiting {
    uint64_t min_offset = 0;
    MonoTime asked;
    bool first = false;
    Done done;
  };
  struct Entry {
    EntryId id = 0;  // 0 until the hub has answered.
    CallPtr call;
    SnapshotPtr snapshot;
    std::optional<CallError> error;
    bool dirty = false;
    uint64_t dirty_offset = 0;  // Of the newest change that made it so, or later.
    bool asked = false;
    bool watched = false;
    uint64_t hits = 0;
    std::vector<Waiting> waiting;
  };
  // Reads that wait for the log to come to a position.
  struct Later {
    CallPtr call;
    Waiting waiting;
  };

  Entry& FindOrAdd(const CallPtr& call);
  bool Usable(const Entry& entry, uint64_t min_offset) const;
  Position TrueAt(const Entry& entry) const;
  void Ask(Entry& entry, Waiting waiting);
  void Answer(Entry& entry);
  void Count(CacheOutcome outcome) { metrics_.reads[static_cast<int>(outcome)]->Add(); }
  void Fail(Done& done, std::string code, std::string message);

  QueryCataloguePtr catalogue_;
  HubPort& hub_;
  const Clock& clock_;
  FrontMetrics& metrics_;
  Follower* follower_ = nullptr;
  std::unordered_map<std::string, Entry> entries_;
  std::unordered_map<EntryId, Entry*> by_id_;
  std::multimap<uint64_t, Later> later_;
  size_t waiting_ = 0;
  Position marked_;
  Position settled_;
  struct RightsKey {
    const Claims* claims;
    size_t query;
    bool operator==(const RightsKey&) const = default;
  };
  struct RightsHash {
    size_t operator()(const RightsKey& key) const {
      return std::hash<const void*>{}(key.claims) * 31 + key.query;
    }
  };
  struct Remembered {
    ClaimsPtr claims;  // Keeps the address from being used again.
    std::shared_ptr<const Rights> rights;
  };
  static constexpr size_t kRightsMax = 16'384;
  std::unordered_map<RightsKey, Remembered, RightsHash> rights_;
};

}  // namespace tw::query
