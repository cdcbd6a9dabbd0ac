// Who an event belongs to: the registry, read once per transaction.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/strings.h"
#include "ingest/apply/binding.h"
#include "ingest/apply/effects.h"
#include "ingest/apply/local_day.h"

namespace tw::ingest {

class Tenants {
 public:
  Tenants(Effects& effects, std::span<const std::shared_ptr<const Source>> sources)
      : effects_(effects), sources_(sources), cache_(sources.size()) {}

  // The tenant that `key` names by its id or, if it is no id, by its name; nullptr when the
  // registry has none. Valid until Forget. Errors: those of Effects.
  Result<const TenantContext*> Resolve(uint16_t source, std::string_view key);
  // With the zone that its days are counted in: the default's when the registry has no zone or an
  // unknown one.
  TenantContext WithZone(uint16_t source, Tenant tenant);
  Result<std::vector<TenantContext>> Active(uint16_t source);
  // The registry may have changed: to be called at the start of every transaction.
  void Forget();

 private:
  Effects& effects_;
  std::span<const std::shared_ptr<const Source>> sources_;
  Zones zones_;
  std::vector<StringMap<std::unique_ptr<TenantContext>>> cache_;  // Null: known to be unknown.
};

}  // namespace tw::ingest
