#include "ingest/webhook/endpoint_set.h"

#include <algorithm>

namespace tw::ingest {

Result<EndpointSetPtr> EndpointSet::Create(std::span<const std::shared_ptr<const Source>> sources) {
  std::shared_ptr<EndpointSet> set(new EndpointSet);
  for (const auto& source : sources) {
    if (!source->webhook) continue;
    TW_ASSIGN_OR_RETURN(auto endpoint, Endpoint::Create(*source));
    set->sources_.push_back(source);
    set->endpoints_.push_back(std::move(endpoint));
  }
  return EndpointSetPtr(std::move(set));
}

const Endpoint* EndpointSet::OfPath(std::string_view path) const {
  const auto found = std::ranges::find_if(
      endpoints_, [&](const auto& endpoint) { return endpoint->Matches(path); });
  return found == endpoints_.end() ? nullptr : found->get();
}

const Endpoint* EndpointSet::OfSource(std::string_view source) const {
  const auto found = std::ranges::find(endpoints_, source,
                                       [](const auto& endpoint) { return endpoint->source(); });
  return found == endpoints_.end() ? nullptr : found->get();
}

}  // namespace tw::ingest
