#include "query/live/hub.h"

#include <algorithm>

#include "base/check.h"
#include "crypto/encoding.h"
#include "crypto/hash.h"
#include "json/json.h"
#include "telemetry/log.h"

namespace tw::query {
namespace {

constexpr size_t kReasonsMax = 1'000;

std::string RowKey(const Change& change) {
  const Row& row = change.op == ChangeOp::kDelete ? change.old_row : change.new_row;
  std::string out = "[";
  for (const uint16_t column : change.relation->key) {
    if (out.size() > 1) out.push_back(',');
    AppendJson(out, row[column], change.relation->columns[column].type);
  }
  return out + "]";
}

}  // namespace

HubMetrics::HubMetrics(telemetry::Registry& r)
    : entries(r.GetGauge("tidewire_query_entries", "Results of named queries in memory.")),
      bytes(r.GetGauge("tidewire_query_cache_bytes", "Their size.")),
      followed(r.GetGauge("tidewire_query_followed", "Results that clients follow.")),
      waiting(r.GetGauge("tidewire_query_waiting", "Executions that wait for their turn.")),
      executions(r.GetCounter("tidewire_query_executions_total", "Executions of named queries.")),
      failures(r.GetCounter("tidewire_query_failures_total", "Executions that failed.")),
      reruns(r.GetCounter("tidewire_query_reruns_total",
                          "Executions because a change concerned a result.")),
      reruns_unchanged(r.GetCounter("tidewire_query_reruns_unchanged_total",
                                    "Of these, those that found the same rows.")),
      missed(r.GetCounter("tidewire_invalidation_missed_total",
                          "Results that changed though no change concerned them; must be 0.")),
      evicted(r.GetCounter("tidewire_query_evicted_total",
                           "Results that left the memory at query.cache_max.")),
      prefetch_due(r.GetCounter("tidewire_query_prefetch_total",
                                "Refreshes of used results before their ttl, by outcome.",
                                {{"outcome", "due"}})),
      prefetch_succeeded(r.GetCounter("tidewire_query_prefetch_total",
                                      "Refreshes of used results before their ttl, by outcome.",
                                      {{"outcome", "in_time"}})),
      execution_seconds(
          r.GetHistogram("tidewire_query_execution_seconds", "Time of an execution.")) {}

Hub::Hub(const HubLimits& limits, Position head, size_t loops, LoopPort& port, Executor& executor,
         const Clock& clock, Random& random, telemetry::Registry& metrics)
    : limits_(limits),
      loops_(loops),
      port_(port),
      executor_(executor),
      clock_(clock),
      random_(random),
      metrics_(metrics),
      marked_(head),
      settled_(head) {
  TW_CHECK(loops <= kLoopsMax);
}

Hub::Entry& Hub::FindOrAdd(const CallPtr& call) {
  if (const auto known = by_key_.find(call->key); known != by_key_.end()) {
    return *entries_.find(known->second)->second;
  }
  const EntryId id = next_id_++;
  auto owned = std::make_unique<Entry>();
  Entry& entry = *owned;
  entry.id = id;
  entry.call = call;
  entry.last_read = clock_.Mono();
  entries_.emplace(id, std::move(owned));
  by_key_.emplace(entry.call->key, id);
  entry.used = used_.insert(used_.end(), id);
  index_.Add(id, call->query->reads, call->bound);
  Account(entry, sizeof(Entry) + call->key.size() + 512);
  metrics_.entries.Set(static_cast<int64_t>(entries_.size()));
  return entry;
}

bool Hub::Fresh(const Entry& entry) const {
  return entry.snapshot != nullptr && entry.dirty_at == 0 && !entry.error &&
         clock_.Mono() - entry.snapshot->fetched < entry.call->query->cache.ttl;
}

void Hub::Ask(size_t loop, CallPtr call, uint64_t min_offset) {
  Entry& entry = FindOrAdd(call);
  entry.holders.set(loop);
  entry.last_read = clock_.Mono();
  entry.read_since_fetch = true;
  used_.splice(used_.end(), used_, entry.used);
  const bool recent =
      entry.snapshot != nullptr &&
      std::max(entry.snapshot->position.offset, marked_.offset) >= min_offset;
  if (Fresh(entry) && recent) {
    ++entry.hits;
    port_.Deliver(loop, CurrentOf(entry));
  } else if (entry.error && clock_.Mono() < entry.error_until) {
    port_.Deliver(loop, CurrentOf(entry));
  } else {
    ++entry.misses;
    entry.asking.set(loop);
    entry.wanted_offset = std::max(entry.wanted_offset, min_offset);
    Want(entry, Why::kRead);
  }
  entry.report = true;
  Plan(entry);
  Evict();
}

void Hub::Watch(size_t loop, CallPtr call) {
  Entry& entry = FindOrAdd(call);
  if (entry.watchers.none()) metrics_.followed.Add(1);
  if (entry.dirty_at != 0) unsettled_.insert(entry.id);
  entry.watchers.set(loop);
  entry.holders.set(loop);
  entry.last_read = clock_.Mono();
  used_.splice(used_.end(), used_, entry.used);
  if (Fresh(entry) || (entry.error && clock_.Mono() < entry.error_until)) {
    port_.Deliver(loop, CurrentOf(entry));
  } else {
    entry.asking.set(loop);
    Want(entry, Why::kRead);
  }
  Plan(entry);
  Evict();
}

void Hub::Unwatch(size_t loop, const std::string& key) {
  const auto known = by_key_.find(key);
  if (known == by_key_.end()) return;
  Entry& entry = *entries_.find(known->second)->second;
  if (!entry.watchers.test(loop)) return;
  entry.watchers.reset(loop);
  if (entry.watchers.none()) {
    metrics_.followed.Add(-1);
    unsettled_.erase(entry.id);
  }
  entry.last_read = clock_.Mono();
  Plan(entry);
}

void Hub::Touch(EntryId id, uint64_t hits) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  Entry& entry = *found->second;
  entry.hits += hits;
  entry.last_read = clock_.Mono();
  entry.read_since_fetch = true;
  entry.report = true;
  used_.splice(used_.end(), used_, entry.used);
  Plan(entry);
}

