#include "ingest/inbox/inbox_writer.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace tw::ingest {
namespace {

constexpr uint64_t kMebibyte = 1 << 20;
// What encoding adds to a delivery's texts (record header, fixed part, padding, length prefixes) is
// less than what DeliveryBytes counts for the structures, so DeliveryBytes bounds the stored size.
static_assert(sizeof(Delivery) >= changelog::kRecordHeaderBytes + 12 + 7 + 6 * 5);
static_assert(sizeof(NamedText) >= 2 * 5);

}  // namespace

InboxWriter::InboxWriter(std::unique_ptr<Inbox> inbox, const InboxWriterOptions& options,
                         Clock& clock, telemetry::Registry& metrics, CompletionSink& sink,
                         DurableObserver* observer, Function<void(const Error&)> on_fatal,
                         Drive drive)
    : inbox_(std::move(inbox)),
      options_(options),
      record_bytes_max_(inbox_->log().options().record_bytes_max),
      clock_(clock),
      metrics_{
          metrics.GetCounter("tidewire_inbox_accepted_total", "Deliveries queued to be written."),
          metrics.GetCounter("tidewire_inbox_durable_total", "Deliveries made durable."),
          metrics.GetCounter("tidewire_inbox_failed_total",
                             "Queued deliveries that could not be written."),
          metrics.GetCounter("tidewire_inbox_refused_total",
                             "Deliveries refused because the queue is over a limit.",
                             {{"limit", "queue_bytes_max"}}),
          metrics.GetCounter("tidewire_inbox_refused_total",
                             "Deliveries refused because the queue is over a limit.",
                             {{"limit", "wait_max"}}),
          metrics.GetCounter("tidewire_inbox_groups_total", "Groups written with one sync."),
          metrics.GetHistogram("tidewire_inbox_group_seconds",
                               "Time from the start of a group's encoding to its sync's return."),
          metrics.GetGauge("tidewire_inbox_queue_bytes",
                           "Memory of deliveries waiting or being written."),
          metrics.GetGauge("tidewire_inbox_head_sequence", "The last durable sequence."),
      },
      sink_(sink),
      observer_(observer),
      on_fatal_(std::move(on_fatal)),
      drive_(drive),
      durable_head_(inbox_->head()) {
  TW_CHECK(options.group_bytes_max > 0 && options.queue_bytes_max > 0);
  TW_CHECK(options.group_bytes_max <= inbox_->log().group_bytes_max());
  metrics_.head.Set(static_cast<int64_t>(inbox_->head()));
  if (drive_ == Drive::kThread) {
    thread_ = std::thread([this] { Run(); });
    pthread_setname_np(thread_.native_handle(), "inbox-writer");
  }
}

InboxWriter::~InboxWriter() {
  Stop();
}

Status InboxWriter::Submit(Delivery&& delivery, CompletionToken token) {
  const size_t bytes = DeliveryBytes(delivery);
  if (bytes > record_bytes_max_) {
    return Fail(ErrorCode::kInvalidArgument, "delivery of " + std::to_string(bytes) + " bytes");
  }
  if (delivery.headers.size() > kDeliveryListMax ||
      delivery.path_parameters.size() > kDeliveryListMax) {
    return Fail(ErrorCode::kInvalidArgument, "more headers than kDeliveryListMax");
  }
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (fatal_.load(std::memory_order_relaxed)) {
      return Fail(ErrorCode::kDataLoss, "the inbox failed; restart needed");
    }
    if (stopping_) return Fail(ErrorCode::kUnavailable, "the inbox is stopping");
    const size_t held = held_bytes_.load(std::memory_order_relaxed);
    if (held + bytes > options_.queue_bytes_max) {
      metrics_.refused_bytes.Add();
      return Fail(ErrorCode::kResourceExhausted, "queue_bytes_max reached");
    }
    if (held > 0 && ExpectedWait() > options_.wait_max) {
      metrics_.refused_wait.Add();
      return Fail(ErrorCode::kResourceExhausted, "wait_max reached");
    }
    held_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    queue_.bytes += bytes;
    queue_.deliveries.push_back(std::move(delivery));
    queue_.completions.push_back({token, 0});
    wake = std::exchange(sleeping_, false);
  }
  metrics_.accepted.Add();
  if (wake) wake_.notify_one();
  return {};
}

std::chrono::nanoseconds InboxWriter::ExpectedWait() const {
  const uint64_t pace = nanoseconds_per_mebibyte_.load(std::memory_order_relaxed);
  const size_t held = held_bytes_.load(std::memory_order_relaxed);
  const std::chrono::nanoseconds by_pace(held * pace / kMebibyte);
  // A sync that hangs says more than the pace before it.
  const int64_t started = group_started_ns_.load(std::memory_order_relaxed);
  if (started == 0) return by_pace;
  const std::chrono::nanoseconds running = clock_.Mono().time_since_epoch();
  return std::max(by_pace, running - std::chrono::nanoseconds(started));
}

void InboxWriter::RequestReclaim(uint64_t up_to) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    reclaim_up_to_ = std::max(reclaim_up_to_, up_to);
    wake = std::exchange(sleeping_, false);
  }
  if (wake) wake_.notify_one();
}

