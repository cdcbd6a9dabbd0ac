#include "gateway/poll_session.h"

#include <utility>

#include "crypto/encoding.h"
#include "gateway/connection.h"
#include "gateway/gateway.h"
#include "model/position.h"
#include "json/json.h"
#include "telemetry/log.h"
#include "websocket/shared_frame.h"

namespace tw::gateway {
namespace {

constexpr uint64_t kRetrySpreadMs = 5'000;
constexpr uint16_t kTryAgainLater = 1013;

void AppendMessage(std::string& out, const io::SharedBytes& frame) {
  const std::string_view payload = websocket::PayloadOf(frame);
  if (websocket::OpcodeOf(frame) == websocket::Opcode::kBinary) {
    out.append("{\"binary\":\"").append(crypto::EncodeBase64(payload)).append("\"}");
  } else {
    out.append(payload);  // JSON text already.
  }
}

}  // namespace

PollSession::PollSession(Gateway& gateway, const Opening& opening)
    : HttpSession(gateway, opening),
      gateway_(gateway),
      session_(gateway.wiring().sessions, *this, opening.version, opening.claims) {
  gateway_.wiring().metrics.realtime_connections.Add(1);
  gateway_.wiring().loop.timers().Arm<&PollSession::OnIdle>(timer_, kIdleMax, this);
}

PollSession::~PollSession() {
  gateway_.wiring().loop.ForgetFlush(*this);
  gateway_.wiring().metrics.realtime_connections.Add(-1);
}

void PollSession::AskFirst(const Asker& asker) {
  waiting_ = asker;
  gateway_.wiring().loop.FlushAtEndOfTurn(*this);
}

void PollSession::Ask(const Asker& asker, uint64_t ack, const Patience& patience) {
  if (waiting_) Answer();
  Acknowledge(ack);
  waiting_ = asker;
  keep_ = patience.keep;
  gateway_.wiring().loop.timers().Arm<&PollSession::OnWaitEnd>(timer_, patience.wait, this);
  if (std::exchange(resume_wanted_, false)) session_.OnDrained();
  // At the end of the turn: what comes within it goes along.
  if (!messages_.empty() || closed_ || patience.wait.count() == 0) {
    gateway_.wiring().loop.FlushAtEndOfTurn(*this);
  }
}

void PollSession::Acknowledge(uint64_t ack) {
  while (!messages_.empty() && first_ <= ack) {
    bytes_ -= messages_.front().size();
    messages_.pop_front();
    ++first_;
  }
}

void PollSession::OnFrame(const io::SharedBytes& frame) {
  if (closed_) return;
  const size_t limit = gateway_.wiring().limits.outbox_bytes_max;
  const bool full = !messages_.empty() && bytes_ + frame.size() > limit;
  if (lagging_ || (full && !session_.replaying())) {
    const session::Excess outcome = session_.OnExcess(frame);
    if (outcome == session::Excess::kCut) return CutSlow();
    if (!std::exchange(lagging_, true)) {
      gateway_.wiring().metrics.lagging.Add();
      gateway_.wiring().loop.FlushAtEndOfTurn(*this);
    }
    if (outcome == session::Excess::kDrop) return;
    if (bytes_ + frame.size() > 2 * limit) return CutSlow();
  }
  bytes_ += frame.size();
  messages_.push_back(frame);
  if (waiting_) gateway_.wiring().loop.FlushAtEndOfTurn(*this);
}

void PollSession::CutSlow() {
  gateway_.wiring().metrics.slow_consumers.Add();
  telemetry::Log(telemetry::Level::kWarning, "SlowConsumer",
                 "a polling client that does not ask was cut off; it resumes at its position",
                 {{"limit", "outbox_max"}, {"unsent_bytes", bytes_}, {"sub", session_.subject()}});
  messages_.clear();
  CloseWith(kTryAgainLater, "too slow; resume at your position");
}

bool PollSession::Congested() {
  if (bytes_ <= gateway_.wiring().limits.outbox_bytes_max / 2) return false;
  resume_wanted_ = true;
  return true;
}

void PollSession::Flush() {
  if (std::exchange(lagging_, false) && !closed_) session_.Resync();
  if (waiting_) Answer();
}

void PollSession::OnWaitEnd() {
  if (waiting_) Answer();
}

std::string PollSession::AnswerText() {
  std::string out = "{\"session\":\"" + session_id() + "\",\"first\":" + std::to_string(first_);
  std::string messages;
  size_t count = 0;
  for (const io::SharedBytes& frame : messages_) {
    if (count > 0 && messages.size() + frame.size() > kAnswerBytesMax) break;
    if (count++ > 0) messages.push_back(',');
    AppendMessage(messages, frame);
  }
  const bool all = count == messages_.size();
  out.append(",\"seq\":" + std::to_string(first_ + count - 1));
  out.append(",\"messages\":[").append(messages).append("]");
  if (const auto position = session_.SettledPosition(); position && all) {
    out.append(",\"position\":\"").append(ToString(*position)).append("\"");
  }
  if (closed_ && all) {
    json::Writer w;
    w.Object().Key("code").Int(closed_->code).Key("reason").String(closed_->reason);
    w.Key("retry_ms").Int(static_cast<int64_t>(closed_->retry_ms)).End();
    out.append(",\"closed\":").append(w.Take());
  }
  return out + "}";
}

void PollSession::Answer() {
  const Asker asker = *std::exchange(waiting_, std::nullopt);
  gateway_.wiring().loop.timers().Arm<&PollSession::OnIdle>(timer_, keep_, this);
  asker.gateway->wiring().loop.Post([asker, text = AnswerText()] {
    Connection* const connection = asker.gateway->Find(asker.connection_id);
    if (connection == nullptr || !connection->answering()) return;
    const http::HeaderView headers[] = {{"Cache-Control", "no-store"}};
    connection->Respond(200, "application/json", text, headers);
  });
  // Told: nobody has to ask any more. One whose answer was lost finds no session, and opens one.
  if (closed_) End();
}

void PollSession::CloseWith(uint16_t code, std::string_view reason) {
  if (closed_) return;
  closed_ = Closed{code, std::string(reason), gateway_.wiring().random.Below(kRetrySpreadMs)};
  if (waiting_) gateway_.wiring().loop.FlushAtEndOfTurn(*this);
}

void PollSession::Drain(std::chrono::milliseconds window) {
  session_.AnnounceRestart();
  CloseWith(1012, "Server requested disconnect");
  // The client spreads itself over the window.
  closed_->retry_ms = gateway_.wiring().random.Below(static_cast<uint64_t>(window.count()) + 1);
}

void PollSession::OnIdle() { End(); }

// In a later turn: callers are within this session.
void PollSession::End() {
  gateway_.wiring().loop.Post(
      [&gateway = gateway_, id = session_id()] { gateway.RemovePoll(id); });
}

}  // namespace tw::gateway
