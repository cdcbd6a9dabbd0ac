#include "query/live/front.h"

#include <algorithm>
#include <utility>

namespace tw::query {

std::string_view ToString(CacheOutcome outcome) {
  switch (outcome) {
    case CacheOutcome::kHit: return "hit";
    case CacheOutcome::kStale: return "stale";
    case CacheOutcome::kMiss: return "miss";
    case CacheOutcome::kCoalesced: return "coalesced";
    case CacheOutcome::kError: return "error";
  }
  return "miss";
}

FrontMetrics::FrontMetrics(telemetry::Registry& registry) {
  for (int i = 0; i < 5; ++i) {
    reads[i] = &registry.GetCounter("tidewire_query_reads_total",
                                    "Reads of named queries, by how they were answered.",
                                    {{"cache", std::string(ToString(static_cast<CacheOutcome>(i)))}});
  }
}

Front::Front(QueryCataloguePtr catalogue, Position head, HubPort& hub, const Clock& clock,
             FrontMetrics& metrics)
    : catalogue_(std::move(catalogue)),
      hub_(hub),
      clock_(clock),
      metrics_(metrics),
      marked_(head),
      settled_(head) {}

CallResult<std::shared_ptr<const Rights>> Front::RightsFor(const NamedQuery& query,
                                                           const ClaimsPtr& claims) {
  const RightsKey key{claims.get(), query.index};
  if (const auto known = rights_.find(key); known != rights_.end()) return known->second.rights;
  auto rights = RightsOf(*catalogue_, query, *claims);
  if (!rights) return std::unexpected(std::move(rights.error()));
  // Forgetting all at once is cheap: what is in use comes back with its next read.
  if (rights_.size() >= kRightsMax) rights_.clear();
  auto shared = std::make_shared<const Rights>(std::move(*rights));
  rights_.emplace(key, Remembered{claims, shared});
  return shared;
}

bool Front::Usable(const Entry& entry, uint64_t min_offset) const {
  if (entry.snapshot == nullptr || entry.dirty || entry.error) return false;
  return std::max(entry.snapshot->position.offset, marked_.offset) >= min_offset;
}

// A clean result is true as far as changes were looked at.
Position Front::TrueAt(const Entry& entry) const {
  const Position own = entry.snapshot->position;
  if (entry.dirty || entry.call->query->reads.time_dependent) return own;
  return own.offset >= marked_.offset ? own : marked_;
}

void Front::Fail(Done& done, std::string code, std::string message) {
  Count(CacheOutcome::kError);
  ReadAnswer answer{.outcome = CacheOutcome::kError};
  answer.error = CallError{std::move(code), std::move(message), ""};
  done(std::move(answer));
}

void Front::Read(const CallPtr& call, std::optional<Position> min_position, Done done) {
  uint64_t min_offset = 0;
  if (min_position) {
    if (min_position->epoch != marked_.epoch) {
      return Fail(done, "epoch_changed", "Min-Position belongs to another database");
    }
    min_offset = min_position->offset;
  }
  if (waiting_ >= kWaitingMax) return Fail(done, "busy", "too many reads are waiting");
  const MonoTime now = clock_.Mono();
  if (min_offset > marked_.offset) {
    // The hub has not seen that position: it may still find changes before it.
    ++waiting_;
    later_.emplace(min_offset, Later{call, {min_offset, now, false, std::move(done)}});
    return;
  }
  Entry& entry = FindOrAdd(call);
  if (Usable(entry, min_offset)) {
    const QueryCacheConfig& cache = call->query->cache;
    const auto age = now - entry.snapshot->fetched;
    if (age < cache.ttl + cache.stale_max) {
      const bool fresh = age < cache.ttl;
      ++entry.hits;
      if (!fresh && !std::exchange(entry.asked, true)) hub_.Ask(call, 0);
      ReadAnswer answer{.outcome = fresh ? CacheOutcome::kHit : CacheOutcome::kStale,
                        .snapshot = entry.snapshot,
                        .position = TrueAt(entry)};
      Count(answer.outcome);
      return done(std::move(answer));
    }
  }
  Ask(entry, {min_offset, now, entry.waiting.empty(), std::move(done)});
}

Front::Entry& Front::FindOrAdd(const CallPtr& call) {
  const auto [at, added] = entries_.try_emplace(call->key);
  if (added) at->second.call = call;
  return at->second;
}

void Front::Ask(Entry& entry, Waiting waiting) {
  ++waiting_;
  // An execution from before a change that is known to concern it is no answer.
  // While executions fail, older rows with the error are better than none.
  if (entry.dirty && !entry.error) waiting.min_offset = std::max(waiting.min_offset, entry.dirty_offset);
  const uint64_t min_offset = waiting.min_offset;
  entry.waiting.push_back(std::move(waiting));
  if (entry.asked && min_offset == 0) return;
  entry.asked = true;
  hub_.Ask(entry.call, min_offset);
}

void Front::OnDelivery(DeliveryPtr delivery) {
  Entry& entry = FindOrAdd(delivery->call);
  if (entry.id == 0) {
    entry.id = delivery->id;
    by_id_[entry.id] = &entry;
  }
  entry.snapshot = delivery->snapshot;
  entry.error = delivery->error;
  entry.dirty = delivery->dirty;
  entry.asked = false;
  if (entry.watched && follower_ != nullptr) follower_->OnDelivery(*delivery);
  Answer(entry);
}

// Everyone who waits and is served by what is here now.
void Front::Answer(Entry& entry) {
  const MonoTime now = clock_.Mono();
  std::vector<Waiting> ready;
  std::erase_if(entry.waiting, [&](Waiting& waiting) {
    const bool served =
        entry.error || (entry.snapshot != nullptr &&
                        entry.snapshot->position.offset >= waiting.min_offset);
    if (served) ready.push_back(std::move(waiting));
    return served;
  });
  waiting_ -= ready.size();
  const QueryCacheConfig& cache = entry.call->query->cache;
  for (Waiting& waiting : ready) {
    ReadAnswer answer{.snapshot = entry.snapshot, .error = entry.error};
    if (answer.snapshot != nullptr) answer.position = answer.snapshot->position;
    if (!entry.error) {
      // Another loop's clients may have had it executed before this one was asked for it.
      answer.outcome = answer.snapshot->fetched < waiting.asked ? CacheOutcome::kHit
                       : waiting.first                          ? CacheOutcome::kMiss
                                                                : CacheOutcome::kCoalesced;
    } else {
      answer.outcome = CacheOutcome::kError;
      // Older rows only where they are not too old, and not from before what was asked for.
      if (answer.snapshot != nullptr &&
          (now - answer.snapshot->fetched >= cache.ttl + cache.stale_max ||
           answer.position.offset < waiting.min_offset)) {
        answer.snapshot = nullptr;
      }
    }
    Count(answer.outcome);
    waiting.done(std::move(answer));
  }
}

void Front::OnProgress(const std::vector<EntryId>& dirty, Position marked, Position settled) {
  for (const EntryId id : dirty) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) continue;
    found->second->dirty = true;
    found->second->dirty_offset = marked.offset;
  }
  marked_ = marked;
  while (!later_.empty() && later_.begin()->first <= marked_.offset) {
    Later later = std::move(later_.begin()->second);
    later_.erase(later_.begin());
    --waiting_;
    Read(later.call, Position{marked_.epoch, later.waiting.min_offset},
         std::move(later.waiting.done));
  }
  const bool moved = settled.offset > settled_.offset;
  settled_ = settled;
  if (moved && follower_ != nullptr) follower_->OnSettled(settled_);
}

