#include "ingest/apply/batch.h"

#include <algorithm>

#include "crypto/hash.h"
#include "ingest/webhook/endpoint.h"
#include "ingest/webhook/form.h"
#include "json/json.h"

namespace tw::ingest {
namespace {

constexpr size_t kHashBytes = 16;
constexpr int kReleasedMax = 1'000;  // Parked events read at a time.

bool IsPermanent(const Error& error) {
  return error.code == ErrorCode::kInvalidArgument;
}

std::string_view SignedIdOf(const DeliveryView& delivery) {
  for (const auto& [name, value] : delivery.headers) {
    if (name == kSignedIdHeader) return value;
  }
  return {};
}

// The id of an event within its channel: what the sender signed, else its bytes.
std::string PrivateId(std::string_view signed_id, std::string_view bytes, uint32_t index,
                      size_t events) {
  if (!signed_id.empty()) {
    std::string id(signed_id);
    if (events > 1) id += ":" + std::to_string(index);
    return id;
  }
  return std::string(crypto::Sha256(bytes).view().substr(0, kHashBytes));
}

std::string BytesOf(const mapping::Selected& event, std::string_view body, size_t events) {
  return events == 1 ? std::string(body) : event.item.ToText();
}

std::string StatusText(const EventResult& result) {
  switch (result.status) {
    case EventStatus::kOk:
      return "ok";
    case EventStatus::kDuplicate:
      return "duplicate";
    case EventStatus::kIgnored:
      return "ignored:type";
    case EventStatus::kParked:
      return "parked:tenant";
    case EventStatus::kDead:
      return "dead:" + std::string(result.reason);
  }
  return "";
}

EventResult DeadResult(std::string_view reason, std::string error) {
  EventResult result;
  result.status = EventStatus::kDead;
  result.reason = reason;
  result.error = std::move(error);
  return result;
}

}  // namespace

Status Batch::Add(const DeliveryView& delivery) {
  for (const auto& [name, value] : delivery.headers) {
    if (name != "content-type" || !IsForm(value)) continue;
    // A form is the object of its fields; paths, the log and identities see it so.
    const std::string body = JsonOfForm(delivery.body);
    DeliveryView converted = delivery;
    converted.body = body;
    std::erase_if(converted.headers,
                  [](const auto& header) { return header.first == "content-type"; });
    return Add(converted);
  }
  ++outcome_.deliveries;
  const auto found = state_.source_by_name.find(delivery.source);
  if (found == state_.source_by_name.end()) {
    ++outcome_.dead;
    return Bury({.source = std::string(delivery.source),
                 .sequence = delivery.sequence,
                 .received_at = delivery.received_at,
                 .event = std::string(delivery.body)},
                "source", "no source of this name is configured");
  }
  const uint16_t source = found->second;
  const std::string_view signed_id = SignedIdOf(delivery);
  const auto document = json::Parse(delivery.body);
  EventResult summary;
  if (!document.ok()) {
    summary = DeadResult("malformed", document.error().message);
    TW_RETURN_IF_ERROR(Keep(delivery, source, 0, signed_id, summary));
    CountOutcome(summary.status);
    return LogDelivery(delivery, source, summary);
  }
  const auto events = state_.sources[source]->events.Select(document->root());
  summary.status = events.empty() ? EventStatus::kIgnored : EventStatus::kDuplicate;
  for (uint32_t i = 0; i < events.size(); ++i) {
    const std::string id =
        events.size() == 1 && signed_id.empty()
            ? PrivateId({}, delivery.body, 0, 1)
            : PrivateId(signed_id, BytesOf(events[i], delivery.body, events.size()), i,
                        events.size());
    TW_RETURN_IF_ERROR(ReleaseBefore(source, events[i]));
    const EventOrigin origin{
        .source = source,
        .stamp_channel = delivery.channel == Channel::kReplay ? "replay" : kWebhookChannel,
        .private_id = id,
        .signed_id = !signed_id.empty(),
        .received_at = delivery.received_at,
        .sequence = delivery.sequence,
        .now = now_};
    TW_ASSIGN_OR_RETURN(EventResult result, ApplyEvent(origin, events[i], isolation_));
    ++outcome_.events;
    TW_RETURN_IF_ERROR(Keep(delivery, source, i, signed_id, result));
    CountFreshness(delivery, source, result);
    if (i == 0 || result.status > summary.status) summary = std::move(result);
  }
  CountOutcome(summary.status);
  return LogDelivery(delivery, source, summary);
}

Result<EventResult> Batch::ApplyEvent(const EventOrigin& origin, const mapping::Selected& event,
                                      Isolation isolation) {
  if (isolation == Isolation::kIsolated) return ApplyIsolated(origin, event);
  return state_.events.Apply(origin, event.item, event.parent);
}

// An event whose tenant has appeared comes after those that waited for it.
Status Batch::ReleaseBefore(uint16_t source, const mapping::Selected& event) {
  if (state_.parked.empty()) return {};
  const std::string key = state_.events.TenantKeyOf(source, event.item, event.parent);
  if (!state_.parked.contains({source, key})) return {};
  TW_ASSIGN_OR_RETURN(const TenantContext* tenant, state_.tenants.Resolve(source, key));
  if (tenant == nullptr) return {};
  return Release(source, key);
}

Result<EventResult> Batch::ApplyIsolated(const EventOrigin& origin,
                                         const mapping::Selected& event) {
  // Sums of events before this one must not be undone with it.
  TW_RETURN_IF_ERROR(state_.counters.Flush(now_));
  TW_RETURN_IF_ERROR(state_.effects->Savepoint());
  auto result = state_.events.Apply(origin, event.item, event.parent);
  Status flushed;
  if (result.ok()) flushed = state_.counters.Flush(now_);
  // A database may tell only now what it thinks of the event.
  if (result.ok() && flushed.ok()) flushed = state_.effects->Release();
  if (result.ok() && flushed.ok()) return result;
  const Error error = result.ok() ? flushed.error() : result.error();
  if (!IsPermanent(error)) return std::unexpected(error);
  state_.counters.Clear();
  TW_RETURN_IF_ERROR(state_.effects->RollbackToSavepoint());
  EventResult dead = DeadResult("constraint", error.message);
  // Whose it is and what it is are known all the same.
  state_.events.Identify(origin.source, event.item, event.parent, dead);
  if (!dead.tenant_key.empty()) {
    TW_ASSIGN_OR_RETURN(dead.tenant, state_.tenants.Resolve(origin.source, dead.tenant_key));
  }
  return dead;
}

Status Batch::Keep(const DeliveryView& delivery, uint16_t source, uint32_t index,
                   std::string_view signed_id, const EventResult& result) {
  if (result.status != EventStatus::kParked && result.status != EventStatus::kDead) return {};
  KeptEvent kept{.source = state_.sources[source]->name,
                 .sequence = delivery.sequence,
                 .index = index,
                 .tenant_key = result.tenant_key,
                 .event_type = result.type,
                 .channel = delivery.channel == Channel::kReplay ? "replay" : "webhook",
                 .signed_id = std::string(signed_id),
                 .received_at = delivery.received_at,
                 .event = std::string(delivery.body)};
  if (result.status == EventStatus::kDead) {
    return Bury(std::move(kept), result.reason, result.error);
  }
  TW_RETURN_IF_ERROR(state_.effects->Park(kept));
  state_.parked.emplace(source, result.tenant_key);
  return {};
}

Status Batch::Bury(KeptEvent event, std::string_view reason, std::string_view error) {
  event.reason = reason;
  event.error = error;
  const auto source = state_.source_by_name.find(event.source);
  if (source != state_.source_by_name.end()) {
    event.config_version = state_.sources[source->second]->version;
  }
  return state_.effects->Bury(event);
}

Status Batch::LogDelivery(const DeliveryView& delivery, uint16_t source,
                          const EventResult& summary) {
  const std::string status = StatusText(summary);
  LogEntry entry{.sequence = delivery.sequence,
                 .source = state_.sources[source]->name,
                 .status = status,
                 .received_at = delivery.received_at,
                 .applied_at = now_,
                 .config_version = state_.sources[source]->version,
                 .error = summary.error,
                 .body = delivery.body,
                 .delivery_id = SignedIdOf(delivery)};
  if (summary.tenant != nullptr) entry.tenant_name = summary.tenant->tenant.name;
  if (!summary.type.empty()) entry.event_type = summary.type;
  if (state_.sources[source]->log.table.empty()) return {};
  return state_.effects->InsertLog(source, entry);
}

void Batch::CountFreshness(const DeliveryView& delivery, uint16_t source,
                           const EventResult& result) {
  if (result.tenant == nullptr) return;
  if (delivery.channel != Channel::kWebhook) return;
  constexpr int64_t kBucket = 5LL * 60 * 1'000'000;
  const int64_t bucket = delivery.received_at.time_since_epoch().count() / kBucket;
  Seen& seen = seen_[{source, result.tenant->tenant.id, bucket}];
  seen.name = result.tenant->tenant.name;
  seen.last = std::max(seen.last, delivery.received_at);
  ++seen.deliveries;
}

void Batch::CountOutcome(EventStatus status) {
  switch (status) {
    case EventStatus::kOk:
      ++outcome_.ok;
      break;
    case EventStatus::kDuplicate:
      ++outcome_.duplicate;
      break;
    case EventStatus::kIgnored:
      ++outcome_.ignored;
      break;
    case EventStatus::kParked:
      ++outcome_.parked;
      break;
    case EventStatus::kDead:
      ++outcome_.dead;
      break;
  }
}

Status Batch::Release(uint16_t source, const std::string& tenant_key) {
  const std::string& name = state_.sources[source]->name;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const auto events,
                        state_.effects->ParkedEvents(name, tenant_key, kReleasedMax));
    for (const KeptEvent& kept : events) TW_RETURN_IF_ERROR(ReleaseOne(source, kept));
    if (events.size() < static_cast<size_t>(kReleasedMax)) break;
  }
  state_.parked.erase({source, tenant_key});
  return {};
}

