// Refused deliveries, released or discarded as an operator asks through tidewire_request.
//
//   tidewire_refused ──judged again──▶ inbox ──durable──▶ removed from tidewire_refused
//
// One that is released and not yet removed when the process dies is released again: facts count
// once all the same.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "ingest/inbox/inbox_writer.h"
#include "ingest/poll/pull_work.h"
#include "ingest/webhook/endpoint_set.h"
#include "ingest/webhook/refused_store.h"

namespace tw::app {

// CompletionToken::owner of what is released; loops have small numbers.
inline constexpr uint64_t kReleaseOwner = UINT64_MAX;

// From the inbox writer's thread to the store thread.
class ReleasedIds {
 public:
  struct Ended {
    std::vector<uint64_t> durable;
    std::vector<uint64_t> failed;
  };
  void Add(std::span<const uint64_t> ids, bool durable);
  Ended Take();

 private:
  std::mutex mutex_;
  Ended ended_;
};

// Thread: the store thread.
class RefusedDesk {
 public:
  // Everything given outlives the desk.
  struct Wiring {
    ingest::RefusedStore& store;
    ingest::EndpointSetPtr endpoints;
    std::function<Status(ingest::Delivery&&, ingest::CompletionToken)> submit;
    ReleasedIds& ended;
  };
  explicit RefusedDesk(const Wiring& wiring) : wiring_(wiring) {}

  // What is released from now on is judged by these.
  void SetEndpoints(ingest::EndpointSetPtr endpoints) { wiring_.endpoints = std::move(endpoints); }

  // A piece of what is asked: verbs refused_release and refused_discard. What came of it, once it
  // is done. Errors: the store's.
  Result<std::optional<std::string>> Do(const ingest::OperatorRequest& request);

 private:
  struct Release {
    int64_t request = 0;
    ingest::RefusedFilter filter;
    bool unverified = false;  // The operator vouches for what proves nothing.
    int64_t after = 0;
    bool read_all = false;
    std::set<uint64_t> pending;
    uint64_t released = 0;
    uint64_t still_refused = 0;
    uint64_t failed = 0;
  };
  Result<std::optional<std::string>> Continue(Release& release);
  std::optional<ingest::Delivery> Judge(const Release& release,
                                        const ingest::Delivery& refused) const;
  Result<std::string> Discard(const ingest::RefusedFilter& filter);

  Wiring wiring_;
  std::optional<Release> release_;
};

}  // namespace tw::app
