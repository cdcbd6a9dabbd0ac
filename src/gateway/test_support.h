// For this room's tests only: a gateway on a loop of its own thread over loopback, and a plain
// blocking client.
#pragma once

#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "capture/capture.h"
#include "gateway/gateway.h"
#include "ingest/outreach_fixture.h"
#include "router/test_support.h"
#include "session/test_support.h"
#include "store/store.h"
#include "websocket/testing_frames.h"

namespace tw::gateway {

// A blocking TCP client; every wait ends after five seconds with an empty answer.
class TestClient {
 public:
  // `receive_bytes` > 0 makes the kernel keep no more than about that for us.
  explicit TestClient(uint16_t port, int receive_bytes = 0);
  ~TestClient();

  void Send(std::string_view bytes);
  // One whole response: head and body (as Content-Length says); "" at the end of the stream.
  std::string Response();
  // Everything up to and with the next `mark`; what came, when the stream ends before.
  std::string Until(std::string_view mark);
  void Close();
  // The payload of one server frame, as websocket::Describe has it; "end" at the end of the stream.
  std::string Event();
  // Reads until the peer ends; true when it did so within five seconds.
  bool Ends();
  // Opens the realtime protocol with `token`; the response's first line.
  std::string Upgrade(std::string_view token, std::string_view extra_headers = "");
  static std::string UpgradeRequest(std::string_view token, std::string_view extra_headers = "");
  size_t bytes_received() const { return bytes_received_; }

 private:
  bool More();
  int socket_;
  std::string buffer_;
  size_t bytes_received_ = 0;
  websocket::Decoder decoder_{
      websocket::Role::kClient,
      {.message_bytes_max = 64u << 20, .inflated_bytes_max = 64u << 20}};
};

inline std::string Get(std::string_view path, std::string_view headers = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers) +
         "\r\n";
}
inline std::string Post(std::string_view path, std::string_view body) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}
// The status of a response; 0 for none.
inline int StatusOf(std::string_view response) {
  return response.size() < 12 ? 0 : std::atoi(std::string(response.substr(9, 3)).c_str());
}

// One loop's gateway. Set limits, then Start.
class TestGateway final : public Readiness, public ingest::CompletionSink {
 public:
  TestGateway();
  ~TestGateway() override;

  void Start();
  uint16_t port() const { return port_; }
  // Runs `task` on the loop and waits for it.
  void OnLoop(std::function<void()> task);
  // Commits what services.commits holds.
  void Commit() {
    OnLoop([this] { services.Commit(); });
  }

  std::string NotReadyReason() const override { return {}; }
  void OnDurable(std::span<const ingest::Completion> group) override;
  void OnFailed(std::span<const ingest::Completion> group, const Error& error) override;

  GatewayLimits limits;
  ingest::InboxWriterOptions inbox_options;
  // kManual: deliveries stay queued until Pump.
  ingest::InboxWriter::Drive inbox_drive = ingest::InboxWriter::Drive::kThread;
  session::TestLoop services;
  telemetry::Registry& metrics = services.metrics;
  GatewayMetrics gateway_metrics{services.metrics};
  std::unique_ptr<ingest::InboxWriter> inbox;
  std::unique_ptr<Gateway> gateway;
  std::atomic<int> refused{0};

 private:
  std::string directory_;
  io::Loop loop_{SystemClock()};
  ingest::FixedEnvironment environment_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<query::ReaderPool> readers_;
  std::shared_ptr<const ingest::Source> source_;
  ingest::EndpointSetPtr endpoints_;
  std::unique_ptr<io::FileSystem> files_;
  Assets assets_{{{"/index.html", "<p>"}}};
  std::unique_ptr<session::SessionServices> session_services_;
  std::unique_ptr<io::Listener> listener_;
  uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace tw::gateway
