// The real Transport: libcurl's multi interface on one thread.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "fetch/address_guard.h"
#include "fetch/transport.h"
#include "telemetry/metrics.h"

namespace tw::fetch {

struct CurlOptions {
  AddressGuard guard;
  // "http://proxy:3128"; empty: none, whatever the environment says. A proxy resolves names itself,
  // so the guard then judges the proxy's address and targets that are written as addresses.
  std::string proxy;
  std::string ca_file;  // PEM; empty: the system's.
  std::string user_agent = "tidewire";
  uint32_t transfers_max = 64;  // At once; more wait.
  uint32_t waiting_max = 10'000;
};

class CurlTransport final : public Transport {
 public:
  // Starts the thread. `clock` and `metrics` outlive the transport. Errors: kInternal.
  static Result<std::unique_ptr<CurlTransport>> Start(CurlOptions options, const Clock& clock,
                                                      telemetry::Registry& metrics);
  // Every request that is under way ends with kUnavailable.
  ~CurlTransport() override;

  void Send(Request request, Done done) override;

 private:
  class Worker;
  explicit CurlTransport(std::unique_ptr<Worker> worker);
  std::unique_ptr<Worker> worker_;
};

}  // namespace tw::fetch
