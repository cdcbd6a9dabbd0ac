// The machine over a real network: one WebSocket, with TLS for https, on Boost.Asio.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"
#include "client/machine.h"

namespace tw::client {

struct DriverOptions {
  // "http://127.0.0.1:4000" or "https://…"; a path before /realtime/v1 is kept.
  std::string url;
  // The user's token; asked for each attempt and before it expires. May block briefly.
  std::function<Result<std::string>()> token;
  // The application's key; the token serves where it is empty.
  std::string apikey;
  // Certificates to trust beside the system's, a PEM file; for https only.
  std::string ca_file;
  Limits limits;
  // A longer message ends the connection.
  size_t message_bytes_max = 16u << 20;
};

// What an application hears. Called on the driver's thread, within Run.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void OnChange(std::string_view id, const Change& change) = 0;
  virtual void OnVerdict(std::string_view id, const Verdict& verdict) = 0;
  virtual void OnChannel(std::string_view id, ChannelPhase phase,
                         const std::optional<std::string>& error) = 0;
  // The connection's phase after each step that changed it, with the last error.
  virtual void OnPhase(Phase phase, std::string_view error) = 0;
  // The server answered the upgrade with this HTTP status instead: 401 and 403 mean the key.
  virtual void OnRefused(int http_status) = 0;
};

class Driver {
 public:
  // Errors: kInvalidArgument for an address that is none, a CA file that cannot be read.
  static Result<std::unique_ptr<Driver>> Create(DriverOptions options, Observer& observer,
                                                Random& random = SystemRandom());
  virtual ~Driver() = default;

  virtual void Subscribe(std::string id, Binding binding, std::optional<std::string> since) = 0;
  // Everything at or before it has been delivered to the observer.
  virtual std::optional<std::string> PositionOf(std::string_view id) const = 0;
  // Runs until Stop, on this thread.
  virtual void Run() = 0;
  // Ends Run. Any thread, also from within the observer.
  virtual void Stop() = 0;
};

// The parts of a server's address. Exposed for tests.
struct Address {
  bool tls = false;
  std::string host;  // Without the brackets of an IPv6 address.
  std::string port;
  std::string path;  // "" or "/before"
  bool operator==(const Address&) const = default;
};
// Errors: kInvalidArgument for all but http:// and https:// with a host.
Result<Address> ParseAddress(std::string_view url);

}  // namespace tw::client
