#include "gateway/gateway.h"

#include "gateway/connection.h"
#include "gateway/realtime_connection.h"
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
                                  "Realtime connections cut at server.outbox_max.")),
      half_open(r.GetCounter("tidewire_gateway_half_open_total",
                             "Realtime connections that did not answer a ping.")),
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

Gateway::Gateway(Wiring wiring) : wiring_(std::move(wiring)) {}

Gateway::~Gateway() {
  wiring_.metrics.connections.Add(-static_cast<int64_t>(connections_.size()));
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

void Gateway::Drain() {
  draining_ = true;
  for (const auto& [id, connection] : connections_) {
    if (connection->realtime() != nullptr) {
      connection->realtime()->Drain();
    } else if (!connection->answering()) {
      connection->stream().Close();
    }
  }
}

}  // namespace tw::gateway
