// The receiving side of the fan-out load: N WebSocket connections, each joined to one topic.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/common/histogram.h"
#include "bench/common/net.h"

namespace tw::bench {

// What arrived, over all connections.
struct DeliveryCounts {
  uint64_t delivered = 0;        // Stamped frames.
  uint64_t delivered_bytes = 0;  // Their WebSocket payloads.
  uint64_t duplicates = 0;
  uint64_t reordered = 0;
  uint64_t closed = 0;          // Connections that the server ended.
  uint64_t channel_errors = 0;  // phx_error, phx_close and system errors.
};

class Subscribers {
 public:
  struct Options {
    Endpoint endpoint;
    uint32_t connections = 1000;
    uint32_t sources = 8;          // Addresses 127.0.0.2, 127.0.0.3, … to connect from.
    uint32_t opening_max = 200;    // Connections being opened at the same time.
    std::string join;              // The join message; empty: none, live after the handshake.
    bool wait_subscribed = false;  // Live only after "Subscribed to PostgreSQL".
    std::function<void(uint32_t)> on_sequence;  // Called per delivery when set.
  };

  Subscribers(Poller& poller, Options options);
  ~Subscribers();

  // Opens all connections and waits until every one is live. Dies when the server refuses one or
  // `timeout_ns` passes.
  void OpenAll(uint64_t timeout_ns);

  const DeliveryCounts& counts() const { return counts_; }
  uint32_t connections() const { return options_.connections; }

  // How many of the messages 0 … published-1 were not received, summed over the connections.
  uint64_t Missing(uint32_t published) const;

  // Latencies, from the stamp to the moment its read returned, since ClearLatency.
  const Histogram& latency() const { return latency_; }
  void ClearLatency() { latency_.Clear(); }

 private:
  class Connection;

  Poller& poller_;
  const Options options_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<char> buffer_;  // One read buffer for all: nothing is kept between reads but rests.
  DeliveryCounts counts_;
  Histogram latency_;
  size_t stamp_hint_ = 0;
  uint32_t live_ = 0;
};

}  // namespace tw::bench
