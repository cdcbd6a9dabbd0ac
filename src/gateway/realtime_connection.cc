#include "gateway/realtime_connection.h"

#include "gateway/connection.h"
#include "gateway/gateway.h"
#include "websocket/shared_frame.h"

namespace tw::gateway {

using websocket::CloseCode;
using websocket::Event;
using websocket::Opcode;

RealtimeConnection::RealtimeConnection(Gateway& gateway, uint64_t id, protocol::Version version,
                                       ClaimsPtr claims)
    : gateway_(gateway),
      id_(id),
      decoder_(websocket::Role::kServer,
               {.message_bytes_max = gateway.wiring().limits.message_bytes_max}),
      session_(gateway.wiring().sessions, *this, version, std::move(claims)) {
  gateway_.wiring().metrics.realtime_connections.Add(1);
}

RealtimeConnection::~RealtimeConnection() {
  gateway_.wiring().metrics.realtime_connections.Add(-1);
}

void RealtimeConnection::Attach(io::Stream& stream) {
  stream_ = &stream;
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
  return closing_ ? bytes.size() : bytes.size() - rest.size();
}

void RealtimeConnection::OnEvent(const Event& event) {
  switch (event.kind) {
    case Event::Kind::kNeedMore:
    case Event::Kind::kPong: return;
    case Event::Kind::kText: return session_.OnText(event.payload);
    case Event::Kind::kBinary: return session_.OnBinary(event.payload);
    case Event::Kind::kPing: return Send(Opcode::kPong, event.payload);
    case Event::Kind::kClose:
      session_.OnGoodbye();
      // The answer repeats the code (RFC 6455 §5.5.1).
      return CloseWith(static_cast<uint16_t>(event.code), {});
    case Event::Kind::kError:
      gateway_.wiring().metrics.protocol_errors.Add();
      return CloseWith(static_cast<uint16_t>(event.code), event.payload);
  }
}

void RealtimeConnection::OnFrame(const io::SharedBytes& frame) {
  if (closing_) return;
  const size_t bytes_max = gateway_.wiring().limits.outbox_bytes_max;
  if (stream_->unsent_bytes() + frame.size() > bytes_max) [[unlikely]] {
    // Much may be due within one turn; only what the kernel does not take counts as slow. A frame
    // larger than the whole outbox goes when nothing waits before it.
    stream_->Flush();
    if (stream_->unsent_bytes() > 0 && stream_->unsent_bytes() + frame.size() > bytes_max) {
      gateway_.wiring().metrics.slow_consumers.Add();
      closing_ = true;
      // No close frame: it would wait behind what the client does not read.
      return stream_->Abort();
    }
  }
  stream_->Send(frame);
}

bool RealtimeConnection::Congested() {
  const size_t enough = gateway_.wiring().limits.outbox_bytes_max / 2;
  if (stream_->unsent_bytes() > enough) stream_->Flush();
  if (stream_->unsent_bytes() <= enough) return false;
  resume_wanted_ = true;  // Stays: another channel may wait already.
  return true;
}

void RealtimeConnection::OnDrained() {
  if (!resume_wanted_ || closing_) return;
  resume_wanted_ = false;
  // In a turn of its own: a flush happens in the middle of a replay as well.
  gateway_.wiring().loop.Post([&gateway = gateway_, id = id_] {
    Connection* const connection = gateway.Find(id);
    if (connection != nullptr) connection->realtime()->Resume();
  });
}

void RealtimeConnection::Resume() {
  if (!closing_) session_.OnDrained();
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
    closing_ = true;
    return stream_->Abort();
  }
  pinged_ = true;
  Send(Opcode::kPing, {});
  gateway_.wiring().loop.timers().Arm<&RealtimeConnection::OnSilence>(
      silence_, gateway_.wiring().limits.pong_timeout, this);
}

void RealtimeConnection::Send(Opcode opcode, std::string_view payload) {
  if (closing_) return;
  OnFrame(websocket::ShareFrame(opcode, payload));
}

}  // namespace tw::gateway