void Front::OnDrop(EntryId id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  Entry& entry = *found->second;
  by_id_.erase(found);
  if (entry.waiting.empty() && !entry.watched) {
    entries_.erase(std::string(entry.call->key));
    return;
  }
  // Asked for meanwhile: the hub makes a new one for it.
  entry.id = 0;
  entry.snapshot = nullptr;
}

void Front::OnReset(QueryCataloguePtr catalogue, Position head) {
  const bool same_history = head.epoch == marked_.epoch;
  if (catalogue != nullptr) catalogue_ = std::move(catalogue);
  rights_.clear();
  by_id_.clear();
  marked_ = head;
  settled_ = head;
  std::vector<Done> old;
  if (!same_history) {
    for (auto& [offset, later] : later_) old.push_back(std::move(later.waiting.done));
    waiting_ -= later_.size();
    later_.clear();
  }
  std::erase_if(entries_, [](const auto& item) { return item.second.waiting.empty(); });
  for (auto& [key, entry] : entries_) {
    // Asked before: still answered, with rows of now.
    Entry fresh{.call = std::move(entry.call), .asked = true, .waiting = std::move(entry.waiting)};
    entry = std::move(fresh);
    for (Waiting& waiting : entry.waiting) {
      if (!same_history) waiting.min_offset = 0;
      hub_.Ask(entry.call, waiting.min_offset);
    }
  }
  for (Done& done : old) Fail(done, "epoch_changed", "Min-Position belongs to another database");
  if (follower_ != nullptr) follower_->OnReset();
}

void Front::Watch(const CallPtr& call) {
  Entry& entry = FindOrAdd(call);
  if (std::exchange(entry.watched, true)) return;
  hub_.Watch(call);
}

void Front::Unwatch(const std::string& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end() || !std::exchange(found->second.watched, false)) return;
  hub_.Unwatch(found->second.call);
}

SnapshotPtr Front::Current(const std::string& key) const {
  const auto found = entries_.find(key);
  if (found == entries_.end() || !Usable(found->second, 0) || found->second.id == 0) return nullptr;
  return found->second.snapshot;
}

void Front::Tick() {
  const MonoTime now = clock_.Mono();
  std::vector<Done> late;
  for (auto at = later_.begin(); at != later_.end();) {
    if (now < at->second.waiting.asked + kPositionWaitMax) {
      ++at;
      continue;
    }
    late.push_back(std::move(at->second.waiting.done));
    at = later_.erase(at);
    --waiting_;
  }
  for (auto& [id, entry] : by_id_) {
    if (const uint64_t hits = std::exchange(entry->hits, 0)) hub_.Touch(id, hits);
  }
  for (Done& done : late) {
    Fail(done, "position_not_reached", "the log has not reached Min-Position");
  }
}

}  // namespace tw::query
