#include "gateway/gateway.h"

#include "gateway/connection.h"
#include "gateway/poll_session.h"
#include "gateway/stream_transport.h"
#include "telemetry/log.h"

namespace tw::gateway {

GatewayMetrics::GatewayMetrics(telemetry::Registry& r)
    : registry(r),
      connections(r.GetGauge("tidewire_gateway_connections", "Open connections.")),
      realtime_connections(
          r.GetGauge("tidewire_gateway_realtime_connections", "Open realtime connections.")),
      requests(r.GetCounter("tidewire_gateway_requests_total", "HTTP requests read whole.")),
      refused_connections(r.GetCounter("tidewire_gateway_refused_connections_total",
                                       "Connections refused at server.connections_max.")),
      slow_consumers(r.GetCounter("tidewire_gateway_slow_consumers_total",
                                  "Realtime connections cut at server.outbox_max or outbox_age_max.")),
      lagging(r.GetCounter("tidewire_gateway_lagging_total",
                           "Times that a client's outbox was full and it went on from the log.")),
      slow_readers(r.GetCounter("tidewire_gateway_slow_readers_total",
                                "Answers to requests cut because too little of them was taken.")),
      half_open(r.GetCounter("tidewire_gateway_half_open_total",
                             "Realtime connections that did not answer a ping.")),
      unasked_pongs(r.GetCounter("tidewire_gateway_unasked_pongs_total",
                                 "Pongs that answer no ping of ours; ignored.")),
      rotated(r.GetCounter("tidewire_gateway_rotated_total",
                           "Realtime connections that reached server.connection_age_max.")),
      accepts_delayed(r.GetCounter("tidewire_gateway_accepts_delayed_total",
                                   "Handshakes that waited for server.accepts_per_second.")),
      accepts_refused(r.GetCounter("tidewire_gateway_accepts_refused_total",
                                   "Handshakes refused at server.accepts_per_second.")),
      drain_remaining(r.GetGauge("tidewire_gateway_drain_remaining",
                                 "Realtime connections that a drain has still to close.")),
      protocol_errors(r.GetCounter("tidewire_gateway_protocol_errors_total",
                                   "Connections ended because of malformed frames.")),
      hooks_accepted(r.GetCounter("tidewire_hooks_total", "Hook requests, by outcome.",
                                  {{"outcome", "accepted"}})),
      hooks_refused(r.GetCounter("tidewire_hooks_total", "Hook requests, by outcome.",
                                 {{"outcome", "refused"}})),
      hooks_malformed(r.GetCounter("tidewire_hooks_total", "Hook requests, by outcome.",
                                   {{"outcome", "malformed"}})),
      hooks_too_large(r.GetCounter("tidewire_hooks_total", "Hook requests, by outcome.",
                                   {{"outcome", "too_large"}})),
      hooks_overload(r.GetCounter("tidewire_hooks_total", "Hook requests, by outcome.",
                                  {{"outcome", "overload"}})),
      hook_seconds(r.GetHistogram("tidewire_hook_seconds",
                                  "Time from a hook's first byte to its answer.")) {}

Gateway::Gateway(Wiring wiring)
    : wiring_(std::move(wiring)),
      admission_(wiring_.loop, wiring_.limits.accepts_per_second, [this](uint64_t id, Admission::Open open) {
        Connection* const connection = Find(id);
        if (connection != nullptr && connection->answering()) open(*connection);
      }) {}

Gateway::~Gateway() {
  wiring_.metrics.connections.Add(-static_cast<int64_t>(connections_.size()));
}

void Gateway::SetEndpoints(ingest::EndpointSetPtr endpoints) {
  wiring_.endpoints = std::move(endpoints);
}

void Gateway::OnAccept(std::unique_ptr<io::Stream> stream) {
  if (connections_.size() >= wiring_.limits.connections_max) {
    // Closed with the stream, unread.
    wiring_.metrics.refused_connections.Add();
    telemetry::Log(telemetry::Level::kWarning, "ConnectionRateLimitReached",
                   "server.connections_max is reached; a connection was refused");
    return;
  }
  const uint64_t id = next_id_++;
  wiring_.metrics.connections.Add(1);
  connections_.emplace(id, std::make_unique<Connection>(*this, id, std::move(stream)));
}

Connection* Gateway::Find(uint64_t id) {
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second.get();
}

void Gateway::Remove(uint64_t id) {
  wiring_.loop.Post([this, id] {
    if (connections_.erase(id) > 0) wiring_.metrics.connections.Add(-1);
  });
}

void Gateway::OnHooksDurable(const std::vector<uint64_t>& connection_ids) {
  for (const uint64_t id : connection_ids) {
    Connection* const connection = Find(id);
    if (connection == nullptr || !connection->answering()) continue;
    wiring_.metrics.hook_seconds.Observe(wiring_.loop.clock().Mono() -
                                         connection->request_started());
    const ingest::HookReply reply = std::move(connection->pending_reply());
    connection->Respond(reply.status, reply.content_type, reply.body);
  }
}

void Gateway::OnHooksFailed(const std::vector<uint64_t>& connection_ids, ErrorCode code) {
  for (const uint64_t id : connection_ids) {
    Connection* const connection = Find(id);
    if (connection == nullptr || !connection->answering()) continue;
    wiring_.metrics.hooks_overload.Add();
    const http::HeaderView retry[] = {{"Retry-After", "5"}};
    connection->RespondError(503, code == ErrorCode::kResourceExhausted
                                      ? "the inbox's disk is full; nothing was stored"
                                      : "the inbox cannot store; nothing was stored",
                             retry);
  }
}

void Gateway::BeginDrain(std::chrono::milliseconds window) {
  draining_ = true;
  wiring_.metrics.drain_remaining.Add(-static_cast<int64_t>(drain_ids_.size() - drain_done_));
  drain_ids_.clear();
  for (const auto& [id, connection] : connections_) {
    if (connection->realtime() != nullptr) drain_ids_.push_back(id);
  }
  wiring_.metrics.drain_remaining.Add(static_cast<int64_t>(drain_ids_.size()));
  drain_done_ = 0;
  drain_start_ = wiring_.loop.clock().Mono();
  drain_window_ = window;
  for (const auto& [id, poll] : polls_) poll->Drain(window);
  OnDrainTick();
}

PollSession* Gateway::AddPoll(const Opening& opening) {
  if (polls_.size() >= wiring_.limits.connections_max) return nullptr;
  auto poll = std::make_unique<PollSession>(*this, opening);
  PollSession* const added = poll.get();
  polls_.emplace(added->session_id(), std::move(poll));
  return added;
}

void Gateway::RemovePoll(std::string_view session_id) {
  const auto found = polls_.find(session_id);
  if (found != polls_.end()) polls_.erase(found);
}

bool Gateway::OnLoop(uint64_t index, Function<void(Gateway&)> task) {
  if (index == wiring_.loop_index) {
    task(*this);
    return true;
  }
  return wiring_.on_loop != nullptr && wiring_.on_loop(index, std::move(task));
}

void Gateway::OnDrainTick() {
  const auto elapsed = wiring_.loop.clock().Mono() - drain_start_;
  const size_t due = elapsed >= drain_window_
                         ? drain_ids_.size()
                         : static_cast<size_t>(static_cast<double>(drain_ids_.size()) *
                                               std::chrono::duration<double>(elapsed).count() /
                                               std::chrono::duration<double>(drain_window_).count());
  for (; drain_done_ < due; ++drain_done_) {
    wiring_.metrics.drain_remaining.Add(-1);
    Connection* const connection = Find(drain_ids_[drain_done_]);
    if (connection != nullptr && connection->realtime() != nullptr) connection->realtime()->Drain();
  }
  if (drain_done_ == drain_ids_.size()) return;
  wiring_.loop.timers().Arm<&Gateway::OnDrainTick>(drain_timer_, io::TimerWheel::kTick, this);
}

void Gateway::Drain() {
  draining_ = true;
  for (const auto& [id, poll] : polls_) poll->Drain(std::chrono::milliseconds{0});
  for (const auto& [id, connection] : connections_) {
    if (connection->realtime() != nullptr) {
      connection->realtime()->Drain();
    } else if (!connection->answering()) {
      connection->stream().Close();
    }
  }
}

}  // namespace tw::gateway
