#include "ingest/apply/tenants.h"

#include "base/check.h"
#include "telemetry/log.h"

namespace tw::ingest {

Result<const TenantContext*> Tenants::Resolve(uint16_t source, std::string_view key) {
  auto& cache = cache_[source];
  if (const auto found = cache.find(key); found != cache.end()) return found->second.get();
  TW_ASSIGN_OR_RETURN(auto tenant, effects_.FindTenantById(source, key));
  if (!tenant) {
    TW_ASSIGN_OR_RETURN(tenant, effects_.FindTenantByName(source, key));
  }
  auto& entry = cache[std::string(key)];
  if (tenant) entry = std::make_unique<TenantContext>(WithZone(source, *std::move(tenant)));
  return entry.get();
}

TenantContext Tenants::WithZone(uint16_t source, Tenant tenant) {
  const TenantPlan& plan = sources_[source]->tenants;
  const date::time_zone* zone = nullptr;
  if (!tenant.timezone.empty()) {
    zone = zones_.Find(tenant.timezone);
    if (zone == nullptr) {
      telemetry::Log(telemetry::Level::kWarning, "TenantZoneUnknown",
                     "the registry names a time zone that does not exist; using the default",
                     {{"source", sources_[source]->name},
                      {"tenant", tenant.id},
                      {"timezone", tenant.timezone}});
    }
  }
  if (zone == nullptr) zone = zones_.Find(plan.timezone_default);
  TW_CHECK(zone != nullptr);  // Checked when the file was loaded.
  return {std::move(tenant), zone};
}

Result<std::vector<TenantContext>> Tenants::Active(uint16_t source) {
  TW_ASSIGN_OR_RETURN(auto tenants, effects_.ActiveTenants(source));
  std::vector<TenantContext> contexts;
  for (Tenant& tenant : tenants) contexts.push_back(WithZone(source, std::move(tenant)));
  return contexts;
}

void Tenants::Forget() {
  for (auto& cache : cache_) cache.clear();
}

}  // namespace tw::ingest
