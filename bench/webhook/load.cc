// Webhook load: posts outreach events over keep-alive connections and measures how many are
// accepted, how fast, and at what CPU cost. With --subscribe it also measures how long a webhook
// takes to become a row on a subscriber's socket. See bench/README.md.
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "bench/common/flags.h"
#include "bench/common/net.h"
#include "bench/common/phoenix.h"
#include "bench/common/process_usage.h"
#include "bench/common/report.h"
#include "bench/fanout/subscribers.h"
#include "bench/webhook/traffic.h"

namespace tw::bench {
namespace {

constexpr uint64_t kQuietStepNs = 100'000'000;
constexpr uint64_t kQuietWaitNs = 60'000'000'000;
constexpr double kQuietShare = 0.05;  // Of one core, over one step.

Flags MakeFlags() {
  return Flags("Webhook load generator: posts the seven outreach event types.",
               {{"url", "", "http:// URL to post to"},
                {"pid", "", "server process ids, comma-separated, for CPU"},
                {"connections", "64", "keep-alive connections, one request at a time on each"},
                {"rate", "0", "events per second; 0: as fast as replies come"},
                {"seconds", "10", "measured seconds, at most"},
                {"count", "10000000", "measured events, at most"},
                {"warmup", "2", "seconds before measuring"},
                {"duplicates", "0", "percent of deliveries that repeat a recent one"},
                {"workspace", "both", "both, or one: all events to Northwind"},
                {"secret", "", "whsec_ secret: sign as Standard Webhooks v1"},
                {"subscribe", "", "ws:// URL with query: measure webhook to row"},
                {"topic", "bench", "topic of the subscription, without the prefix realtime:"},
                {"join", "", "join payload of the subscription"},
                {"label", "", "name of the server in the report"},
                {"json", "", "file to append the report to"}});
}

// One subscriber that notes which events' rows it has seen.
class RowWatcher {
 public:
  RowWatcher(Poller& poller, const Flags& flags)
      : subscribers_(poller, MakeOptions(flags, [this](uint32_t sequence) { See(sequence); })) {
    subscribers_.OpenAll(10'000'000'000);
  }

  // Rows of the lead-writing events `from` … `to`-1 that have not been seen.
  uint64_t Missing(uint32_t from, uint32_t to) const {
    uint64_t missing = 0;
    for (uint32_t i = from; i < to; ++i) {
      if (WritesLead(Traffic::TypeOf(i)) && (i >= seen_.size() || !seen_[i])) ++missing;
    }
    return missing;
  }

  Subscribers& subscribers() { return subscribers_; }

 private:
  static Subscribers::Options MakeOptions(const Flags& flags, std::function<void(uint32_t)> see) {
    Subscribers::Options options;
    options.endpoint = ParseUrl(flags.Text("subscribe"));
    options.connections = 1;
    options.join = JoinMessage(flags.Text("topic"), flags.Text("join"));
    options.wait_subscribed = true;
    options.on_sequence = std::move(see);
    return options;
  }

  void See(uint32_t sequence) {
    if (sequence >= seen_.size()) seen_.resize(sequence + 1);
    seen_[sequence] = true;
  }

  std::vector<bool> seen_;
  Subscribers subscribers_;
};

// Waits until the server has nothing left to do, so that work put off past the reply is counted.
// Returns the seconds it took, to kQuietStepNs.
double WaitUntilQuiet(Poller& poller, const std::vector<pid_t>& pids) {
  if (pids.empty()) return 0;
  const uint64_t start = NowNs();
  while (NowNs() - start < kQuietWaitNs) {
    const uint64_t step_start = NowNs();
    const uint64_t cpu_start = CpuNs(pids);
    while (NowNs() - step_start < kQuietStepNs) poller.Wait(kQuietStepNs / 4);
    const auto share =
        static_cast<double>(CpuNs(pids) - cpu_start) / static_cast<double>(NowNs() - step_start);
    if (share < kQuietShare) return static_cast<double>(step_start - start) / 1e9;
  }
  Die("the server did not come to rest");
}

void ReportRows(Report& report, RowWatcher& watcher, uint32_t from, uint32_t to, uint64_t rows) {
  report.Count("rows_received", rows);
  report.Count("rows_missing", watcher.Missing(from, to));
  report.Count("rows_closed", watcher.subscribers().counts().closed);
  report.Latency("row", watcher.subscribers().latency());
}

Traffic::Options TrafficOptions(const Flags& flags) {
  Traffic::Options options;
  options.endpoint = ParseUrl(flags.Text("url"));
  options.connections = static_cast<uint32_t>(flags.Count("connections"));
  options.rate = flags.Number("rate");
  options.duplicate_percent = static_cast<uint32_t>(flags.Count("duplicates"));
  options.one_workspace = flags.Text("workspace") == "one";
  options.secret = flags.Text("secret");
  options.run = static_cast<uint64_t>(std::time(nullptr));
  return options;
}

int Main(int argc, char** argv) {
  Flags flags = MakeFlags();
  flags.Parse(argc, argv);
  RaiseDescriptorLimit();
  Poller poller;
  const std::vector<pid_t> pids = ParsePids(flags.Text("pid"));
  std::unique_ptr<RowWatcher> watcher;
  if (!flags.Text("subscribe").empty()) watcher = std::make_unique<RowWatcher>(poller, flags);
  Traffic traffic(poller, TrafficOptions(flags));

  traffic.Run(UINT32_MAX, static_cast<uint64_t>(flags.Number("warmup") * 1e9));
  WaitUntilQuiet(poller, pids);
  traffic.ClearLatency();
  if (watcher) watcher->subscribers().ClearLatency();
  const uint64_t rows_before = watcher ? watcher->subscribers().counts().delivered : 0;
  const Traffic::Counts before = traffic.counts();
  const uint32_t sequence_before = traffic.sequences();
  const uint64_t cpu_before = CpuNs(pids);
  const uint64_t load_cpu_before = CpuNs({getpid()});
  const uint64_t start = NowNs();
  traffic.Run(flags.Count("count"), static_cast<uint64_t>(flags.Number("seconds") * 1e9));
  const double seconds = static_cast<double>(NowNs() - start) / 1e9;
  const uint64_t load_cpu_ns = CpuNs({getpid()}) - load_cpu_before;
  const double quiet = WaitUntilQuiet(poller, pids);
  const uint64_t cpu_ns = CpuNs(pids) - cpu_before;

  const Traffic::Counts& after = traffic.counts();
  const auto accepted = static_cast<double>(after.accepted - before.accepted);
  Report report;
  report.Text("server", flags.Text("label"));
  report.Count("connections", flags.Count("connections"));
  report.Number("rate", flags.Number("rate"));
  report.Text("signed", flags.Text("secret").empty() ? "no" : "yes");
  report.Number("seconds", seconds);
  report.Count("sent", after.sent - before.sent);
  report.Number("accepted_per_second", accepted / seconds);
  report.Count("refused", after.refused - before.refused);
  report.Count("broken", after.broken - before.broken);
  report.Count("duplicates_sent", after.duplicates - before.duplicates);
  report.Latency("reply", traffic.latency());
  report.Number("load_cpu_share", static_cast<double>(load_cpu_ns) / 1e9 / seconds);
  if (cpu_ns > 0 && accepted > 0) {
    report.Number("cpu_us_per_event", static_cast<double>(cpu_ns) / 1e3 / accepted);
    report.Number("seconds_until_quiet", quiet);
    report.Count("resident_bytes", ResidentBytes(pids));
  }
  if (watcher) {
    ReportRows(report, *watcher, sequence_before, traffic.sequences(),
               watcher->subscribers().counts().delivered - rows_before);
  }
  // Since the start, for checking the server's counters against what really happened.
  for (size_t i = 0; i < kEventTypes; ++i) {
    report.Count("distinct_" + std::string(NameOf(static_cast<EventType>(i))),
                 traffic.distinct()[i]);
  }
  report.Write(flags.Text("json"));
  return after.accepted > before.accepted ? 0 : 1;
}

}  // namespace
}  // namespace tw::bench

int main(int argc, char** argv) {
  return tw::bench::Main(argc, argv);
}
