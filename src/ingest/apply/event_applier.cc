#include "ingest/apply/event_applier.h"

#include <algorithm>

#include "base/strings.h"

namespace tw::ingest {
namespace {

EventResult Dead(EventResult result, std::string_view reason, std::string error) {
  result.status = EventStatus::kDead;
  result.reason = reason;
  result.error = std::move(error);
  return result;
}

}  // namespace

std::string EventApplier::TenantKeyOf(uint16_t source, const json::Value& event,
                                      const json::Value& parent) const {
  const BindingInput none{.source = sources_[source].get()};
  const auto key = EvaluateOn(sources_[source]->tenant, event, parent, none).value.ToText();
  return key ? std::string(Trim(*key)) : std::string();
}

Status EventApplier::ReadHead(const Source& source, const json::Value& event,
                              const json::Value& parent, EventResult& result) const {
  const BindingInput none{.source = &source};
  const auto type = EvaluateOn(source.type, event, parent, none).value.ToText();
  if (!type || type->empty()) {
    return Fail(ErrorCode::kInvalidArgument, "no event type at " + source.type.text());
  }
  result.type = source.webhook.type.fold == Fold::kLower ? ToLower(*type) : *type;
  const auto alias = source.type_alias.find(result.type);
  if (alias != source.type_alias.end()) result.type = alias->second;
  return {};
}

Status EventApplier::ReadFields(const EventPlan& plan, const json::Value& event,
                                const json::Value& parent, BindingInput& input) {
  fields_.assign(input.source->field_names.size(), Value());
  input.fields = fields_;
  for (const EventPlan::Field& field : plan.fields) {
    const auto outcome = EvaluateOn(field.expression, event, parent, input);
    const std::string& name = input.source->field_names[field.field];
    if (outcome.conversion_failures > 0) {
      return Fail(ErrorCode::kInvalidArgument,
                  "field " + name + ": cannot convert " + field.expression.text());
    }
    fields_[field.field] = outcome.value.ToValue();
  }
  if (!plan.occurred_at) return {};
  const auto outcome = EvaluateOn(*plan.occurred_at, event, parent, input);
  if (outcome.value.is_null() && outcome.conversion_failures == 0) return {};
  const auto text = outcome.value.AsText();
  const auto time = text ? ParseTimestamp(*text) : Fail(ErrorCode::kInvalidArgument, "");
  if (!time.ok()) {
    return Fail(ErrorCode::kInvalidArgument,
                "occurred_at: no RFC 3339 time at " + plan.occurred_at->text());
  }
  input.at = *time;
  return {};
}

Result<EventResult> EventApplier::Apply(const EventOrigin& origin, const json::Value& event,
                                        const json::Value& parent) {
  const Source& source = *sources_[origin.source];
  EventResult result;
  result.tenant_key = TenantKeyOf(origin.source, event, parent);
  const Status head = ReadHead(source, event, parent, result);
  if (!result.tenant_key.empty()) {
    TW_ASSIGN_OR_RETURN(result.tenant, tenants_.Resolve(origin.source, result.tenant_key));
  }
  if (!head.ok()) return Dead(std::move(result), "type", head.error().message);
  const auto plan_index = source.event_by_type.find(result.type);
  if (plan_index == source.event_by_type.end()) {
    result.status = EventStatus::kIgnored;
    return result;
  }
  if (result.tenant_key.empty()) {
    return Dead(std::move(result), "tenant", "no tenant at " + source.tenant.text());
  }
  if (result.tenant == nullptr) {
    result.status = EventStatus::kParked;
    return result;
  }
  const EventPlan& plan = source.event_plans[plan_index->second];
  BindingInput input{.source = &source,
                     .tenant = result.tenant,
                     .channel = origin.stamp_channel,
                     .now = origin.now};
  if (const Status read = ReadFields(plan, event, parent, input); !read.ok()) {
    return Dead(std::move(result), "mapping", read.error().message);
  }
  const TimeQuality quality = input.at ? TimeQuality::kEvent : TimeQuality::kReceived;
  if (!input.at) input.at = origin.received_at;
  Sighting sighting = Sighting::kNew;
  if (plan.fact) {
    TW_ASSIGN_OR_RETURN(sighting, ObserveFact(origin, source.facts[*plan.fact], input, quality));
  }
  if (sighting == Sighting::kDuplicate) {
    result.status = EventStatus::kDuplicate;
    return result;
  }
  TW_RETURN_IF_ERROR(WriteRows(origin, plan, input));
  return result;
}

Result<Sighting> EventApplier::ObserveFact(const EventOrigin& origin, const FactPlan& plan,
                                           const BindingInput& input, TimeQuality quality) {
  return facts_.Observe({.source = origin.source,
                         .plans = input.source,
                         .plan = &plan,
                         .tenant = input.tenant,
                         .fields = input.fields,
                         .channel = origin.channel,
                         .private_id = origin.private_id,
                         .signed_id = origin.signed_id,
                         .occurred_at = *input.at,
                         .quality = quality,
                         .now = origin.now});
}

Status EventApplier::WriteRows(const EventOrigin& origin, const EventPlan& plan,
                               const BindingInput& input) {
  const auto write = [&](uint16_t table, bool upsert) -> Status {
    const TablePlan& table_plan = input.source->tables[table];
    const auto rank = std::ranges::find(table_plan.tie, origin.channel) - table_plan.tie.begin();
    RowWrite row{.table = {origin.source, table},
                 .plan = &table_plan,
                 .input = input,
                 .version = {*input.at, rank, origin.sequence},
                 .upsert = upsert};
    if (plan.stage && plan.stage->table == table) row.stage = plan.stage;
    const auto changed = rows_.Write(row);
    if (!changed.ok()) return Annotate(changed.error(), "table " + table_plan.name);
    return {};
  };
  for (const uint16_t table : plan.upserts) TW_RETURN_IF_ERROR(write(table, true));
  if (plan.stage && std::ranges::find(plan.upserts, plan.stage->table) == plan.upserts.end()) {
    return write(plan.stage->table, false);
  }
  return {};
}

}  // namespace tw::ingest