void Hub::Want(Entry& entry, Why why) {
  if (entry.running || entry.queued) return;  // OnDone looks again.
  entry.why = why;
  const MonoTime now = clock_.Mono();
  if (entry.error && now < entry.error_until) return Plan(entry);
  if (why == Why::kEvent && now - entry.last_start < limits_.rerun_interval) return Plan(entry);
  Enqueue(entry);
}

void Hub::Enqueue(Entry& entry) {
  entry.queued = true;
  auto& line = waiting_[entry.call->auth_class];
  if (line.empty()) turns_.push_back(entry.call->auth_class);
  line.push_back(entry.id);
  metrics_.waiting.Add(1);
  StartWaiting();
}

void Hub::StartWaiting() {
  while (running_ < limits_.executions_parallel_max && !turns_.empty()) {
    const std::string turn = std::move(turns_.front());
    turns_.pop_front();
    const auto line = waiting_.find(turn);
    const EntryId id = line->second.front();
    line->second.pop_front();
    metrics_.waiting.Add(-1);
    if (line->second.empty()) {
      waiting_.erase(line);
    } else {
      turns_.push_back(turn);
    }
    if (const auto found = entries_.find(id); found != entries_.end()) Start(*found->second);
  }
}

void Hub::Start(Entry& entry) {
  entry.queued = false;
  entry.running = true;
  entry.last_start = clock_.Mono();
  ++running_;
  if (entry.why == Why::kPrefetch) ++entry.prefetches;
  metrics_.executions.Add();
  executor_.Submit(entry.call, [this, id = entry.id](CallResult<Execution> result) {
    OnDone(id, std::move(result));
  });
}

void Hub::OnDone(EntryId id, CallResult<Execution> result) {
  --running_;
  const auto found = entries_.find(id);
  if (found != entries_.end()) {
    Entry& entry = *found->second;
    entry.running = false;
    entry.report = true;
    CallLog log{.query = entry.call->query->name,
                .arguments = entry.call->arguments_json,
                .at = clock_.Wall(),
                .status = result ? "ok" : result.error().code};
    static constexpr const char* kWhy[] = {"read", "event", "prefetch", "retry"};
    log.reason = kWhy[static_cast<int>(entry.why)];
    if (result) {
      log.took = result->took;
      log.rows = result->rows->rows.size();
      log.bytes = result->rows->json.size();
      metrics_.execution_seconds.Observe(result->took);
      OnResult(entry, std::move(*result));
    } else {
      log.error = result.error().message;
      OnError(entry, std::move(result.error()));
    }
    if (call_logs_.size() < limits_.log_rows_max) call_logs_.push_back(std::move(log));
  }
  StartWaiting();
  SettleAndTell({});
  Evict();
}

