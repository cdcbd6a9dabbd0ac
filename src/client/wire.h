// One WebSocket to a server as a client: connect, upgrade, messages. RFC 6455.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>

#include "base/random.h"
#include "client/driver.h"

namespace tw::client {

// What the owner hears. After `lost` nothing more comes.
struct WireEvents {
  std::function<void()> opened;
  std::function<void(std::string_view text)> message;
  std::function<void(int code, std::string reason)> lost;
  std::function<void(int http_status)> refused;  // Before `lost`.
};

class Wire {
 public:
  virtual ~Wire() = default;
  virtual void Send(std::string_view text) = 0;
  // Says goodbye, as far as that goes without waiting; `lost` does not follow.
  virtual void Close(int code, std::string_view reason) = 0;
};

struct WireOptions {
  Address address;
  std::string target;  // With its query.
  size_t message_bytes_max;
};

// Begins to connect. `tls` is used for https only. The result may be dropped at any time.
std::unique_ptr<Wire> OpenWire(boost::asio::io_context& io, boost::asio::ssl::context& tls,
                               Random& random, WireOptions options, WireEvents events);

}  // namespace tw::client