Status Batch::ReleaseOne(uint16_t source, const KeptEvent& kept) {
  TW_RETURN_IF_ERROR(state_.effects->RemoveParked(kept.id));
  TW_RETURN_IF_ERROR(Retry(source, kept));
  return {};
}

Result<EventStatus> Batch::Retry(uint16_t source, const KeptEvent& kept) {
  EventResult result;
  const auto document = json::Parse(kept.event);
  const auto events = document.ok() ? state_.sources[source]->events.Select(document->root())
                                    : std::vector<mapping::Selected>();
  if (!document.ok()) {
    result = DeadResult("malformed", document.error().message);
  } else if (kept.index >= events.size()) {
    result = DeadResult("mapping", "the event is not in its delivery any more");
  } else {
    const mapping::Selected& event = events[kept.index];
    const std::string id = PrivateId(kept.signed_id, BytesOf(event, kept.event, events.size()),
                                     kept.index, events.size());
    const EventOrigin origin{.source = source,
                             .stamp_channel = kept.channel == "replay" ? "replay" : kWebhookChannel,
                             .private_id = id,
                             .signed_id = !kept.signed_id.empty(),
                             .received_at = kept.received_at,
                             .sequence = kept.sequence,
                             .now = now_};
    TW_ASSIGN_OR_RETURN(result, ApplyIsolated(origin, event));
  }
  if (result.status == EventStatus::kDead) {
    TW_RETURN_IF_ERROR(Bury(kept, result.reason, result.error));
  }
  ++outcome_.released;
  CountFreshness({.received_at = kept.received_at}, source, result);
  const std::optional<std::string_view> tenant =
      result.tenant == nullptr ? std::nullopt
                               : std::optional<std::string_view>(result.tenant->tenant.name);
  if (result.status == EventStatus::kParked) {
    KeptEvent waiting = kept;
    waiting.tenant_key = result.tenant_key;
    TW_RETURN_IF_ERROR(state_.effects->Park(waiting));
    state_.parked.emplace(source, result.tenant_key);
  }
  if (!state_.sources[source]->log.table.empty()) {
    TW_RETURN_IF_ERROR(state_.effects->UpdateLog(source, kept.sequence, tenant, StatusText(result),
                                                 result.error, now_));
  }
  return result.status;
}

