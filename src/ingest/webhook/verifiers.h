// The verifiers that a source file asks for.
#pragma once

#include <string>
#include <vector>

#include "config/location.h"
#include "ingest/source_config.h"
#include "ingest/webhook/signature.h"

namespace tw::ingest {

// In the order of `any_of`; a faulty one is left out and reported with its place.
std::vector<Verifier> BuildVerifiers(const WebhookConfig& config, config::Problems& problems);

// A path with one parameter at most: "/hooks/outreach/{token}".
struct PathPattern {
  std::string before;  // Up to the parameter; the whole path without one.
  std::string parameter;
  std::string after;

  // What stands where the parameter is (empty without one); nullopt when the path is another one.
  std::optional<std::string_view> Match(std::string_view path) const;
};

// Errors: kInvalidArgument: no leading '/', a parameter that is no whole segment, several of them.
Result<PathPattern> ParsePathPattern(std::string_view text);

}  // namespace tw::ingest