void Hub::OnResult(Entry& entry, Execution execution) {
  const bool changed =
      entry.snapshot == nullptr || entry.snapshot->rows->version != execution.rows->version;
  if (entry.why == Why::kEvent) {
    metrics_.reruns.Add();
    if (!changed) metrics_.reruns_unchanged.Add();
  }
  const MonoTime now = clock_.Mono();
  if (entry.why == Why::kPrefetch && entry.snapshot != nullptr &&
      now - entry.snapshot->fetched < entry.call->query->cache.ttl) {
    metrics_.prefetch_succeeded.Add();
  }
  // Only what a followed table's change explains may differ; judged when the log is read so far.
  if (changed && entry.snapshot != nullptr && entry.dirty_at == 0 &&
      !entry.call->query->reads.time_dependent && !entry.call->query->reads.is_volatile &&
      execution.position.offset >= entry.snapshot->position.offset) {
    entry.suspect = execution.position.offset;
    suspects_.push_back(entry.id);
  }
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->rows = changed ? std::move(execution.rows) : entry.snapshot->rows;
  snapshot->position = execution.position;
  snapshot->fetched_at = clock_.Wall();
  snapshot->fetched = now;
  auto delivery = std::make_shared<Delivery>();
  delivery->id = entry.id;
  delivery->call = entry.call;
  const bool by_rows = entry.call->query->live == LiveMode::kRows;
  if (entry.snapshot != nullptr) {
    snapshot->history = entry.snapshot->history;
    if (changed) {
      const RowSetPtr& before = entry.snapshot->rows;
      delivery->from = before->version;
      if (by_rows && entry.watchers.any() && before->keyed && snapshot->rows->keyed) {
        delivery->diff = DiffMembers(*before, *snapshot->rows);
      }
      if (by_rows) snapshot->history.insert(snapshot->history.begin(), before);
      if (snapshot->history.size() > limits_.history_max) {
        snapshot->history.resize(limits_.history_max);
      }
    }
  }
  size_t bytes = sizeof(Entry) + entry.call->key.size() + 512 + snapshot->rows->bytes();
  for (const auto& old : snapshot->history) bytes += old->bytes();
  Account(entry, bytes);
  delivery->snapshot = snapshot;
  entry.snapshot = std::move(snapshot);
  entry.error.reset();
  entry.error_hold = {};
  entry.read_since_fetch = entry.asking.any();
  entry.prefetch_counted = false;
  if (entry.dirty_at <= entry.snapshot->position.offset) {
    entry.dirty_at = 0;
    unsettled_.erase(entry.id);
  }
  delivery->dirty = entry.dirty_at != 0;
  Send(entry, std::move(delivery));
  const bool behind = entry.snapshot->position.offset < entry.wanted_offset;
  if (!behind) entry.wanted_offset = 0;
  if (entry.dirty_at != 0 || behind) Want(entry, Why::kEvent);
  Plan(entry);
}

void Hub::OnError(Entry& entry, CallError error) {
  metrics_.failures.Add();
  if (entry.why == Why::kPrefetch) ++entry.prefetch_failures;
  entry.error_hold = entry.error_hold.count() == 0
                         ? limits_.error_hold
                         : std::min(entry.error_hold * 2, limits_.error_hold_max);
  // Jitter: what failed together must not come back together.
  entry.error_until = clock_.Mono() + entry.error_hold +
                      std::chrono::milliseconds(random_.Below(
                          static_cast<uint64_t>(entry.error_hold.count() / 4 + 1)));
  entry.error = std::move(error);
  Send(entry, CurrentOf(entry));
  Plan(entry);
}

DeliveryPtr Hub::CurrentOf(const Entry& entry) const {
  auto delivery = std::make_shared<Delivery>();
  delivery->id = entry.id;
  delivery->call = entry.call;
  delivery->snapshot = entry.snapshot;
  delivery->error = entry.error;
  delivery->dirty = entry.dirty_at != 0;
  return delivery;
}

void Hub::Send(Entry& entry, DeliveryPtr delivery) {
  entry.asking.reset();
  for (size_t loop = 0; loop < loops_; ++loop) {
    if (entry.holders.test(loop)) port_.Deliver(loop, delivery);
  }
}

