// gateway: the network edge: HTTP requests, hooks, table reads, realtime connections.
//
//   Stream ──▶ Connection ──head──▶ Route ──body──▶ handler ──▶ Connection::Respond
//                   └── upgrade ──▶ RealtimeConnection ──▶ session
//
// Start here   gateway.h (what a loop shares) → connection.h (one connection) → routes.h (the table
//              of routes) → realtime_connection.h.
// Promises     A body's limit is known before it is read. A hook is answered only after its bytes
//              are durable. One request of a connection is answered before the next is read. What a
//              peer does wrong ends its own connection only.
// Thread       One Gateway per loop; answers from other threads come through Loop::Post.
// Not here     What messages mean (session), whether a delivery is genuine (ingest/webhook).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "auth/token_verifier.h"
#include "base/function.h"
#include "base/random.h"
#include "base/strings.h"
#include "gateway/admission.h"
#include "gateway/assets.h"
#include "gateway/sse_event.h"
#include "ingest/inbox/inbox_writer.h"
#include "ingest/webhook/endpoint_set.h"
#include "io/loop.h"
#include "io/stream.h"
#include "query/postgres_reader.h"
#include "query/invalidation/invalidation_map.h"
#include "query/live/front.h"
#include "query/reader_pool.h"
#include "query/table_reader.h"
#include "query/write/write_queue.h"
#include "session/session.h"
#include "telemetry/metrics.h"
#include "websocket/frame_compressor.h"

