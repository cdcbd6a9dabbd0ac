// Fan-out load: one publisher, N subscribers on one topic. Measures what a delivery costs the
// server process, how late it arrives, and whether any was lost or doubled. See bench/README.md.
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "bench/common/flags.h"
#include "bench/common/net.h"
#include "bench/common/phoenix.h"
#include "bench/common/process_usage.h"
#include "bench/common/report.h"
#include "bench/fanout/publisher.h"
#include "bench/fanout/subscribers.h"

namespace tw::bench {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kStallNs = 5 * kSecondNs;  // No delivery for so long: the run has failed.

enum class Mode : uint8_t {
  kSaturated,  // `window` messages are always under way.
  kSingle,     // The next one is published when all have received the previous one.
  kPaced,      // `rate` deliveries a second.
  kIdle,       // Nothing is published: memory only.
};

Mode ParseMode(const std::string& text) {
  if (text == "saturated") return Mode::kSaturated;
  if (text == "single") return Mode::kSingle;
  if (text == "paced") return Mode::kPaced;
  if (text == "idle") return Mode::kIdle;
  Die("--mode is saturated, single, paced or idle, not " + text);
}

Flags MakeFlags() {
  return Flags(
      "Fan-out load generator: opens N WebSocket connections, joins a topic, counts deliveries.",
      {{"url", "", "ws:// URL to connect to, with query"},
       {"pid", "", "server process ids, comma-separated, for CPU and memory"},
       {"connections", "1000", "subscribers"},
       {"sources", "8", "loopback source addresses"},
       {"mode", "saturated", "saturated, single, paced or idle"},
       {"window", "24", "saturated: messages under way"},
       {"rate", "50000", "paced: deliveries per second"},
       {"bytes", "256", "broadcast: text bytes per message"},
       {"warmup", "1", "seconds before measuring"},
       {"seconds", "5", "measured seconds, at most"},
       {"messages", "1000000", "measured messages, at most"},
       {"publish", "broadcast", "broadcast or webhook"},
       {"publisher-url", "", "broadcast: another ws:// URL for the publisher"},
       {"hook-url", "", "webhook: where to post"},
       {"hook-connections", "32", "webhook: keep-alive connections"},
       {"topic", "bench", "topic, without the prefix realtime:"},
       {"join", R"({"config":{"broadcast":{"self":false},"presence":{"enabled":false}}})",
        "join payload; none: do not join"},
       {"join-file", "", "file with the join payload"},
       {"label", "", "name of the server in the report"},
       {"group", "", "what the run is compared with in the report; default: --publish"},
       {"json", "", "file to append the report to"}});
}

std::string JoinOf(const Flags& flags) {
  std::string payload = flags.Text("join");
  if (payload == "none") return "";
  if (const std::string& path = flags.Text("join-file"); !path.empty()) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    payload = text.str();
    while (payload.ends_with('\n')) payload.pop_back();
    if (payload.empty()) Die("cannot read " + path);
  }
  return JoinMessage(flags.Text("topic"), payload);
}

std::unique_ptr<Publisher> MakePublisher(const Flags& flags, Poller& poller) {
  if (flags.Text("publish") == "webhook") {
    return std::make_unique<WebhookPublisher>(
        poller, ParseUrl(flags.Text("hook-url")),
        static_cast<uint32_t>(flags.Count("hook-connections")), NowNs() / kSecondNs);
  }
  if (flags.Text("publish") != "broadcast") Die("--publish is broadcast or webhook");
  const std::string& own_url = flags.Text("publisher-url");
  BroadcastPublisher::Options options;
  options.endpoint = ParseUrl(own_url.empty() ? flags.Text("url") : own_url);
  options.topic = flags.Text("topic");
  options.message_bytes = flags.Count("bytes");
  if (flags.Text("join") != "none") {
    options.join = JoinMessage(
        options.topic, R"({"config":{"broadcast":{"self":false},"presence":{"enabled":false}}})");
  }
  return std::make_unique<BroadcastPublisher>(poller, std::move(options));
}

// Publishes as the mode asks until told to stop.
class Driver {
 public:
  Driver(const Flags& flags, Poller& poller, Publisher& publisher, Subscribers& subscribers)
      : mode_(ParseMode(flags.Text("mode"))),
        window_(mode_ == Mode::kSingle ? 1 : flags.Count("window")),
        interval_ns_(static_cast<uint64_t>(1e9 * subscribers.connections() / flags.Number("rate"))),
        poller_(poller),
        publisher_(publisher),
        subscribers_(subscribers) {}

  uint32_t published() const { return published_; }
  bool stalled() const { return stalled_; }

  // Publishes at most `messages` for at most `duration_ns`, then waits until all have arrived.
  void Run(uint64_t messages, uint64_t duration_ns) {
    const uint64_t end = NowNs() + duration_ns;
    const uint64_t last = published_ + messages;
    next_due_ns_ = NowNs();
    while (published_ < last && NowNs() < end && !Failed()) {
      while (published_ < last && MayPublish()) publisher_.Publish(published_++);
      publisher_.Flush();
      poller_.Wait(WaitNs());
    }
    while (UnderWay() > 0 && !Failed()) {
      publisher_.Flush();
      poller_.Wait(100'000'000);
    }
  }

 private:
  uint64_t UnderWay() const {
    const uint64_t expected = uint64_t{published_} * subscribers_.connections();
    const uint64_t delivered = subscribers_.counts().delivered;
    if (delivered >= expected) return 0;
    return (expected - delivered + subscribers_.connections() - 1) / subscribers_.connections();
  }

  bool MayPublish() {
    if (mode_ != Mode::kPaced) return UnderWay() < window_;
    if (NowNs() < next_due_ns_) return false;
    next_due_ns_ += interval_ns_;
    return true;
  }

