// The thread that makes deliveries durable: everything that queued up while the previous sync ran
// is the next group. No timer: light load pays one sync, heavy load shares it.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/function.h"
#include "base/result.h"
#include "ingest/inbox/delivery.h"
#include "ingest/inbox/inbox.h"
#include "telemetry/metrics.h"

namespace tw::ingest {

// Whose delivery it is, in the submitter's own words: the writer only hands it back.
struct CompletionToken {
  uint64_t owner = 0;  // E.g. the event loop's index.
  uint64_t id = 0;     // E.g. the request on that loop.
  bool operator==(const CompletionToken&) const = default;
};

struct Completion {
  CompletionToken token;
  uint64_t sequence = 0;  // 0 when it failed.
};

// Told about every accepted Submit exactly once. Called on the writer thread; must not block.
class CompletionSink {
 public:
  virtual ~CompletionSink() = default;
  // Once per group: these deliveries are durable.
  virtual void OnDurable(std::span<const Completion> group) = 0;
  // Once per group: these are not, and may be sent again. error.code: kResourceExhausted (disk
  // full, backlog: answer 503), kDataLoss (the process is about to exit).
  virtual void OnFailed(std::span<const Completion> group, const Error& error) = 0;
};

// The deliveries of one durable group, in rising sequence without gaps.
struct DurableGroup {
  std::vector<Delivery> deliveries;
  size_t bytes = 0;  // Sum of DeliveryBytes.
};

// Gets each durable group without a second read from disk, after the completions. Called on the
// writer thread; must not block. May drop a group: its deliveries are on disk.
class DurableObserver {
 public:
  virtual ~DurableObserver() = default;
  virtual void OnGroup(std::shared_ptr<const DurableGroup> group) = 0;
};

struct InboxWriterOptions {
  // Memory of deliveries waiting or being written; above it Submit refuses.
  size_t queue_bytes_max = 64u << 20;
  // Submit refuses when the wait expected from the recent throughput is longer.
  std::chrono::milliseconds wait_max{250};
  // Encoded size at which a group is closed though more is waiting.
  size_t group_bytes_max = 8u << 20;
};

class InboxWriter {
 public:
  // kManual has no thread: the owner calls Pump (simulation, unit tests).
  enum class Drive : uint8_t { kThread, kManual };

  // Everything given must outlive the writer; `observer` may be null. `on_fatal` is called once, on
  // the writer thread, after a failed write or sync: the process must exit.
  InboxWriter(std::unique_ptr<Inbox> inbox, const InboxWriterOptions& options, Clock& clock,
              telemetry::Registry& metrics, CompletionSink& sink, DurableObserver* observer,
              Function<void(const Error&)> on_fatal, Drive drive = Drive::kThread);
  // Stops.
  ~InboxWriter();

  // Queues the delivery; `token` comes back through the sink. On an error nothing was queued and
  // the sink is not called. Any thread, never blocks on the disk.
  // Errors: kResourceExhausted: queue_bytes_max or wait_max (answer 503 with Retry-After).
  // kInvalidArgument: larger than the log's record_bytes_max, or more headers
  // than kDeliveryListMax (answer 413 or 431). kUnavailable: stopping.
  // kDataLoss: a sync failed before.
  Status Submit(Delivery&& delivery, CompletionToken token);

  // Refuses new deliveries, makes the queued ones durable, ends the thread. Idempotent.
  // Thread: one that is not the writer's.
  void Stop();

  // Asks for Inbox::Reclaim(up_to) between two groups. Any thread.
  void RequestReclaim(uint64_t up_to);

  // The last durable sequence. Any thread.
  uint64_t durable_head() const { return durable_head_.load(std::memory_order_acquire); }
  // For the caller of Submit to tell senders when to come back. Any thread.
  std::chrono::nanoseconds ExpectedWait() const;

  // One turn of the writer: takes what is queued, makes it durable, completes it; does a requested
  // reclaim. True when there was anything to do. Drive::kManual only.
  bool Pump();

  // The inbox, while nothing is written: before the first Submit or after Stop.
  Inbox& inbox() { return *inbox_; }

 private:
  struct Queued {
    std::vector<Delivery> deliveries;
    std::vector<Completion> completions;
    size_t bytes = 0;
  };
  struct Metrics {
    telemetry::Counter& accepted;
    telemetry::Counter& durable;
    telemetry::Counter& failed;
    telemetry::Counter& refused_bytes;
    telemetry::Counter& refused_wait;
    telemetry::Counter& groups;
    telemetry::Histogram& group_seconds;
    telemetry::Gauge& queue_bytes;
    telemetry::Gauge& head;
  };

  void Run();
  bool Turn(Queued taken, uint64_t reclaim_up_to);
  void WriteAll(Queued taken);
  void WriteGroup(Queued group);
  void Complete(Queued group, const Result<uint64_t>& last);
  void Fatal(const Error& error);

  const std::unique_ptr<Inbox> inbox_;
  const InboxWriterOptions options_;
  const size_t record_bytes_max_;
  Clock& clock_;
  Metrics metrics_;
  CompletionSink& sink_;
  DurableObserver* const observer_;
  Function<void(const Error&)> on_fatal_;
  const Drive drive_;

  std::mutex mutex_;  // Guards the next five, and held_bytes_ against two Submits at once.
  std::condition_variable wake_;
  Queued queue_;
  uint64_t reclaim_up_to_ = 0;  // 0: nothing to do.
  bool sleeping_ = false;
  bool stopping_ = false;

  std::atomic<size_t> held_bytes_{0};  // Queued or being written.
  std::atomic<uint64_t> durable_head_;
  std::atomic<bool> fatal_{false};
  std::atomic<uint64_t> nanoseconds_per_mebibyte_{0};  // Recent throughput; 0: none known yet.
  std::atomic<int64_t> group_started_ns_{0};           // Mono time of the running group; 0: none.
  std::thread thread_;
};

}  // namespace tw::ingest
