// The sending side of the fan-out load: what makes the server send one message to every subscriber.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/common/http_client.h"
#include "bench/common/net.h"
#include "bench/common/phoenix.h"

namespace tw::bench {

class Publisher {
 public:
  virtual ~Publisher() = default;

  // Waits until messages can be published. Dies when the server refuses.
  virtual void Open() = 0;

  // Queues message number `sequence`, stamped with the moment it is handed to the socket.
  virtual void Publish(uint32_t sequence) = 0;

  // Hands what is queued to the kernel.
  virtual void Flush() = 0;

  // Messages that the server did not accept.
  virtual uint64_t refused() const = 0;
};

// One WebSocket connection that broadcasts on the topic it has joined.
class BroadcastPublisher final : public Publisher, private Pollable {
 public:
  struct Options {
    Endpoint endpoint;
    std::string topic;
    std::string join;            // Empty: none, as for Subscribers.
    size_t message_bytes = 256;  // Of text as it is published and, unchanged, delivered.
  };

  BroadcastPublisher(Poller& poller, Options options);
  ~BroadcastPublisher() override;

  void Open() override;
  void Publish(uint32_t sequence) override;
  void Flush() override;
  uint64_t refused() const override { return refused_; }

 private:
  void OnReady(uint32_t events) override;
  void TakeFrames();

  Poller& poller_;
  const Options options_;
  BroadcastTemplate message_;
  int fd_ = -1;
  bool upgraded_ = false;
  bool live_ = false;
  bool waits_writable_ = true;
  std::string incoming_;
  std::string outgoing_;
  uint64_t refused_ = 0;
};

// Several keep-alive connections that post one webhook per message; each creates one row of
// `client_leads`, whose change is what subscribers receive.
class WebhookPublisher final : public Publisher {
 public:
  WebhookPublisher(Poller& poller, const Endpoint& endpoint, uint32_t connections, uint64_t run);

  void Open() override {}
  void Publish(uint32_t sequence) override;
  void Flush() override {}
  uint64_t refused() const override { return refused_; }

 private:
  void Post(HttpConnection& connection, uint32_t sequence);

  const uint64_t run_;
  std::vector<std::unique_ptr<HttpConnection>> connections_;
  std::vector<HttpConnection*> idle_;
  std::deque<uint32_t> waiting_;  // Bounded by the run's window.
  uint64_t refused_ = 0;
};

}  // namespace tw::bench
