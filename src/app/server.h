// app: the composition root: makes every room's objects, wires them and runs their threads.
//
//   LoadConfiguration ──▶ Server::Start ──▶ loops · store thread · inbox writer · readers
//
// Start here   server.h → store_worker.h (the path of a delivery) → configuration.h.
// Promises     Nothing listens before the store is open and the inbox recovered. Stop acknowledges
//              no more, finishes what is acknowledged, tells realtime clients to come back.
// Not here     The command line (cli), the demo (app/dev).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/configuration.h"
#include "app/reload.h"
#include "auth/jwt.h"
#include "base/clock.h"
#include "base/random.h"
#include "gateway/assets.h"
#include "gateway/gateway.h"
#include "telemetry/metrics.h"

namespace tw::app {

struct ServerOptions {
  std::string data_directory;  // Made when missing; one process at a time.
  std::string address;
  uint16_t port = 0;
  gateway::Hosts hosts = gateway::Hosts::kAny;
  std::string demo_config;
  std::vector<gateway::Asset> assets;
};

class Server {
 public:
  // `clock`, `random` and `metrics` outlive the server.
  // Errors: kInvalidArgument (configuration, with places), kFailedPrecondition (the data directory
  // is in use or newer), kUnavailable (address in use), and the store's and the disk's own.
  static Result<std::unique_ptr<Server>> Start(const Configuration& configuration,
                                               const ServerOptions& options, Clock& clock,
                                               Random& random, telemetry::Registry& metrics);
  // Stops.
  ~Server();

  uint16_t port() const;
  // Set when a sync of the inbox failed: the process must exit.
  bool failed() const;
  // Begins a lame duck: not ready at once, no new realtime connections, those that there are told
  // and closed one by one over `window`. All else is served. Again: with the new window.
  void Drain(std::chrono::milliseconds window);
  // After Drain: no realtime connection is left.
  bool drained() const;
  // The configuration was read anew. Sources, keys and the certificate count from now on, without
  // an open connection or an accepted delivery noticing; the rest waits for the next start, and is
  // named. One thread at a time, the one that stops. Errors: kInvalidArgument with the place of what
  // is wrong, kResourceExhausted (the store is too busy), the store's: all stays as it is.
  Result<ReloadReport> Reload(const Configuration& next);
  // Not ready, realtime clients told, acknowledged deliveries applied. Idempotent.
  void Stop();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// Opens the store below `data_directory` and checks the whole configuration against it, as `tidewire
// check` does, without listening. Errors: as Start.
Status CheckAgainstStore(const Configuration& configuration, const std::string& database_path,
                         Random& random);

}  // namespace tw::app
