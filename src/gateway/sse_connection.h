// A realtime client that listens to server-sent events.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "gateway/http_session.h"
#include "gateway/stream_transport.h"
#include "io/loop.h"
#include "io/timer_wheel.h"

namespace tw::gateway {

// The stream of one `GET /realtime/v1/sse`:
//
//   event: session  {"session":"0-…","heartbeat_ms":15000}     once, first
//   data: …                                                    each message, as a socket gets it
//   event: binary   base64                                     a binary message
//   id: E:n                                                    behind messages: all up to here is told
//   event: close    {"code":1012,"reason":"…"}                 the last one
//   : comment                                                  every 15 s
//
// A reader that returns with the id as Last-Event-ID, or by socket, goes on there.
class SseConnection final : public StreamTransport, public HttpSession, private io::Flushable {
 public:
  // Below common proxies' idle limits, the shortest of which is 20 s.
  static constexpr std::chrono::seconds kCommentInterval{15};

  SseConnection(Gateway& gateway, uint64_t id, const Opening& opening);
  ~SseConnection() override;

  // The response's head, for Connection::BecomeRealtime.
  static std::string Head();

  void Attach(io::Stream& stream) override;
  // A client has nothing more to say here: what comes is dropped.
  size_t OnBytes(std::span<char> bytes) override { return bytes.size(); }
  void Drain() override;

  void OnFrame(const io::SharedBytes& frame) override;
  void CloseWith(uint16_t code, std::string_view reason) override;
  session::Session& upstream() override { return session_; }

 private:
  session::Session& session() override { return session_; }
  void Flush() override;
  void OnQuiet();

  session::Session session_;
  io::Timer comment_;
  std::optional<uint64_t> told_offset_;  // Of the last id sent.
};

}  // namespace tw::gateway