Result<Batch::Replayed> Batch::Replay(uint16_t source, const KeptEvent& kept) {
  Replayed replayed;
  replayed.worst.status = EventStatus::kDuplicate;
  const auto document = json::Parse(kept.event);
  if (!document.ok()) {
    replayed.worst = DeadResult("malformed", document.error().message);
    return replayed;
  }
  const auto events = state_.sources[source]->events.Select(document->root());
  if (events.empty()) replayed.worst.status = EventStatus::kIgnored;
  for (uint32_t i = 0; i < events.size(); ++i) {
    const std::string id =
        PrivateId(kept.signed_id, BytesOf(events[i], kept.event, events.size()), i, events.size());
    const EventOrigin origin{.source = source,
                             .stamp_channel = "replay",
                             .private_id = id,
                             .signed_id = !kept.signed_id.empty(),
                             .received_at = kept.received_at,
                             .sequence = kept.sequence,
                             .now = now_};
    TW_ASSIGN_OR_RETURN(EventResult result, ApplyIsolated(origin, events[i]));
    if (result.new_fact) ++replayed.facts;
    if (result.changed) ++replayed.rows;
    if (i == 0 || result.status > replayed.worst.status) replayed.worst = std::move(result);
  }
  return replayed;
}

bool Batch::HasHealthRow(uint16_t source) const {
  const auto& freshness = state_.sources[source]->freshness;
  return freshness && !freshness->key_column.empty();
}

Status Batch::Finish() {
  TW_RETURN_IF_ERROR(state_.counters.Flush(now_));
  for (const auto& [key, seen] : seen_) {
    const auto& [source, tenant, bucket] = key;
    TW_RETURN_IF_ERROR(state_.effects->CountDeliveries(source, tenant, seen.last, seen.deliveries));
    state_.delivered[{source, tenant}] += static_cast<uint64_t>(seen.deliveries);
  }
  // The buckets of one tenant follow each other; only its last one speaks for it.
  for (auto it = seen_.begin(); it != seen_.end(); ++it) {
    const auto& [source, tenant, bucket] = it->first;
    const auto next = std::next(it);
    if (next != seen_.end() && std::get<0>(next->first) == source &&
        std::get<1>(next->first) == tenant) {
      continue;
    }
    if (!HasHealthRow(source)) continue;
    TW_ASSIGN_OR_RETURN(const int64_t count, state_.effects->DeliveriesSince(
                                                 source, tenant, now_ - std::chrono::hours(24)));
    TW_RETURN_IF_ERROR(state_.effects->WriteFreshness(
        source, tenant, it->second.name,
        {.last_webhook_at = it->second.last,
         .webhook_count_24h = count,
         .status = HealthOf(*state_.sources[source]->freshness, now_ - it->second.last)}));
  }
  return {};
}

}  // namespace tw::ingest
