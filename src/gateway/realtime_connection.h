// A realtime client's WebSocket: frames and pings.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "gateway/http_session.h"
#include "gateway/stream_transport.h"
#include "io/timer_wheel.h"
#include "session/session.h"
#include "websocket/decoder.h"

namespace tw::gateway {

class RealtimeConnection final : public StreamTransport {
 public:
  // `id` is the connection's that it belongs to; `deflate` is what the handshake agreed on.
  RealtimeConnection(Gateway& gateway, uint64_t id, const Opening& opening,
                     std::optional<websocket::DeflateAgreement> deflate);
  ~RealtimeConnection() override;

  void Attach(io::Stream& stream) override;
  size_t OnBytes(std::span<char> bytes) override;
  // Sends the system message and close code 1012, so that clients come back.
  void Drain() override;

  void OnFrame(const io::SharedBytes& frame) override { Queue(frame); }
  void CloseWith(uint16_t code, std::string_view reason) override;

 private:
  class Compressing;

  void OnEvent(const websocket::Event& event);
  void OnPing(std::string_view payload);
  void OnPong();
  bool MessageTookTooLong();
  void OnSilence();
  void Send(websocket::Opcode opcode, std::string_view payload);

  session::Session& session() override { return session_; }

  websocket::Decoder decoder_;
  std::unique_ptr<Compressing> compressing_;  // Null: frames go as they are.
  session::Session session_;
  io::Timer silence_;
  MonoTime message_since_{};   // When the unfinished message began; zero without one.
  MonoTime pings_since_{};     // Start of the second that pings_ counts.
  uint32_t pings_ = 0;
  bool pinged_ = false;        // And nothing has come since.
  bool pong_wanted_ = false;
};

}  // namespace tw::gateway
