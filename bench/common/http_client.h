// One HTTP/1.1 keep-alive connection that posts bodies, one request at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "bench/common/net.h"

namespace tw::bench {

class HttpConnection final : public Pollable {
 public:
  // Called with the status of each reply; 0 when the connection broke before the reply was whole.
  // The next Post may be made from inside it.
  using OnReply = std::function<void(HttpConnection&, int status)>;

  HttpConnection(Poller& poller, const Endpoint& endpoint, OnReply on_reply);
  ~HttpConnection() override;
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  bool idle() const { return idle_; }

  // Sends one POST; the connection must be idle. `headers` are whole lines, each ending in CRLF.
  // Reconnects first when the server has closed.
  void Post(std::string_view headers, std::string_view body);

  // Free for the caller: what the request in flight was, e.g. its scheduled time.
  uint64_t tag = 0;

  void OnReady(uint32_t events) override;

 private:
  void Connect();
  void Disconnect();
  void Flush();
  void Finish(int status);
  // Reads what has arrived. Returns false when the peer has closed or the connection is broken.
  bool Receive();

  Poller& poller_;
  const Endpoint endpoint_;
  const std::string request_start_;
  OnReply on_reply_;
  std::string outgoing_;
  std::string incoming_;
  int fd_ = -1;
  bool idle_ = true;
  bool waits_writable_ = false;
};

}  // namespace tw::bench
