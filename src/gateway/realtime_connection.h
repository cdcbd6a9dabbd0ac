// A realtime client's WebSocket: frames, pings, the bounded outbox.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "io/stream.h"
#include "io/timer_wheel.h"
#include "session/session.h"
#include "websocket/decoder.h"

namespace tw::gateway {

class Gateway;

class RealtimeConnection final : public session::Transport {
 public:
  // `id` is the connection's that it belongs to; `deflate` is what the handshake agreed on.
  RealtimeConnection(Gateway& gateway, uint64_t id, protocol::Version version, ClaimsPtr claims,
                     std::optional<websocket::DeflateAgreement> deflate);
  ~RealtimeConnection() override;

  // The stream is a WebSocket from here on; it outlives this.
  void Attach(io::Stream& stream);
  size_t OnBytes(std::span<char> bytes);
  // Sends the system message and close code 1012, so that clients come back.
  void Drain();

  // Everything sent has been handed to the kernel.
  void OnDrained();

  void OnFrame(const io::SharedBytes& frame) override;
  bool Congested() override;
  void CloseWith(uint16_t code, std::string_view reason) override;

 private:
  class Compressing;

  void OnEvent(const websocket::Event& event);
  void OnSilence();
  void Resume();
  void Send(websocket::Opcode opcode, std::string_view payload);

  Gateway& gateway_;
  const uint64_t id_;
  io::Stream* stream_ = nullptr;
  websocket::Decoder decoder_;
  std::unique_ptr<Compressing> compressing_;  // Null: frames go as they are.
  session::Session session_;
  io::Timer silence_;
  bool pinged_ = false;
  bool closing_ = false;
  bool resume_wanted_ = false;  // A replay waits until everything is sent.
};

}  // namespace tw::gateway