  uint64_t WaitNs() const {
    if (mode_ != Mode::kPaced) return 100'000'000;
    const uint64_t now = NowNs();
    return next_due_ns_ > now ? next_due_ns_ - now : 0;
  }

  bool Failed() {
    const DeliveryCounts& counts = subscribers_.counts();
    const uint64_t now = NowNs();
    if (counts.delivered != last_delivered_ || UnderWay() == 0) {
      last_delivered_ = counts.delivered;
      last_progress_ns_ = now;
    }
    stalled_ = now - last_progress_ns_ > kStallNs;
    return stalled_ || counts.closed > 0;
  }

  const Mode mode_;
  const uint64_t window_;
  const uint64_t interval_ns_;
  Poller& poller_;
  Publisher& publisher_;
  Subscribers& subscribers_;
  uint32_t published_ = 0;
  uint64_t next_due_ns_ = 0;
  uint64_t last_delivered_ = 0;
  uint64_t last_progress_ns_ = NowNs();
  bool stalled_ = false;
};

// Lets the server finish what joining left over, so that memory is idle memory.
void Settle(Poller& poller, uint64_t duration_ns) {
  const uint64_t end = NowNs() + duration_ns;
  while (NowNs() < end) poller.Wait(100'000'000);
}

void ReportRun(Report& report, const Driver& driver, const DeliveryCounts& before,
               const Subscribers& subscribers, uint64_t cpu_ns, uint64_t load_cpu_ns,
               double seconds) {
  const DeliveryCounts& after = subscribers.counts();
  const uint64_t delivered = after.delivered - before.delivered;
  report.Count("deliveries", delivered);
  report.Number("seconds", seconds);
  report.Number("deliveries_per_second", static_cast<double>(delivered) / seconds);
  if (delivered > 0) {
    report.Number("bytes_per_delivery",
                  static_cast<double>(after.delivered_bytes - before.delivered_bytes) /
                      static_cast<double>(delivered));
  }
  if (delivered > 0 && cpu_ns > 0) {
    report.Number("cpu_us_per_delivery",
                  static_cast<double>(cpu_ns) / 1e3 / static_cast<double>(delivered));
    report.Number("server_cpu_share", static_cast<double>(cpu_ns) / 1e9 / seconds);
  }
  report.Number("load_cpu_share", static_cast<double>(load_cpu_ns) / 1e9 / seconds);
  report.Latency("latency", subscribers.latency());
  report.Count("missing", subscribers.Missing(driver.published()));
  report.Count("duplicates", after.duplicates);
  report.Count("reordered", after.reordered);
  report.Text("stalled", driver.stalled() ? "yes" : "no");
}

int Main(int argc, char** argv) {
  Flags flags = MakeFlags();
  flags.Parse(argc, argv);
  RaiseDescriptorLimit();
  Poller poller;
  const std::vector<pid_t> pids = ParsePids(flags.Text("pid"));
  const std::unique_ptr<Publisher> publisher = MakePublisher(flags, poller);
  Subscribers::Options options;
  options.endpoint = ParseUrl(flags.Text("url"));
  options.connections = static_cast<uint32_t>(flags.Count("connections"));
  options.sources = static_cast<uint32_t>(flags.Count("sources"));
  options.join = JoinOf(flags);
  options.wait_subscribed = options.join.find("\"postgres_changes\":[{") != std::string::npos;
  Subscribers subscribers(poller, options);

  Report report;
  report.Text("server", flags.Text("label"));
  report.Text("mode", flags.Text("mode"));
  report.Text("group", flags.Text(flags.Text("group").empty() ? "publish" : "group"));
  report.Count("connections", options.connections);

  publisher->Open();
  Settle(poller, kSecondNs / 2);
  const uint64_t resident_before = ResidentBytes(pids);
  const uint64_t open_start = NowNs();
  subscribers.OpenAll(120 * kSecondNs);
  report.Number("join_seconds", static_cast<double>(NowNs() - open_start) / 1e9);
  const bool idle = ParseMode(flags.Text("mode")) == Mode::kIdle;
  Settle(poller, idle ? 3 * kSecondNs : kSecondNs / 2);
  const uint64_t resident_after = ResidentBytes(pids);
  if (!pids.empty()) {
    report.Count("resident_bytes_before", resident_before);
    report.Count("resident_bytes_after", resident_after);
    report.Number("resident_bytes_per_connection",
                  (static_cast<double>(resident_after) - static_cast<double>(resident_before)) /
                      options.connections);
  }
  Driver driver(flags, poller, *publisher, subscribers);
  if (!idle) {
    driver.Run(UINT32_MAX / 2, static_cast<uint64_t>(flags.Number("warmup") * 1e9));
    subscribers.ClearLatency();
    const DeliveryCounts before = subscribers.counts();
    const uint64_t cpu_before = CpuNs(pids);
    const uint64_t load_cpu_before = CpuNs({getpid()});
    const uint64_t start = NowNs();
    driver.Run(flags.Count("messages"), static_cast<uint64_t>(flags.Number("seconds") * 1e9));
    const double seconds = static_cast<double>(NowNs() - start) / 1e9;
    ReportRun(report, driver, before, subscribers, CpuNs(pids) - cpu_before,
              CpuNs({getpid()}) - load_cpu_before, seconds);
  }
  report.Count("closed", subscribers.counts().closed);
  report.Count("channel_errors", subscribers.counts().channel_errors);
  report.Count("refused", publisher->refused());
  report.Write(flags.Text("json"));
  const bool broken = driver.stalled() || subscribers.counts().closed > 0;
  return broken ? 1 : 0;
}

}  // namespace
}  // namespace tw::bench

int main(int argc, char** argv) {
  return tw::bench::Main(argc, argv);
}
