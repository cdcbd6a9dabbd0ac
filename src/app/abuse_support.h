// For tests only: the abuse cases' common expectations. Whatever a peer does: the process lives, its
// memory comes back, others are served.
#pragma once

#include <fstream>
#include <string>

#include "app/test_server.h"

namespace tw::app {

// Resident bytes of this process.
inline size_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  size_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

class AbuseFixture : public ServerFixture {
 protected:
  // A client that has opened the realtime protocol.
  std::unique_ptr<TestClient> Open(int receive_buffer_bytes = 0) {
    auto client = std::make_unique<TestClient>(port(), receive_buffer_bytes);
    EXPECT_EQ(client->Ask(Upgrade(TokenOf("authenticated", "alice"))).status, 101);
    return client;
  }

  // Others are served: a request, and a realtime client that was there before.
  void ExpectOthersServed() {
    if (witness_ == nullptr) witness_ = Open();
    EXPECT_EQ(Ask(Get("/health/live")).status, 200);
    witness_->SendText(R"([null,"w","phoenix","heartbeat",{}])");
    EXPECT_NE(witness_->ReadFrame().payload.find("phx_reply"), std::string::npos);
  }

  // What one connection gets for `bytes`: the status of its answer and whether it is closed.
  struct Outcome {
    int status = 0;
    bool closed = false;
  };
  Outcome Send(std::string_view bytes) {
    TestClient client(port());
    Outcome outcome{.status = client.Ask(bytes).status};
    outcome.closed = client.ReadsEnd();
    return outcome;
  }

  int64_t Metric(const std::string& name) {
    const std::string text = "\n" + Metrics();
    const size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::atoll(text.c_str() + at + name.size() + 2);
  }
  // Until no realtime connection but the witness is left.
  void ExpectConnectionsGone() {
    const auto until = SystemClock().Mono() + std::chrono::seconds{10};
    const int64_t expected = witness_ == nullptr ? 0 : 1;
    while (Metric("tidewire_gateway_realtime_connections") != expected &&
           SystemClock().Mono() < until) {
      std::this_thread::yield();
    }
    EXPECT_EQ(Metric("tidewire_gateway_realtime_connections"), expected);
  }

  std::unique_ptr<TestClient> witness_;
};

}  // namespace tw::app
