// What the inbox costs: 700-byte deliveries, each producer waiting for its own to be durable.
//
//   inbox_bench DIRECTORY [seconds per line] [sync delay in ms]
//
// Prints a table, then one line of JSON. DIRECTORY must be on the disk to measure; a folder made in
// it is removed again.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "crypto/crc32c.h"
#include "ingest/inbox/inbox_writer.h"
#include "io/file.h"

namespace tw::ingest {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr size_t kBodyBytes = 600;
constexpr uint64_t kRecoveryBytes = uint64_t{1} << 30;

double SecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

double ThreadCpuSeconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

Delivery MakeDelivery() {
  Delivery delivery;
  delivery.received_at = SystemClock().Wall();
  delivery.authentication = Authentication::kSignature;
  delivery.source = "bench";
  delivery.method = "POST";
  delivery.remote_address = "192.0.2.1";
  delivery.headers = {{"content-type", "application/json"}, {"x-delivery-id", "0123456789abcdef"}};
  delivery.body.assign(kBodyBytes, 'x');
  return delivery;
}

// A closed loop of `waiting` requests, as so many open connections make: each completion is
// answered by the next submit, from one thread per event loop.
class Load final : public CompletionSink {
 public:
  explicit Load(size_t waiting) : starts_(waiting), ready_(waiting) {
    for (size_t i = 0; i < waiting; ++i) ready_[i] = i;
  }

  void OnDurable(std::span<const Completion> group) override {
    const auto now = SteadyClock::now();
    {
      const std::lock_guard lock(mutex_);
      for (const Completion& completion : group) {
        latencies_.push_back(
            std::chrono::duration<float, std::micro>(now - starts_[completion.token.id]).count());
        ready_.push_back(completion.token.id);
      }
    }
    wake_.notify_one();
  }
  void OnFailed(std::span<const Completion> group, const Error& error) override {
    std::fprintf(stderr, "%zu failed: %s\n", group.size(), error.message.c_str());
    std::exit(1);
  }

  // Submits for `seconds`, then waits for the rest.
  void Run(InboxWriter& writer, double seconds) {
    const auto begin = SteadyClock::now();
    std::vector<size_t> mine;
    size_t waiting = ready_.size();
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return !ready_.empty(); });
        mine.swap(ready_);
      }
      if (SecondsSince(begin) >= seconds) {
        waiting -= mine.size();
        if (waiting == 0) return;
      } else {
        for (const size_t id : mine) {
          starts_[id] = SteadyClock::now();
          if (!writer.Submit(MakeDelivery(), {0, id}).ok()) std::abort();
        }
      }
      mine.clear();
    }
  }

  size_t count() const { return latencies_.size(); }
  float Percentile(double part) {
    const auto at = latencies_.begin() +
                    static_cast<ptrdiff_t>(part * static_cast<double>(latencies_.size() - 1));
    std::nth_element(latencies_.begin(), at, latencies_.end());
    return *at;
  }

 private:
  std::vector<SteadyClock::time_point> starts_;  // [id]
  std::mutex mutex_;                             // Guards the rest.
  std::condition_variable wake_;
  std::vector<size_t> ready_;
  std::vector<float> latencies_;  // Microseconds.
};

struct Line {
  size_t waiting;
  double per_second;
  double group_records;
  float p50_us;
  float p99_us;
};

Line MeasureAppends(io::FileSystem& files, size_t waiting, double seconds) {
  telemetry::Registry metrics;
  Load load(waiting);
  changelog::SegmentLogOptions log;
  log.name = "inbox";
  log.free_percent_min = 1;
  auto inbox =
      Inbox::Open(files, "append-" + std::to_string(waiting), SystemRandom(), metrics, log);
  if (!inbox.ok()) std::exit(1);
  InboxWriterOptions options;
  options.wait_max = std::chrono::seconds{10};
  InboxWriter writer(std::move(*inbox), options, SystemClock(), metrics, load, nullptr, {});
  const auto start = SteadyClock::now();
  load.Run(writer, seconds);
  const double took = SecondsSince(start);
  const auto groups =
      metrics.GetCounter("tidewire_inbox_groups_total", "Groups written with one sync.").value();
  writer.Stop();
  const auto count = static_cast<double>(load.count());
  return {waiting, count / took, count / static_cast<double>(groups), load.Percentile(0.5),
          load.Percentile(0.99)};
}

