// One event inside an open transaction: type, tenant, fields, fact, rows.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ingest/apply/counter_book.h"
#include "ingest/apply/effects.h"
#include "ingest/apply/fact_book.h"
#include "ingest/apply/row_writer.h"
#include "ingest/apply/tenants.h"

namespace tw::ingest {

// Where an event came from. Everything is borrowed.
struct EventOrigin {
  uint16_t source = 0;
  std::string_view channel = kWebhookChannel;        // Whose ids it carries.
  std::string_view stamp_channel = kWebhookChannel;  // What rows say of it.
  std::string_view private_id;
  bool signed_id = false;
  WallTime received_at;
  uint64_t sequence = 0;
  WallTime now;
  // A record without a time of its own loses against rows that a webhook has touched since its
  // request began: the answer may be older than they are (ingestion spec §4.5).
  bool yields_to_newer = false;
};

enum class EventStatus : uint8_t {
  kDuplicate,
  kIgnored,  // A type that the source file does not name.
  kOk,
  kParked,  // Its tenant is not in the registry; the caller keeps it.
  kDead,    // It can never be applied; `reason` and `error` say why.
};

struct EventResult {
  EventStatus status = EventStatus::kOk;
  std::string type;        // Folded and aliased; empty when there was none.
  std::string tenant_key;  // As the payload names it.
  const TenantContext* tenant = nullptr;
  std::string_view reason;  // kDead: "type", "tenant", "mapping", "constraint".
  std::string error;
  bool new_fact = false;  // Nobody had reported it before.
  bool changed = false;   // A row of the user's was written.
  WallTime occurred_at;
};

class EventApplier {
 public:
  EventApplier(Effects& effects, std::span<const std::shared_ptr<const Source>> sources,
               Tenants& tenants, CounterBook& counters, const DayBook& days,
               std::chrono::microseconds delivery_delay_max)
      : sources_(sources),
        tenants_(tenants),
        facts_(effects, counters, days, delivery_delay_max),
        rows_(effects) {}

  // What does not fit is found before anything is written, except what only the database knows.
  // Errors: those of Effects; after one the transaction or savepoint must be rolled back.
  Result<EventResult> Apply(const EventOrigin& origin, const json::Value& event,
                            const json::Value& parent);

  // A record of a stream, as one of its observations sees it. `columns` has a CSV row's values.
  // Only kOk, kDuplicate, kIgnored (the condition does not hold) and kDead come back. Errors: as
  // Apply.
  Result<EventResult> ApplyRecord(const EventOrigin& origin, const EventPlan& plan,
                                  const TenantContext& tenant, const json::Value& record,
                                  const json::Value& parent, const mapping::Variables* columns);

  // Fills type and tenant_key, as far as the event has them.
  void Identify(uint16_t source, const json::Value& event, const json::Value& parent,
                EventResult& result) const;

  // What names the tenant of an event; empty when nothing does.
  std::string TenantKeyOf(uint16_t source, const json::Value& event,
                          const json::Value& parent) const;

  const FactBook& facts() const { return facts_; }
  // The key of the first row that the last record wrote or found unchanged.
  const std::vector<Value>& first_key() const { return first_key_; }

 private:
  Status ReadHead(const Source& source, const json::Value& event, const json::Value& parent,
                  EventResult& result) const;
  Status ReadFields(const EventPlan& plan, BindingInput& input);
  // The part that webhooks and streams share: fields, fact, rows. Fills `result`.
  Status ApplyPlan(const EventOrigin& origin, const EventPlan& plan, BindingInput& input,
                   EventResult& result);
  Result<Sighted> ObserveFact(const EventOrigin& origin, const FactPlan& plan,
                              const BindingInput& input, TimeQuality quality);
  // True when one of them changed. `stage_at` is when what moves the stage happened.
  Result<bool> WriteRows(const EventOrigin& origin, const EventPlan& plan,
                         const BindingInput& input, WallTime stage_at, bool has_time);

  std::span<const std::shared_ptr<const Source>> sources_;
  Tenants& tenants_;
  FactBook facts_;
  RowWriter rows_;
  std::vector<Value> fields_;  // Of the current event, by FieldIndex.
  std::vector<Value> first_key_;
};

}  // namespace tw::ingest