void Hub::OnBatch(const Batch& batch) {
  std::vector<EntryId> dirty;
  std::vector<EntryId> affected;
  for (const Change& change : batch.changes) {
    affected.clear();
    index_.FindAffected(change, affected);
    for (const EntryId id : affected) {
      Entry& entry = *entries_.find(id)->second;
      if (change.offset <= entry.suspect) entry.suspect = 0;  // Explained.
      if (entry.snapshot != nullptr && change.offset <= entry.snapshot->position.offset) continue;
      if (entry.dirty_at == 0) dirty.push_back(id);
      MarkDirty(entry, change);
    }
  }
  marked_ = batch.position;
  CheckSuspects();
  for (const EntryId id : dirty) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) continue;
    Entry& entry = *found->second;
    const bool in_use = entry.watchers.any() || entry.asking.any() || entry.read_since_fetch;
    if (in_use) {
      Want(entry, Why::kEvent);
    } else if (!entry.running && !entry.queued) {
      Drop(entry);
    }
  }
  SettleAndTell(std::move(dirty));
}

void Hub::Reset(QueryCataloguePtr catalogue, Position head) {
  while (!entries_.empty()) Drop(*entries_.begin()->second);
  suspects_.clear();
  marked_ = head;
  settled_ = head;
  for (size_t loop = 0; loop < loops_; ++loop) port_.Reset(loop, catalogue, head);
}

void Hub::MarkDirty(Entry& entry, const Change& change) {
  Remember(entry, change);
  entry.dirty_at = change.offset;
  if (entry.watchers.any()) unsettled_.insert(entry.id);
}

void Hub::Remember(const Entry& entry, const Change& change) {
  if (reasons_.size() == kReasonsMax) reasons_.pop_front();
  reasons_.push_back({.position = {marked_.epoch, change.offset},
                      .table = change.relation->table,
                      .operation = std::string(ToString(change.op)),
                      .row_key = RowKey(change),
                      .rule = index_.Explain(change, entry.id),
                      .query = entry.call->query->name,
                      .arguments = entry.call->arguments_json});
}

void Hub::CheckSuspects() {
  std::erase_if(suspects_, [this](EntryId id) {
    const auto found = entries_.find(id);
    if (found == entries_.end() || found->second->suspect == 0) return true;
    Entry& entry = *found->second;
    if (entry.suspect > marked_.offset) return false;
    entry.suspect = 0;
    metrics_.missed.Add();
    telemetry::Log(telemetry::Level::kError, "InvalidationMissed",
                   "a result changed though no change of its tables concerned it; please report"
                   " this query",
                   {{"query", entry.call->query->name}});
    return true;
  });
}

// All followed results are true up to `settled`: below it no execution is owed.
void Hub::SettleAndTell(std::vector<EntryId> dirty) {
  uint64_t settled = marked_.offset;
  for (const EntryId id : unsettled_) {
    const Entry& entry = *entries_.find(id)->second;
    // One that waits for its first rows may still get them from before the change.
    settled = std::min(settled, entry.snapshot == nullptr ? settled_.offset
                                                          : entry.snapshot->position.offset);
  }
  if (dirty.empty() && settled == settled_.offset) return;
  settled_ = {marked_.epoch, std::max(settled, settled_.offset)};
  const auto shared = std::make_shared<const std::vector<EntryId>>(std::move(dirty));
  for (size_t loop = 0; loop < loops_; ++loop) port_.Progress(loop, shared, marked_, settled_);
}

// When the entry is to be looked at again.
void Hub::Plan(Entry& entry) {
  if (entry.due) {
    const auto [first, last] = due_.equal_range(*entry.due);
    for (auto it = first; it != last; ++it) {
      if (it->second != entry.id) continue;
      due_.erase(it);
      break;
    }
    entry.due.reset();
  }
  if (entry.running || entry.queued) return;
  const QueryCacheConfig& cache = entry.call->query->cache;
  const bool watched = entry.watchers.any();
  MonoTime due = MonoTime::max();
  if (!watched) due = entry.last_read + cache.idle_after;
  if (entry.error) {
    if (watched || entry.asking.any()) due = std::min(due, entry.error_until);
  } else if (entry.dirty_at != 0 || entry.wanted_offset != 0) {
    if (watched || entry.asking.any() || entry.read_since_fetch) {
      due = std::min(due, entry.last_start + limits_.rerun_interval);
    }
  } else if (entry.snapshot != nullptr && (watched || entry.read_since_fetch)) {
    due = std::min(due, entry.snapshot->fetched + cache.ttl - cache.prefetch_before);
  }
  if (due == MonoTime::max()) return;
  entry.due = due;
  due_.emplace(due, entry.id);
}

