// The results of all named queries: executed once, kept true, handed to every loop that wants them.
//
//   Front (one per loop) ──Ask, Watch, Touch──▶ Hub ──Submit──▶ engine pool ──OnDone──▶ Hub
//         ◀── Deliver, Dirty, Drop, Progress ──  ▲
//   store thread ──committed batch ──────────────┘ DependencyIndex: change → results
//
// Start here   hub.h → front.h (a loop's copies: hits are answered there) → dependency_index.h.
// Promises     One execution at a time per result; who comes meanwhile shares it. A commit that
//              meets a result's read set marks it dirty at that commit's position, and only an
//              execution from that position on makes it clean: none that began before an event hides
//              it. Followed results are executed again at once, at most one per rerun_interval;
//              waiting executions take turns between auth classes.
// Thread       One thread drives it (app/query_thread.h): no locks, no sleep, the clock is given.
// Source       Spec queries-and-sdk §1.4, §1.7.
#pragma once

#include <bitset>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "model/change.h"
#include "query/live/dependency_index.h"
#include "query/live/row_set.h"
#include "query/named/engine.h"
#include "telemetry/metrics.h"

namespace tw::query {

inline constexpr size_t kLoopsMax = 256;
using LoopSet = std::bitset<kLoopsMax>;
using CallPtr = std::shared_ptr<const Call>;
using EntryId = DependencyIndex::EntryId;

struct HubLimits {
  size_t cache_bytes_max = 256u << 20;
  uint32_t entries_max = 100'000;
  uint32_t executions_parallel_max = 2;
  std::chrono::milliseconds rerun_interval{50};
  std::chrono::milliseconds error_hold{1'000};
  std::chrono::milliseconds error_hold_max{30'000};
  // Row sets kept behind the newest, for clients that return with one of them.
  size_t history_max = 2;
  size_t log_rows_max = 10'000;  // Waiting to be written.
};

// A result as handed to loops. Immutable.
struct Snapshot {
  RowSetPtr rows;
  Position position;
  WallTime fetched_at;
  MonoTime fetched;
  std::vector<RowSetPtr> history;  // Newest first, of queries followed by rows.
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

// What became of an entry's newest execution.
struct Delivery {
  EntryId id = 0;
  CallPtr call;
  SnapshotPtr snapshot;              // Null when there never was one.
  std::optional<CallError> error;    // The newest execution failed; `snapshot` is older.
  bool dirty = false;                // A later change concerns it; another Delivery follows.
  std::string from;                  // Version before; empty when it did not change.
  std::string diff;                  // DiffMembers, for `rows` mode; empty otherwise.
};
using DeliveryPtr = std::shared_ptr<const Delivery>;

// How the hub reaches the loops. Any call only posts. Implemented by app.
class LoopPort {
 public:
  virtual ~LoopPort() = default;
  virtual void Deliver(size_t loop, DeliveryPtr delivery) = 0;
  // These entries are dirty; all commits up to `marked` were looked at, and every followed result is
  // true up to `settled`.
  virtual void Progress(size_t loop, std::shared_ptr<const std::vector<EntryId>> dirty,
                        Position marked, Position settled) = 0;
  virtual void Drop(size_t loop, EntryId id) = 0;
  // Nothing that was delivered counts any more; `catalogue` is null where it stays as it was.
  virtual void Reset(size_t loop, QueryCataloguePtr catalogue, Position head) = 0;
};

// Runs calls elsewhere; `done` comes back on the hub's thread.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual void Submit(CallPtr call, std::function<void(CallResult<Execution>)> done) = 0;
};

// One line for function_call_logs.
struct CallLog {
  std::string query;
  std::string arguments;
  WallTime at;
  std::chrono::microseconds took{0};
  std::string status;   // "ok" or an error code.
  std::string reason;   // "read", "event", "prefetch", "retry".
  uint64_t rows = 0;
  uint64_t bytes = 0;
  std::string error;
};

// One line for data_cache_metadata.
struct CacheRow {
  std::string query, arguments, auth_class;
  WallTime fetched_at, expires_at;
  Position position;
  uint64_t hits = 0, misses = 0, prefetches = 0, prefetch_failures = 0, bytes = 0;
  bool dropped = false;
};

struct HubMetrics {
  explicit HubMetrics(telemetry::Registry& registry);
  telemetry::Gauge& entries;
  telemetry::Gauge& bytes;
  telemetry::Gauge& followed;
  telemetry::Gauge& waiting;
  telemetry::Counter& executions;
  telemetry::Counter& failures;
  telemetry::Counter& reruns;
  telemetry::Counter& reruns_unchanged;
  telemetry::Counter& missed;
  telemetry::Counter& evicted;
  telemetry::Counter& prefetch_due;
  telemetry::Counter& prefetch_succeeded;
  telemetry::Histogram& execution_seconds;
};

class Hub {
 public:
  // `head`: the position that the first batch follows. Everything given outlives the hub.
  Hub(const HubLimits& limits, Position head, size_t loops, LoopPort& port, Executor& executor,
      const Clock& clock, Random& random, telemetry::Registry& metrics);

  // From a loop: a result no older than its ttl, not dirty, and true at `min_offset`; a Delivery
  // follows.
  void Ask(size_t loop, CallPtr call, uint64_t min_offset);
  // A loop begins or ends to follow a result.
  void Watch(size_t loop, CallPtr call);
  void Unwatch(size_t loop, const std::string& key);
  // Reads that a loop answered from its copy.
  void Touch(EntryId id, uint64_t hits);

  // A committed batch, in order.
  void OnBatch(const Batch& batch);
  // Forgets all results, as nothing is known to concern them any more: another history, which
  // begins at `head`, or queries, policies or tables that have changed. Fronts ask and watch anew;
  // what still runs for the old ones is not looked at. `catalogue` as in LoopPort.
  void Reset(QueryCataloguePtr catalogue, Position head);
  // Does what is due now.
  void Tick();
  // When Tick has something to do; nullopt: nothing planned.
  std::optional<MonoTime> NextDue() const;

  // What is to be written since the last call.
  std::vector<CallLog> TakeCallLogs();
  std::vector<CacheRow> TakeCacheRows();

  // Recent reasons, newest last: change → rule → query → key (docs/queries.md, "Why").
  struct Reason {
    Position position;
    std::string table, operation, row_key, rule, query, arguments;
  };
  const std::deque<Reason>& reasons() const { return reasons_; }

  Position marked() const { return marked_; }
  Position settled() const { return settled_; }
  size_t entries() const { return entries_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  enum class Why : uint8_t { kRead, kEvent, kPrefetch, kRetry };
  struct Entry {
    EntryId id = 0;
    CallPtr call;
    SnapshotPtr snapshot;
    std::optional<CallError> error;
    MonoTime error_until{};
    std::chrono::milliseconds error_hold{0};
    uint64_t dirty_at = 0;       // Offset of the newest change that concerns it; 0: clean.
    uint64_t wanted_offset = 0;  // Executions from before it do not answer who asks.
    uint64_t suspect = 0;        // Changed without an event up to this offset, so far.
    LoopSet holders;             // Loops with a copy or a question.
    LoopSet watchers;
    LoopSet asking;              // Loops that wait for a Delivery.
    bool running = false;
    bool queued = false;
    Why why = Why::kRead;
    MonoTime last_start{};
    MonoTime last_read{};
    bool read_since_fetch = false;
    bool prefetch_counted = false;
    size_t bytes = 0;
    uint64_t hits = 0, misses = 0, prefetches = 0, prefetch_failures = 0;
    bool report = false;
    std::optional<MonoTime> due;  // Its place in due_.
    std::list<EntryId>::iterator used;
  };

  Entry& FindOrAdd(const CallPtr& call);
  void Want(Entry& entry, Why why);
  void Enqueue(Entry& entry);
  void StartWaiting();
  void Start(Entry& entry);
  void OnDone(EntryId id, CallResult<Execution> result);
  void OnResult(Entry& entry, Execution execution);
  void OnError(Entry& entry, CallError error);
  void Send(Entry& entry, DeliveryPtr delivery);
  DeliveryPtr CurrentOf(const Entry& entry) const;
  void MarkDirty(Entry& entry, const Change& change);
  void Remember(const Entry& entry, const Change& change);
  void SettleAndTell(std::vector<EntryId> dirty);
  void CheckSuspects();
  void Plan(Entry& entry);
  void OnDue(Entry& entry);
  void Drop(Entry& entry);
  void Evict();
  bool Fresh(const Entry& entry) const;
  void Account(Entry& entry, size_t bytes);

  const HubLimits limits_;
  const size_t loops_;
  LoopPort& port_;
  Executor& executor_;
  const Clock& clock_;
  Random& random_;
  HubMetrics metrics_;
  DependencyIndex index_;
  std::unordered_map<EntryId, std::unique_ptr<Entry>> entries_;
  std::unordered_map<std::string_view, EntryId> by_key_;  // Views into Call::key.
  std::list<EntryId> used_;                               // Least recently used first.
  std::multimap<MonoTime, EntryId> due_;
  // Waiting executions: a turn per auth class.
  std::unordered_map<std::string, std::deque<EntryId>> waiting_;
  std::deque<std::string> turns_;
  size_t running_ = 0;
  EntryId next_id_ = 1;
  size_t bytes_ = 0;
  Position marked_;
  Position settled_;
  std::vector<CallLog> call_logs_;
  std::vector<CacheRow> dropped_rows_;
  std::vector<EntryId> suspects_;
  std::unordered_set<EntryId> unsettled_;  // Followed and dirty.
  std::deque<Reason> reasons_;
};

}  // namespace tw::query