void InboxWriter::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    sleeping_ = false;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  if (drive_ == Drive::kManual) {
    while (Pump()) {
    }
  }
}

bool InboxWriter::Pump() {
  TW_CHECK(drive_ == Drive::kManual);
  Queued taken;
  uint64_t reclaim = 0;
  {
    const std::lock_guard lock(mutex_);
    taken = std::exchange(queue_, {});
    reclaim = std::exchange(reclaim_up_to_, 0);
  }
  return Turn(std::move(taken), reclaim);
}

void InboxWriter::Run() {
  for (;;) {
    Queued taken;
    uint64_t reclaim = 0;
    {
      std::unique_lock lock(mutex_);
      while (queue_.deliveries.empty() && reclaim_up_to_ == 0 && !stopping_) {
        sleeping_ = true;
        wake_.wait(lock, [this] { return !sleeping_; });
      }
      if (queue_.deliveries.empty() && reclaim_up_to_ == 0) return;
      taken = std::exchange(queue_, {});
      reclaim = std::exchange(reclaim_up_to_, 0);
      queue_.deliveries.reserve(taken.deliveries.size());
      queue_.completions.reserve(taken.deliveries.size());
    }
    Turn(std::move(taken), reclaim);
  }
}

bool InboxWriter::Turn(Queued taken, uint64_t reclaim_up_to) {
  const bool busy = !taken.deliveries.empty() || reclaim_up_to != 0;
  if (!taken.deliveries.empty()) WriteAll(std::move(taken));
  if (reclaim_up_to != 0 && !fatal_) {
    const Status reclaimed = inbox_->Reclaim(reclaim_up_to);
    if (!reclaimed.ok() && reclaimed.error().code == ErrorCode::kDataLoss) {
      Fatal(reclaimed.error());
    }
  }
  return busy;
}

// Nearly always one group; more only when it would exceed group_bytes_max.
void InboxWriter::WriteAll(Queued taken) {
  if (taken.bytes <= options_.group_bytes_max) return WriteGroup(std::move(taken));
  Queued group;
  for (size_t i = 0; i < taken.deliveries.size(); ++i) {
    const size_t bytes = DeliveryBytes(taken.deliveries[i]);
    if (!group.deliveries.empty() && group.bytes + bytes > options_.group_bytes_max) {
      WriteGroup(std::exchange(group, {}));
    }
    group.bytes += bytes;
    group.deliveries.push_back(std::move(taken.deliveries[i]));
    group.completions.push_back(taken.completions[i]);
  }
  WriteGroup(std::move(group));
}

void InboxWriter::WriteGroup(Queued group) {
  if (fatal_) {
    return Complete(std::move(group), Fail(ErrorCode::kDataLoss, "the inbox failed before"));
  }
  const MonoTime start = clock_.Mono();
  group_started_ns_.store(start.time_since_epoch().count(), std::memory_order_relaxed);
  const Result<uint64_t> last = inbox_->Append(group.deliveries);
  const std::chrono::nanoseconds took = clock_.Mono() - start;
  group_started_ns_.store(0, std::memory_order_relaxed);
  metrics_.group_seconds.Observe(took);
  metrics_.groups.Add();
  // Small groups cost their sync, whatever their size: only larger ones tell the pace.
  constexpr size_t kPaceBytesMin = 256 << 10;
  if (last.ok() && group.bytes >= kPaceBytesMin) {
    const uint64_t pace = static_cast<uint64_t>(took.count()) * kMebibyte / group.bytes;
    const uint64_t before = nanoseconds_per_mebibyte_.load(std::memory_order_relaxed);
    nanoseconds_per_mebibyte_.store(before == 0 ? pace : (before * 7 + pace) / 8,
                                    std::memory_order_relaxed);
  }
  Complete(std::move(group), last);
}

void InboxWriter::Complete(Queued group, const Result<uint64_t>& last) {
  held_bytes_.fetch_sub(group.bytes, std::memory_order_relaxed);
  metrics_.queue_bytes.Set(static_cast<int64_t>(held_bytes_.load(std::memory_order_relaxed)));
  if (!last.ok()) {
    metrics_.failed.Add(group.completions.size());
    // Before the completions: nobody they wake may find Submit still open.
    const bool fatal = last.error().code == ErrorCode::kDataLoss;
    const bool first = fatal && !fatal_.exchange(true);
    sink_.OnFailed(group.completions, last.error());
    if (first && on_fatal_) on_fatal_(last.error());
    return;
  }
  for (size_t i = 0; i < group.completions.size(); ++i) {
    group.completions[i].sequence = group.deliveries[i].sequence;
  }
  durable_head_.store(*last, std::memory_order_release);
  metrics_.durable.Add(group.completions.size());
  metrics_.head.Set(static_cast<int64_t>(*last));
  sink_.OnDurable(group.completions);
  if (observer_ == nullptr) return;
  auto durable = std::make_shared<DurableGroup>();
  durable->bytes = group.bytes;
  durable->deliveries = std::move(group.deliveries);
  observer_->OnGroup(std::move(durable));
}

void InboxWriter::Fatal(const Error& error) {
  if (!fatal_.exchange(true) && on_fatal_) on_fatal_(error);
}

}  // namespace tw::ingest
