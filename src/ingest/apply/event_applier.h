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
};

class EventApplier {
 public:
  EventApplier(Effects& effects, std::span<const std::shared_ptr<const Source>> sources,
               Tenants& tenants, CounterBook& counters,
               std::chrono::microseconds delivery_delay_max)
      : sources_(sources),
        tenants_(tenants),
        facts_(effects, counters, delivery_delay_max),
        rows_(effects) {}

  // What does not fit is found before anything is written, except what only the database knows.
  // Errors: those of Effects; after one the transaction or savepoint must be rolled back.
  Result<EventResult> Apply(const EventOrigin& origin, const json::Value& event,
                            const json::Value& parent);

  // What names the tenant of an event; empty when nothing does.
  std::string TenantKeyOf(uint16_t source, const json::Value& event,
                          const json::Value& parent) const;

  const FactBook& facts() const { return facts_; }

 private:
  Status ReadHead(const Source& source, const json::Value& event, const json::Value& parent,
                  EventResult& result) const;
  Status ReadFields(const EventPlan& plan, const json::Value& event, const json::Value& parent,
                    BindingInput& input);
  Result<Sighting> ObserveFact(const EventOrigin& origin, const FactPlan& plan,
                               const BindingInput& input, TimeQuality quality);
  Status WriteRows(const EventOrigin& origin, const EventPlan& plan, const BindingInput& input);

  std::span<const std::shared_ptr<const Source>> sources_;
  Tenants& tenants_;
  FactBook facts_;
  RowWriter rows_;
  std::vector<Value> fields_;  // Of the current event, by FieldIndex.
};

}  // namespace tw::ingest