namespace tw::gateway {

// Which Host headers are answered.
enum class Hosts : uint8_t { kAny, kLoopback };

// permessage-deflate for clients that offer it.
struct CompressionLimits {
  bool enabled = false;
  websocket::CompressionOptions options;
  uint32_t inflated_bytes_max = 5'000'000;  // What one message of a client may expand to.
};

// What becomes of a client whose outbox is full. Broadcasts and replies cannot be had again: for those
// it is always cut off.
enum class SlowClients : uint8_t {
  kResync,  // Row changes are dropped and come from the log when it has taken what waits.
  kCut,     // It is cut off; it resumes at its position.
};

struct GatewayLimits {
  size_t body_bytes_default = 64 * 1024;
  std::chrono::milliseconds request_timeout{10'000};
  std::chrono::milliseconds keep_alive_timeout{75'000};
  std::chrono::milliseconds ping_interval{20'000};
  std::chrono::milliseconds pong_timeout{10'000};
  size_t outbox_bytes_max = 1u << 20;
  SlowClients slow_clients = SlowClients::kResync;
  std::chrono::milliseconds outbox_age_max{30'000};  // Of what the kernel does not take.
  uint32_t message_bytes_max = 5'000'000;
  std::chrono::milliseconds message_time_max{60'000};  // From its first byte to its last.
  uint32_t pings_per_second = 100;                     // Of one client; more is a flood.
  uint32_t connections_max = 100'000;  // Of this loop.
  std::vector<std::string> allowed_origins;  // Empty: all.
  Hosts hosts = Hosts::kAny;
  query::ReaderLimits reads;
  CompressionLimits compression;
  std::chrono::milliseconds connection_age_max{0};  // 0: none. Each connection's own is ± 20 %.
  double accepts_per_second = 5'000;                // Realtime connections of this loop.
};

struct GatewayMetrics {
  explicit GatewayMetrics(telemetry::Registry& registry);
  telemetry::Registry& registry;
  telemetry::Gauge& connections;
  telemetry::Gauge& realtime_connections;
  telemetry::Counter& requests;
  telemetry::Counter& refused_connections;
  telemetry::Counter& slow_consumers;
  telemetry::Counter& lagging;
  telemetry::Counter& slow_readers;
  telemetry::Counter& half_open;
  telemetry::Counter& unasked_pongs;
  telemetry::Counter& rotated;
  telemetry::Counter& accepts_delayed;
  telemetry::Counter& accepts_refused;
  telemetry::Gauge& drain_remaining;
  telemetry::Counter& protocol_errors;
  telemetry::Counter& hooks_accepted;
  telemetry::Counter& hooks_refused;
  telemetry::Counter& hooks_malformed;
  telemetry::Counter& hooks_too_large;
  telemetry::Counter& hooks_overload;
  telemetry::Histogram& hook_seconds;
};

// Whether the process takes work; read by the health routes. Any thread.
class Readiness {
 public:
  virtual ~Readiness() = default;
  // Empty when ready; else why not ("draining", "store").
  virtual std::string NotReadyReason() const = 0;
  // Empty when nothing is amiss; else what does not work for now although the process is ready.
  virtual std::string DegradedReason() const { return {}; }
};

class Connection;
class HttpSession;
class PollSession;
struct Opening;

class Gateway {
 public:
  // All references outlive the gateway.
  struct Wiring {
    io::Loop& loop;
    uint64_t loop_index;
    session::SessionServices& sessions;
    query::ReaderPool& readers;
    query::PostgresReaders* postgres = nullptr;  // Table reads, when the store is PostgreSQL.
    uint64_t epoch;
    ingest::EndpointSetPtr endpoints;
    ingest::InboxWriter& inbox;
    // Keeps a refused delivery; called on the loop, must not block.
    std::function<void(ingest::Delivery&&, std::string reason)> keep_refused;
    const Assets& assets;
    const Readiness& readiness;
    // JSON for GET /demo/config.json; empty outside of `tidewire dev`.
    std::string demo_config;
    GatewayMetrics& metrics;
    const GatewayLimits& limits;
    Random& random;
    // Runs a task with another loop's gateway, on that loop; false when there is no such loop.
    // Empty where there is one loop.
    std::function<bool(uint64_t loop, Function<void(Gateway&)> task)> on_loop = {};
    query::Front* queries = nullptr;  // Null: no named queries.
    query::WriteQueue* writes = nullptr;  // Null: tables are read only.
    query::WritePoliciesPtr write_policies;
    // Calls back, on any thread, with why results were invalidated lately, as JSON.
    std::function<void(Function<void(std::string)>)> explain;
    // Writes a revocation down and tells every loop, then calls `done`, on another thread.
    // Errors: kResourceExhausted (too much to do); `done` is not called then.
    std::function<Status(auth::Revocation, Function<void(Status)> done)> revoke;
    // Tells every client of every loop; only posts.
    std::function<void(query::ManualInvalidation)> invalidate;
  };
  explicit Gateway(Wiring wiring);
  ~Gateway();

  void OnAccept(std::unique_ptr<io::Stream> stream);

  // Requests that are whole from now on are judged by these. On the loop.
  void SetEndpoints(ingest::EndpointSetPtr endpoints);

  // The deliveries with these connection ids are durable, or failed. On the loop.
  void OnHooksDurable(const std::vector<uint64_t>& connection_ids);
  void OnHooksFailed(const std::vector<uint64_t>& connection_ids, ErrorCode code);

  // Null when the connection is gone.
  Connection* Find(uint64_t id);
  // Destroys the connection in a later turn.
  void Remove(uint64_t id);

  // Refuses new realtime connections from now on, and tells and closes those that there are, one by
  // one over `window`. Requests are served on.
  void BeginDrain(std::chrono::milliseconds window);
  // Tells realtime clients that the server goes, then closes every connection; one whose request is
  // being answered after the answer.
  void Drain();
  bool draining() const { return draining_; }
  size_t connections() const { return connections_.size(); }
  Admission& admission() { return admission_; }
  SseEncoder& sse_encoder() { return sse_encoder_; }

  // A new session for a polling client; null when there are too many.
  PollSession* AddPoll(const Opening& opening);
  void RemovePoll(std::string_view session_id);
  // Sessions that requests may name, each entered and removed by itself.
  StringMap<HttpSession*>& http_sessions() { return http_sessions_; }
  // Runs `task` with the gateway of loop `index`: at once when it is this one. False: none such.
  bool OnLoop(uint64_t index, Function<void(Gateway&)> task);
  // Compresses a frame once for all connections of this loop.
  websocket::FrameCompressor& compressor() { return compressor_; }

  const Wiring& wiring() const { return wiring_; }

 private:
  void OnDrainTick();

  Wiring wiring_;
  websocket::FrameCompressor compressor_{wiring_.limits.compression.options};
  SseEncoder sse_encoder_;
  uint64_t next_id_ = 1;
  Admission admission_;
  bool draining_ = false;
  std::vector<uint64_t> drain_ids_;  // Realtime connections when the drain began.
  size_t drain_done_ = 0;            // Of those, told and closed.
  MonoTime drain_start_{};
  std::chrono::milliseconds drain_window_{0};
  io::Timer drain_timer_;
  StringMap<HttpSession*> http_sessions_;
  StringMap<std::unique_ptr<PollSession>> polls_;
  std::unordered_map<uint64_t, std::unique_ptr<Connection>> connections_;
};

}  // namespace tw::gateway
