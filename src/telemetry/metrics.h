// telemetry: what the process tells its operator: metrics (metrics.h) and log lines (log.h).
//
// Metrics are created once, at start, by the object that counts; afterwards a change is one relaxed
// atomic operation from any thread. Names follow the Prometheus conventions: tidewire_<what>_<unit>,
// counters end in _total, times are in seconds.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tw::telemetry {

class Counter {
 public:
  void Add(uint64_t by = 1) { value_.fetch_add(by, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void Set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void Add(int64_t by) { value_.fetch_add(by, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Cumulative buckets of seconds: 50 µs, 100 µs, 250 µs … 10 s, +Inf.
class Histogram {
 public:
  static constexpr double kBounds[] = {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                       0.025,   0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,
                                       10};
  void Observe(std::chrono::nanoseconds duration);

 private:
  friend class Registry;
  std::atomic<uint64_t> buckets_[std::size(kBounds) + 1] = {};
  std::atomic<uint64_t> nanoseconds_{0};
};

// Label pairs in a fixed order, e.g. {{"reason", "auth"}}. Values come from closed sets only, never
// from clients: cardinality is bounded by construction.
using Labels = std::vector<std::pair<std::string, std::string>>;

// Owns every metric; references stay valid as long as it lives. Any thread.
class Registry {
 public:
  // The same name and labels give the same metric. A name has one kind and one help text.
  Counter& GetCounter(std::string_view name, std::string_view help, Labels labels = {});
  Gauge& GetGauge(std::string_view name, std::string_view help, Labels labels = {});
  Histogram& GetHistogram(std::string_view name, std::string_view help, Labels labels = {});

  // The Prometheus text format, version 0.0.4, families sorted by name.
  std::string Render() const;
  // A Markdown table of name, kind, labels and help, for docs/metrics.md.
  std::string RenderReference() const;

 private:
  enum class Kind : uint8_t { kCounter, kGauge, kHistogram };
  struct Metric {
    Labels labels;
    Counter counter;
    Gauge gauge;
    std::unique_ptr<Histogram> histogram;
  };
  struct Family {
    std::string name;
    std::string help;
    Kind kind;
    std::deque<Metric> metrics;
  };
  Metric& Get(Kind kind, std::string_view name, std::string_view help, Labels labels);
  std::vector<const Family*> Sorted() const;

  mutable std::mutex mutex_;  // Guards the lists; the numbers are atomic.
  std::deque<Family> families_;
};

}  // namespace tw::telemetry
