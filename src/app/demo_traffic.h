// The built-in generator of `tidewire dev`: plays an outreach provider that sends signed webhooks
// through the real endpoint, so that rows move on a newcomer's screen.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "http/response_parser.h"
#include "io/loop.h"
#include "io/stream.h"

namespace tw::app {

// Writes the provider's payloads. Each lead goes its way: sent, opened, replied, interested, or
// bounced or unsubscribed. Pure but for the clock and the dice.
class DemoProvider {
 public:
  DemoProvider(const Clock& clock, Random& random) : clock_(clock), random_(random) {}
  // The JSON body of the next event.
  std::string NextEvent();

 private:
  struct Lead {
    int64_t id = 0;
    int64_t workspace = 0;
    std::string first_name;
    std::string last_name;
    std::string title;
    std::string company;
    int step = 0;
  };
  Lead NewLead();
  std::string Write(const Lead& lead, std::string_view type);
  std::string Time(std::chrono::seconds ago) const;

  const Clock& clock_;
  Random& random_;
  std::deque<Lead> leads_;
  int64_t next_lead_ = 632'586;
  int64_t next_reply_ = 88'100;
  int64_t next_scheduled_ = 900'123;
};

// Sends an event every 400 to 1,400 ms (the first ones faster) over one connection, on a thread of its own. Signed as
// Standard Webhooks v1 with `secret`.
class DemoTraffic final : public io::StreamHandler {
 public:
  DemoTraffic(uint16_t port, std::string secret, Clock& clock, Random& random);
  ~DemoTraffic() override;

  size_t OnBytes(std::span<char> bytes) override;
  void OnClosed(io::CloseCause cause) override;

 private:
  void Connect();
  void SendNext();
  void SendLater();

  const uint16_t port_;
  const std::string secret_;
  Clock& clock_;
  Random& random_;
  DemoProvider provider_;
  io::Loop loop_;
  io::Timer next_;
  std::unique_ptr<io::Stream> stream_;
  http::ResponseParser response_;
  uint32_t sent_ = 0;
  std::thread thread_;
};

}  // namespace tw::app
