#include "ingest/apply/day_book.h"

#include <algorithm>

namespace tw::ingest {

Status DayBook::Load() {
  tenants_.assign(sources_.size(), {});
  const auto index_of = [&](std::string_view name) {
    return static_cast<size_t>(
        std::ranges::find_if(sources_, [&](const auto& source) { return source->name == name; }) -
        sources_.begin());
  };
  // Sources that are not configured now keep what they have in the database.
  TW_ASSIGN_OR_RETURN(const auto sealed, effects_->SealedTenants());
  for (const SealedTenant& tenant : sealed) {
    const size_t source = index_of(tenant.source);
    if (source == sources_.size()) continue;
    Of(static_cast<uint16_t>(source), tenant.tenant).sealed_before = tenant.day;
  }
  TW_ASSIGN_OR_RETURN(const auto targets, effects_->DayTargets());
  for (const DayTarget& target : targets) {
    const size_t source = index_of(target.source);
    if (source == sources_.size()) continue;
    Of(static_cast<uint16_t>(source), target.tenant).followed[{target.metric, target.day}] = {
        target.total, target.sign};
  }
  TW_ASSIGN_OR_RETURN(const auto zones, effects_->Zones());
  for (const ZonedTenant& zoned : zones) {
    const size_t source = index_of(zoned.source);
    if (source == sources_.size()) continue;
    Of(static_cast<uint16_t>(source), zoned.tenant).zone = zoned.zone;
  }
  return {};
}

const DayBook::TenantDays* DayBook::Find(uint16_t source, std::string_view tenant) const {
  if (source >= tenants_.size()) return nullptr;
  const auto found = tenants_[source].find(tenant);
  return found == tenants_[source].end() ? nullptr : &found->second;
}

DayBook::TenantDays& DayBook::Of(uint16_t source, std::string_view tenant) {
  return tenants_[source][std::string(tenant)];
}

std::string_view DayBook::SealedBefore(uint16_t source, std::string_view tenant) const {
  const TenantDays* days = Find(source, tenant);
  return days == nullptr ? std::string_view() : std::string_view(days->sealed_before);
}

// Dates are written so that texts compare as they do.
bool DayBook::IsSealed(uint16_t source, std::string_view tenant, std::string_view day) const {
  return day < SealedBefore(source, tenant);
}

Status DayBook::Seal(uint16_t source, std::string_view tenant, std::string_view day) {
  if (day <= SealedBefore(source, tenant)) return {};
  const std::string& name = sources_[source]->name;
  TW_RETURN_IF_ERROR(effects_->Seal({name, std::string(tenant), std::string(day)}));
  TW_RETURN_IF_ERROR(effects_->RemoveTargets(name, tenant, day));
  TenantDays& days = Of(source, tenant);
  days.sealed_before = day;
  std::erase_if(days.followed, [&](const auto& entry) { return entry.first.second < day; });
  return {};
}

Result<int64_t> DayBook::Write(uint16_t source, std::span<const Value> key, std::string_view metric,
                               std::string_view day, const DayCount& count,
                               const Followed& followed) {
  const int64_t gap = followed.total - count.facts;
  const int64_t wanted = followed.sign > 0   ? std::max<int64_t>(gap, 0)
                         : followed.sign < 0 ? std::min<int64_t>(gap, 0)
                                             : 0;
  if (wanted == count.adjusted) return int64_t{0};
  TW_RETURN_IF_ERROR(effects_->WriteAdjusted(source, key, metric, day, wanted));
  return wanted - count.adjusted;
}

Result<int64_t> DayBook::Settle(uint16_t source, std::string_view tenant,
                                std::span<const Value> key, std::string_view metric,
                                std::string_view day) {
  const TenantDays* days = Find(source, tenant);
  if (days == nullptr || days->followed.empty()) return int64_t{0};
  const auto found = days->followed.find({std::string(metric), std::string(day)});
  if (found == days->followed.end()) return int64_t{0};
  TW_ASSIGN_OR_RETURN(const DayCount count, effects_->ReadDay(source, key, metric, day));
  return Write(source, key, metric, day, count, found->second);
}

Result<int64_t> DayBook::Follow(uint16_t source, std::string_view tenant,
                                std::span<const Value> key, std::string_view metric,
                                std::string_view day, int64_t total, WallTime now) {
  TW_ASSIGN_OR_RETURN(const DayCount count, effects_->ReadDay(source, key, metric, day));
  const Followed followed{total, total > count.facts ? 1 : total < count.facts ? -1 : 0};
  TW_RETURN_IF_ERROR(effects_->WriteTarget({.source = sources_[source]->name,
                                            .tenant = std::string(tenant),
                                            .metric = std::string(metric),
                                            .day = std::string(day),
                                            .total = total,
                                            .sign = followed.sign},
                                           now));
  auto& all = Of(source, tenant).followed;
  if (followed.sign == 0) {
    all.erase({std::string(metric), std::string(day)});
  } else {
    all[{std::string(metric), std::string(day)}] = followed;
  }
  return Write(source, key, metric, day, count, followed);
}

std::string_view DayBook::ZoneOf(uint16_t source, std::string_view tenant) const {
  const TenantDays* days = Find(source, tenant);
  return days == nullptr ? std::string_view() : std::string_view(days->zone);
}

Status DayBook::SetZone(uint16_t source, std::string_view tenant, std::string_view zone) {
  TW_RETURN_IF_ERROR(
      effects_->WriteZone({sources_[source]->name, std::string(tenant), std::string(zone)}));
  Of(source, tenant).zone = zone;
  return {};
}

}  // namespace tw::ingest
