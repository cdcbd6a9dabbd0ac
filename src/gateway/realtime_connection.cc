#include "gateway/realtime_connection.h"

#include <utility>

#include "gateway/connection.h"
#include "gateway/gateway.h"
#include "websocket/shared_frame.h"

namespace tw::gateway {

using websocket::CloseCode;
using websocket::Event;
using websocket::Opcode;

// The session's way out where permessage-deflate was agreed on. A class of its own, so that the plain
// way has nothing to ask per delivery.
class RealtimeConnection::Compressing final : public session::Transport {
 public:
  Compressing(RealtimeConnection& plain, const websocket::DeflateAgreement& agreement)
      : plain_(plain), window_bits_(agreement.window_bits) {}

  void OnFrame(const io::SharedBytes& frame) override {
    plain_.OnFrame(plain_.gateway_.compressor().Compress(frame, window_bits_));
  }
  bool Congested() override { return plain_.Congested(); }
  void CloseWith(uint16_t code, std::string_view reason) override {
    plain_.CloseWith(code, reason);
  }

 private:
  RealtimeConnection& plain_;
  const uint8_t window_bits_;
};

RealtimeConnection::RealtimeConnection(Gateway& gateway, uint64_t id, const Opening& opening,
                                       std::optional<websocket::DeflateAgreement> deflate)
    : StreamTransport(gateway, id),
      decoder_(websocket::Role::kServer,
               {.message_bytes_max = gateway.wiring().limits.message_bytes_max,
                .inflated_bytes_max =
                    deflate ? gateway.wiring().limits.compression.inflated_bytes_max : 0}),
      compressing_(deflate ? std::make_unique<Compressing>(*this, *deflate) : nullptr),
      session_(gateway.wiring().sessions,
               compressing_ ? static_cast<session::Transport&>(*compressing_) : *this,
               opening.version, opening.claims) {}

RealtimeConnection::~RealtimeConnection() = default;

void RealtimeConnection::Attach(io::Stream& stream) {
  StreamTransport::Attach(stream);
  gateway_.wiring().loop.timers().Arm<&RealtimeConnection::OnSilence>(
      silence_, gateway_.wiring().limits.ping_interval, this);
}

size_t RealtimeConnection::OnBytes(std::span<char> bytes) {
  std::span<char> rest = bytes;
  pinged_ = false;
  gateway_.wiring().loop.timers().Arm<&RealtimeConnection::OnSilence>(
      silence_, gateway_.wiring().limits.ping_interval, this);
  while (!closing_) {
    const Event event = decoder_.Next(rest);
    if (event.kind == Event::Kind::kNeedMore) break;
    OnEvent(event);
  }
  if (!closing_ && MessageTookTooLong()) {
    gateway_.wiring().metrics.protocol_errors.Add();
    CloseWith(static_cast<uint16_t>(CloseCode::kPolicyViolation), "message took too long");
  }
  return closing_ ? bytes.size() : bytes.size() - rest.size();
}

void RealtimeConnection::OnEvent(const Event& event) {
  switch (event.kind) {
    case Event::Kind::kNeedMore: return;
    case Event::Kind::kPong: return OnPong();
    case Event::Kind::kText: return session_.OnText(event.payload);
    case Event::Kind::kBinary: return session_.OnBinary(event.payload);
    case Event::Kind::kPing: return OnPing(event.payload);
    case Event::Kind::kClose:
      session_.OnGoodbye();
      // The answer repeats the code (RFC 6455 §5.5.1).
      return CloseWith(static_cast<uint16_t>(event.code), {});
    case Event::Kind::kError:
      gateway_.wiring().metrics.protocol_errors.Add();
      return CloseWith(static_cast<uint16_t>(event.code), event.payload);
  }
}

// A flood of pings would make us send as much as it does.
void RealtimeConnection::OnPing(std::string_view payload) {
  const MonoTime now = gateway_.wiring().loop.clock().Mono();
  if (now - pings_since_ > std::chrono::seconds{1}) {
    pings_since_ = now;
    pings_ = 0;
  }
  if (++pings_ > gateway_.wiring().limits.pings_per_second) {
    gateway_.wiring().metrics.protocol_errors.Add();
    return CloseWith(static_cast<uint16_t>(CloseCode::kPolicyViolation), "too many pings");
  }
  Send(Opcode::kPong, payload);
}

// RFC 6455 §5.5.3 allows unasked pongs; they cost nothing but a look.
void RealtimeConnection::OnPong() {
  if (!std::exchange(pong_wanted_, false)) gateway_.wiring().metrics.unasked_pongs.Add();
}

// Judged when bytes come: who sends none at all is found by the ping.
bool RealtimeConnection::MessageTookTooLong() {
  if (decoder_.IsIdle()) {
    message_since_ = {};
    return false;
  }
  const MonoTime now = gateway_.wiring().loop.clock().Mono();
  if (message_since_ == MonoTime{}) message_since_ = now;
  return now - message_since_ > gateway_.wiring().limits.message_time_max;
}

void RealtimeConnection::CloseWith(uint16_t code, std::string_view reason) {
  if (closing_) return;
  Send(Opcode::kClose, websocket::ClosePayload(static_cast<CloseCode>(code), reason));
  closing_ = true;
  stream_->Close();
}

void RealtimeConnection::Drain() {
  session_.AnnounceRestart();
  CloseWith(static_cast<uint16_t>(CloseCode::kServiceRestart), "Server requested disconnect");
}

void RealtimeConnection::OnSilence() {
  if (pinged_) {
    gateway_.wiring().metrics.half_open.Add();
    return Abort();
  }
  pinged_ = true;
  pong_wanted_ = true;
  Send(Opcode::kPing, {});
  gateway_.wiring().loop.timers().Arm<&RealtimeConnection::OnSilence>(
      silence_, gateway_.wiring().limits.pong_timeout, this);
}

void RealtimeConnection::Send(Opcode opcode, std::string_view payload) {
  if (closing_) return;
  OnFrame(websocket::ShareFrame(opcode, payload));
}

}  // namespace tw::gateway
