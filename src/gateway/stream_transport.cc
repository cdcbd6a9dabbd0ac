#include "gateway/stream_transport.h"

#include "gateway/connection.h"
#include "gateway/gateway.h"
#include "telemetry/log.h"

namespace tw::gateway {

StreamTransport::StreamTransport(Gateway& gateway, uint64_t id)
    : gateway_(gateway), id_(id), outbox_bytes_max_(gateway.wiring().limits.outbox_bytes_max) {
  gateway_.wiring().metrics.realtime_connections.Add(1);
}

StreamTransport::~StreamTransport() { gateway_.wiring().metrics.realtime_connections.Add(-1); }

void StreamTransport::Attach(io::Stream& stream) {
  stream_ = &stream;
  const GatewayLimits& limits = gateway_.wiring().limits;
  stream_->set_unsent_limit({.age_max = limits.outbox_age_max});
  if (limits.connection_age_max.count() == 0) return;
  // 0.8 to 1.2 of it: what connected together must not come back together.
  const auto age = std::chrono::nanoseconds(limits.connection_age_max) *
                   (800 + gateway_.wiring().random.Below(401)) / 1'000;
  gateway_.wiring().loop.timers().Arm<&StreamTransport::OnOld>(age_, age, this);
}

void StreamTransport::OnOld() {
  gateway_.wiring().metrics.rotated.Add();
  Drain();
}

// Much may be due within one turn; only what the kernel does not take counts as slow. A frame larger
// than the whole outbox goes when nothing waits before it.
void StreamTransport::QueueBeyond(const io::SharedBytes& bytes) {
  const size_t limit = gateway_.wiring().limits.outbox_bytes_max;
  if (!lagging_) {
    stream_->Flush();
    // A replay goes at the client's pace: what it sends is at most one change beyond half the outbox.
    if (session().replaying() || stream_->unsent_bytes() == 0 ||
        stream_->unsent_bytes() + bytes.size() <= limit) {
      return stream_->Send(bytes);
    }
  }
  const session::Excess outcome = session().OnExcess(bytes);
  if (outcome == session::Excess::kCut) return CutSlow("outbox_max");
  if (!lagging_) BeginLag();
  if (outcome == session::Excess::kDrop) return;
  if (stream_->unsent_bytes() + bytes.size() > 2 * limit) return CutSlow("outbox_max");
  stream_->Send(bytes);
}

void StreamTransport::BeginLag() {
  lagging_ = true;
  outbox_bytes_max_ = 0;
  gateway_.wiring().metrics.lagging.Add();
  telemetry::Log(telemetry::Level::kInfo, "ClientLags",
                 "a realtime client is behind; it gets what it missed at its own pace",
                 {{"remote", stream_->remote_address()}, {"sub", session().subject()}});
  // In a turn of its own: here a fan-out is within its members.
  gateway_.wiring().loop.Post([&gateway = gateway_, id = id_] {
    Connection* const connection = gateway.Find(id);
    if (connection != nullptr && connection->realtime() != nullptr) {
      connection->realtime()->EndLag();
    }
  });
}

void StreamTransport::EndLag() {
  if (closing_) return;
  outbox_bytes_max_ = gateway_.wiring().limits.outbox_bytes_max;
  lagging_ = false;
  session().Resync();
}

void StreamTransport::OnUnsentTooOld() {
  if (!closing_) CutSlow("outbox_age_max");
}

// No close frame: it would wait behind what the client does not read.
void StreamTransport::CutSlow(std::string_view limit) {
  gateway_.wiring().metrics.slow_consumers.Add();
  telemetry::Log(telemetry::Level::kWarning, "SlowConsumer",
                 "a realtime client that does not read was cut off; it resumes at its position",
                 {{"limit", limit},
                  {"remote", stream_->remote_address()},
                  {"unsent_bytes", stream_->unsent_bytes()},
                  {"channels", session().channels()},
                  {"sub", session().subject()}});
  Abort();
}

void StreamTransport::Abort() {
  closing_ = true;
  stream_->Abort();
}

bool StreamTransport::Congested() {
  const size_t enough = outbox_bytes_max_ / 2;
  if (stream_->unsent_bytes() > enough) stream_->Flush();
  if (stream_->unsent_bytes() <= enough) return false;
  resume_wanted_ = true;  // Stays: another channel may wait already.
  return true;
}

void StreamTransport::OnDrained() {
  if (!resume_wanted_ || closing_) return;
  resume_wanted_ = false;
  // In a turn of its own: a flush happens in the middle of a replay as well.
  gateway_.wiring().loop.Post([&gateway = gateway_, id = id_] {
    Connection* const connection = gateway.Find(id);
    if (connection == nullptr || connection->realtime() == nullptr) return;
    StreamTransport& transport = *connection->realtime();
    if (!transport.closing_) transport.session().OnDrained();
  });
}

}  // namespace tw::gateway
