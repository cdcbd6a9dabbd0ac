#include "gateway/sse_connection.h"

#include "gateway/gateway.h"
#include "gateway/sse_event.h"
#include "json/json.h"
#include "model/position.h"

namespace tw::gateway {
namespace {

// How long a browser waits before it reconnects by itself, at least and at most.
constexpr uint64_t kRetryMinMs = 1'000, kRetrySpreadMs = 4'000;
// A peer that vanished is found by what it does not acknowledge: a comment is never older.
constexpr std::chrono::seconds kUnacknowledgedMax{15};

}  // namespace

SseConnection::SseConnection(Gateway& gateway, uint64_t id, const Opening& opening)
    : StreamTransport(gateway, id),
      HttpSession(gateway, opening),
      session_(gateway.wiring().sessions, *this, opening.version, opening.claims) {}

SseConnection::~SseConnection() { gateway_.wiring().loop.ForgetFlush(*this); }

// No length: the answer ends with the connection. X-Accel-Buffering keeps nginx from holding it.
std::string SseConnection::Head() {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
         "Cache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\n"
         "X-Content-Type-Options: nosniff\r\nAccess-Control-Allow-Origin: *\r\n"
         "Connection: close\r\n\r\n";
}

void SseConnection::Attach(io::Stream& stream) {
  StreamTransport::Attach(stream);
  stream_->set_unacknowledged_max(kUnacknowledgedMax);
  json::Writer w;
  w.Object().Key("session").String(session_id());
  w.Key("heartbeat_ms");
  w.Int(std::chrono::duration_cast<std::chrono::milliseconds>(kCommentInterval).count()).End();
  std::string out =
      "retry: " +
      std::to_string(kRetryMinMs + gateway_.wiring().random.Below(kRetrySpreadMs)) + "\n";
  AppendSseEvent(out, "session", w.Take());
  Queue(io::SharedBytes::Copy(out));
  gateway_.wiring().loop.timers().Arm<&SseConnection::OnQuiet>(comment_, kCommentInterval, this);
}

void SseConnection::OnFrame(const io::SharedBytes& frame) {
  if (closing_) return;
  // Before the stream's own, so that the id leaves in the same writev.
  gateway_.wiring().loop.FlushAtEndOfTurn(*this);
  Queue(gateway_.sse_encoder().Encode(frame));
}

// At the end of a turn all channels have been told of all changes up to the feed's head.
void SseConnection::Flush() {
  if (closing_) return;
  const auto position = session_.SettledPosition();
  if (!position || position->offset == told_offset_) return;
  told_offset_ = position->offset;
  std::string out;
  AppendSseId(out, ToString(*position));
  Queue(io::SharedBytes::Copy(out));
}

void SseConnection::OnQuiet() {
  if (closing_) return;
  Queue(io::SharedBytes::Copy(":\n\n"));
  gateway_.wiring().loop.timers().Arm<&SseConnection::OnQuiet>(comment_, kCommentInterval, this);
}

void SseConnection::CloseWith(uint16_t code, std::string_view reason) {
  if (closing_) return;
  json::Writer w;
  w.Object().Key("code").Int(code).Key("reason").String(reason).End();
  std::string out;
  AppendSseEvent(out, "close", w.Take());
  Queue(io::SharedBytes::Copy(out));
  closing_ = true;
  stream_->Close();
}

void SseConnection::Drain() {
  session_.AnnounceRestart();
  CloseWith(1012, "Server requested disconnect");
}

}  // namespace tw::gateway
