#include "bench/webhook/traffic.h"

#include <algorithm>

namespace tw::bench {
namespace {

constexpr uint64_t kReplyWaitNs = 10'000'000'000;
constexpr uint64_t kPollNs = 50'000'000;

}  // namespace

Traffic::Traffic(Poller& poller, Options options) : poller_(poller), options_(std::move(options)) {
  if (!options_.secret.empty()) signer_.emplace(options_.secret);
  for (uint32_t i = 0; i < options_.connections; ++i) {
    connections_.push_back(std::make_unique<HttpConnection>(
        poller_, options_.endpoint,
        [this](HttpConnection& connection, int status) { OnReply(connection, status); }));
    idle_.push_back(connections_.back().get());
  }
}

EventType Traffic::TypeOf(uint32_t sequence) {
  return static_cast<EventType>(sequence % kEventTypes);
}

uint64_t Traffic::DueNs(uint64_t event) const {
  return start_ns_ + static_cast<uint64_t>(static_cast<double>(event) * 1e9 / options_.rate);
}

void Traffic::Run(uint64_t events, uint64_t duration_ns) {
  start_ns_ = NowNs();
  started_ = 0;
  events_max_ = events;
  sending_ = true;
  while (started_ < events_max_ && NowNs() - start_ns_ < duration_ns) {
    SendDue();
    uint64_t wait = kPollNs;
    if (options_.rate > 0 && !idle_.empty()) {
      const uint64_t now = NowNs();
      const uint64_t due = DueNs(started_);
      wait = due > now ? std::min(due - now, kPollNs) : 0;
    }
    poller_.Wait(wait);
  }
  sending_ = false;
  const uint64_t give_up = NowNs() + kReplyWaitNs;
  while (idle_.size() < connections_.size() && NowNs() < give_up) poller_.Wait(kPollNs);
}

void Traffic::SendDue() {
  while (sending_ && !idle_.empty() && started_ < events_max_) {
    const uint64_t now = NowNs();
    const uint64_t due = options_.rate > 0 ? DueNs(started_) : now;
    if (due > now) return;
    HttpConnection& connection = *idle_.back();
    idle_.pop_back();
    SendOne(connection, due);
  }
}

void Traffic::SendOne(HttpConnection& connection, uint64_t due_ns) {
  ++started_;
  connection.tag = due_ns;
  const std::string& body = NextBody();
  connection.Post(signer_ ? signer_->Headers(++counts_.sent, body) : (++counts_.sent, ""), body);
}

const std::string& Traffic::NextBody() {
  random_ = random_ * 1664525 + 1013904223;
  if (!recent_.empty() && (random_ >> 16) % 100 < options_.duplicate_percent) {
    ++counts_.duplicates;
    return recent_[(random_ >> 8) % recent_.size()];
  }
  const EventType type = TypeOf(sequence_);
  const size_t workspace =
      options_.one_workspace ? 0 : sequence_ / kEventTypes % kWorkspaces.size();
  std::string body =
      MakeWebhookBody(type, kWorkspaces[workspace], options_.run, {sequence_, NowNs()});
  ++distinct_[static_cast<size_t>(type)];
  const size_t slot = sequence_++ % kRecentMax;
  if (slot == recent_.size()) {
    recent_.push_back(std::move(body));
  } else {
    recent_[slot] = std::move(body);
  }
  return recent_[slot];
}

void Traffic::OnReply(HttpConnection& connection, int status) {
  latency_.Record(NowNs() - connection.tag);
  if (status == 200) {
    ++counts_.accepted;
  } else if (status == 0) {
    ++counts_.broken;
  } else {
    ++counts_.refused;
  }
  idle_.push_back(&connection);
  // Answer in place: the next event leaves in the same turn in which a connection becomes free.
  SendDue();
}

}  // namespace tw::bench
