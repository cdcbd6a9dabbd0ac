#include "ingest/poll/fallback.h"

#include <algorithm>

namespace tw::ingest {

bool Fallback::Check(const std::string& tenant, const Seen& seen, WallTime now) {
  auto [found, is_new] = tenants_.try_emplace(tenant);
  Entry& entry = found->second;
  if (is_new) entry.known_since = now;
  const bool left = entry.state == State::kPolling &&
                    seen.deliveries - std::min(seen.deliveries, entry.deliveries_at_entry) >=
                        plan_.leave_after;
  if (left) entry.state = State::kPushed;
  const WallTime heard = std::max(seen.last_webhook_at.value_or(WallTime{}),
                                  seen.last_webhook_at ? WallTime{} : entry.known_since);
  if (entry.state == State::kPushed && !left && now - heard > plan_.quiet_after) {
    entry.state = State::kPolling;
    entry.deliveries_at_entry = seen.deliveries;
  }
  const bool due = entry.state == State::kPolling || !entry.looked ||
                   now - *entry.looked >= plan_.also_every;
  if (due) entry.looked = now;
  return due;
}

Fallback::State Fallback::StateOf(const std::string& tenant) const {
  const auto found = tenants_.find(tenant);
  return found == tenants_.end() ? State::kPushed : found->second.state;
}

}  // namespace tw::ingest