// MB/s of Open over a gibibyte of log that the page cache holds: elapsed, and by processor time.
std::pair<double, double> MeasureRecovery(io::FileSystem& files) {
  telemetry::Registry metrics;
  changelog::SegmentLogOptions log;
  log.name = "inbox";
  log.free_percent_min = 1;
  {
    auto inbox = Inbox::Open(files, "recovery", SystemRandom(), metrics, log);
    if (!inbox.ok()) std::exit(1);
    std::vector<Delivery> group(8'000, MakeDelivery());
    while ((*inbox)->log().bytes() < kRecoveryBytes) {
      if (!(*inbox)->Append(group).ok()) std::exit(1);
    }
  }
  const auto start = SteadyClock::now();
  const double cpu_start = ThreadCpuSeconds();
  const auto inbox = Inbox::Open(files, "recovery", SystemRandom(), metrics, log);
  if (!inbox.ok()) std::exit(1);
  const double megabytes = static_cast<double>((*inbox)->log().report().bytes_scanned) / 1e6;
  return {megabytes / SecondsSince(start), megabytes / (ThreadCpuSeconds() - cpu_start)};
}

// GB per second of processor time, over 64 KiB at a time.
double MeasureCrc(uint32_t (*extend)(uint32_t, std::string_view)) {
  const std::string bytes(64 << 10, 'x');
  constexpr int kRounds = 20'000;
  uint32_t crc = 0;
  const double start = ThreadCpuSeconds();
  for (int i = 0; i < kRounds; ++i) crc = extend(crc, bytes);
  const double took = ThreadCpuSeconds() - start;
  if (crc == 1) std::puts("");  // Keeps the work from being removed.
  return static_cast<double>(bytes.size()) * kRounds / 1e9 / took;
}

int Main(const std::string& directory, double seconds, int delay_ms) {
  std::string root = directory + "/inbox-bench-XXXXXX";
  if (mkdtemp(root.data()) == nullptr) return 1;
  auto files = io::MakePosixFileSystem(root);
  if (delay_ms > 0) {
    files = io::MakeSlowSyncFileSystem(std::move(files), std::chrono::milliseconds{delay_ms});
  }
  std::printf("waiting | appends/s | records per group | p50 us | p99 us\n");
  std::string json = "{\"sync_delay_ms\":" + std::to_string(delay_ms) + ",\"appends\":[";
  for (const size_t waiting : {1, 16, 128, 1024}) {
    const Line line = MeasureAppends(*files, waiting, seconds);
    std::printf("%7zu | %9.0f | %17.1f | %6.0f | %6.0f\n", line.waiting, line.per_second,
                line.group_records, line.p50_us, line.p99_us);
    char text[200];
    std::snprintf(text, sizeof text,
                  "%s{\"waiting\":%zu,\"per_second\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f}",
                  waiting == 1 ? "" : ",", line.waiting, line.per_second, line.p50_us, line.p99_us);
    json += text;
  }
  const auto [recovery, recovery_cpu] = MeasureRecovery(*files);
  const double crc = MeasureCrc(crypto::ExtendCrc32c);
  const double table = MeasureCrc(crypto::ExtendCrc32cPortable);
  std::printf("recovery %.0f MB/s (%.0f by CPU time), CRC32C %.1f GB/s, by table %.1f GB/s\n",
              recovery, recovery_cpu, crc, table);
  char text[200];
  std::snprintf(text, sizeof text,
                "],\"recovery_mb_s\":%.0f,\"recovery_mb_per_cpu_s\":%.0f,"
                "\"crc32c_gb_s\":%.1f,\"crc32c_table_gb_s\":%.1f}",
                recovery, recovery_cpu, crc, table);
  std::puts((json + text).c_str());
  std::filesystem::remove_all(root);
  return 0;
}

}  // namespace
}  // namespace tw::ingest

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: inbox_bench DIRECTORY [seconds per line] [sync delay in ms]\n");
    return 2;
  }
  return tw::ingest::Main(arguments[1], count > 2 ? std::atof(arguments[2]) : 3,
                          count > 3 ? std::atoi(arguments[3]) : 0);
}
