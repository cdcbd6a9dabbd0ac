// Webhook traffic: which events are sent when, over which connections, and how they are answered.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/common/histogram.h"
#include "bench/common/http_client.h"
#include "bench/common/net.h"
#include "bench/common/webhook_body.h"

namespace tw::bench {

class Traffic {
 public:
  struct Options {
    Endpoint endpoint;
    uint32_t connections = 64;
    double rate = 0;                 // Events per second; 0: as fast as replies come.
    uint32_t duplicate_percent = 0;  // Share of deliveries that repeat a recent body.
    bool one_workspace = false;      // All events to the first of kWorkspaces.
    std::string secret;              // Standard Webhooks secret; empty: unsigned.
    uint64_t run = 0;                // Keeps the ids of several runs apart.
  };

  struct Counts {
    uint64_t sent = 0;
    uint64_t accepted = 0;    // Answered 200.
    uint64_t refused = 0;     // Answered otherwise.
    uint64_t broken = 0;      // The connection ended before the reply.
    uint64_t duplicates = 0;  // Sent again on purpose; part of `sent`.
  };

  Traffic(Poller& poller, Options options);

  // Sends at most `events` for at most `duration_ns`, then waits for the outstanding replies, at
  // most 10 s. May be called again; numbering goes on.
  void Run(uint64_t events, uint64_t duration_ns);

  const Counts& counts() const { return counts_; }

  // Distinct events made so far, by type.
  const std::array<uint64_t, kEventTypes>& distinct() const { return distinct_; }

  // Which type the distinct event `sequence` has.
  static EventType TypeOf(uint32_t sequence);
  uint32_t sequences() const { return sequence_; }

  // From the moment the event was due (rate > 0) or sent (rate 0) to its reply.
  const Histogram& latency() const { return latency_; }
  void ClearLatency() { latency_.Clear(); }

 private:
  static constexpr size_t kRecentMax = 1024;

  void SendDue();
  void SendOne(HttpConnection& connection, uint64_t due_ns);
  void OnReply(HttpConnection& connection, int status);
  const std::string& NextBody();
  uint64_t DueNs(uint64_t event) const;

  Poller& poller_;
  const Options options_;
  std::optional<WebhookSigner> signer_;
  std::vector<std::unique_ptr<HttpConnection>> connections_;
  std::vector<HttpConnection*> idle_;
  std::vector<std::string> recent_;  // A ring of bodies that may be sent again.
  Counts counts_;
  std::array<uint64_t, kEventTypes> distinct_{};
  Histogram latency_;
  uint32_t sequence_ = 0;
  uint32_t random_ = 1;
  bool sending_ = false;
  uint64_t start_ns_ = 0;
  uint64_t started_ = 0;  // Events of the current Run.
  uint64_t events_max_ = 0;
};

}  // namespace tw::bench