void Hub::Tick() {
  const MonoTime now = clock_.Mono();
  while (!due_.empty() && due_.begin()->first <= now) {
    const auto first = due_.begin();
    Entry& entry = *entries_.find(first->second)->second;
    due_.erase(first);
    entry.due.reset();
    OnDue(entry);
  }
}

void Hub::OnDue(Entry& entry) {
  const MonoTime now = clock_.Mono();
  const QueryCacheConfig& cache = entry.call->query->cache;
  const bool watched = entry.watchers.any();
  if (!watched && entry.asking.none() && now >= entry.last_read + cache.idle_after) {
    return Drop(entry);
  }
  if (entry.error) {
    Want(entry, Why::kRetry);
  } else if (entry.dirty_at != 0 || entry.wanted_offset != 0) {
    Want(entry, Why::kEvent);
  } else if (entry.snapshot != nullptr &&
             now >= entry.snapshot->fetched + cache.ttl - cache.prefetch_before) {
    if (!std::exchange(entry.prefetch_counted, true)) metrics_.prefetch_due.Add();
    Want(entry, Why::kPrefetch);
  }
  if (!entry.running && !entry.queued && !entry.due) Plan(entry);
}

std::optional<MonoTime> Hub::NextDue() const {
  return due_.empty() ? std::nullopt : std::optional(due_.begin()->first);
}

void Hub::Account(Entry& entry, size_t bytes) {
  bytes_ += bytes - entry.bytes;
  entry.bytes = bytes;
  metrics_.bytes.Set(static_cast<int64_t>(bytes_));
}

void Hub::Drop(Entry& entry) {
  const EntryId id = entry.id;
  for (size_t loop = 0; loop < loops_; ++loop) {
    if (entry.holders.test(loop)) port_.Drop(loop, id);
  }
  if (dropped_rows_.size() < limits_.log_rows_max) {
    CacheRow row{.query = entry.call->query->name, .arguments = entry.call->arguments_json};
    row.auth_class = crypto::EncodeHex(crypto::Sha256(entry.call->auth_class).view().substr(0, 8));
    row.dropped = true;
    dropped_rows_.push_back(std::move(row));
  }
  if (entry.due) {
    const auto [first, last] = due_.equal_range(*entry.due);
    for (auto it = first; it != last; ++it) {
      if (it->second != id) continue;
      due_.erase(it);
      break;
    }
  }
  if (entry.watchers.any()) metrics_.followed.Add(-1);
  Account(entry, 0);
  unsettled_.erase(id);
  index_.Remove(id);
  used_.erase(entry.used);
  by_key_.erase(entry.call->key);
  entries_.erase(id);
  metrics_.entries.Set(static_cast<int64_t>(entries_.size()));
}

void Hub::Evict() {
  auto at = used_.begin();
  while (at != used_.end() &&
         (bytes_ > limits_.cache_bytes_max || entries_.size() > limits_.entries_max)) {
    Entry& entry = *entries_.find(*at++)->second;
    if (entry.watchers.any() || entry.asking.any() || entry.running || entry.queued) continue;
    metrics_.evicted.Add();
    Drop(entry);
  }
}

std::vector<CallLog> Hub::TakeCallLogs() { return std::exchange(call_logs_, {}); }

std::vector<CacheRow> Hub::TakeCacheRows() {
  std::vector<CacheRow> rows = std::exchange(dropped_rows_, {});
  for (const auto& [id, entry] : entries_) {
    if (!std::exchange(entry->report, false) || entry->snapshot == nullptr) continue;
    CacheRow row{.query = entry->call->query->name, .arguments = entry->call->arguments_json};
    row.auth_class =
        crypto::EncodeHex(crypto::Sha256(entry->call->auth_class).view().substr(0, 8));
    row.fetched_at = entry->snapshot->fetched_at;
    row.expires_at = entry->snapshot->fetched_at + entry->call->query->cache.ttl;
    row.position = entry->snapshot->position;
    row.hits = entry->hits;
    row.misses = entry->misses;
    row.prefetches = entry->prefetches;
    row.prefetch_failures = entry->prefetch_failures;
    row.bytes = entry->bytes;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace tw::query
