// The webhooks of all sources that run.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ingest/source.h"
#include "ingest/webhook/endpoint.h"

namespace tw::ingest {

class EndpointSet;
using EndpointSetPtr = std::shared_ptr<const EndpointSet>;

// Immutable, and shared by all threads: other sources are another set.
class EndpointSet {
 public:
  // One endpoint for each of `sources` that has a webhook. Errors: as Endpoint::Create.
  static Result<EndpointSetPtr> Create(std::span<const std::shared_ptr<const Source>> sources);

  // Null when there is none.
  const Endpoint* OfPath(std::string_view path) const;
  const Endpoint* OfSource(std::string_view source) const;

 private:
  EndpointSet() = default;
  // The endpoints refer to them.
  std::vector<std::shared_ptr<const Source>> sources_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
};

}  // namespace tw::ingest
