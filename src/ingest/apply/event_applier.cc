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

void EventApplier::Identify(uint16_t source, const json::Value& event, const json::Value& parent,
                            EventResult& result) const {
  result.tenant_key = TenantKeyOf(source, event, parent);
  (void)ReadHead(*sources_[source], event, parent, result);  // Without a type it stays empty.
}

Status EventApplier::ReadHead(const Source& source, const json::Value& event,
                              const json::Value& parent, EventResult& result) const {
  const BindingInput none{.source = &source};
  if (!source.constant_type.empty()) {
    result.type = source.constant_type;
    return {};
  }
  const auto type = EvaluateOn(source.type, event, parent, none).value.ToText();
  if (!type || type->empty()) {
    return Fail(ErrorCode::kInvalidArgument, "no event type at " + source.type.text());
  }
  result.type = source.webhook->type.fold == Fold::kLower ? ToLower(*type) : *type;
  const auto alias = source.type_alias.find(result.type);
  if (alias != source.type_alias.end()) result.type = alias->second;
  return {};
}

Status EventApplier::ReadFields(const EventPlan& plan, BindingInput& input) {
  fields_.assign(input.source->field_names.size(), Value());
  input.fields = fields_;
  for (const EventPlan::Field& field : plan.fields) {
    const auto outcome = EvaluateOn(field.expression, input.record, input.parent, input);
    const std::string& name = input.source->field_names[field.field];
    if (outcome.conversion_failures > 0) {
      return Fail(ErrorCode::kInvalidArgument,
                  "field " + name + ": cannot convert " + field.expression.text());
    }
    fields_[field.field] = outcome.value.ToValue();
  }
  if (!plan.occurred_at) return {};
  const auto outcome = EvaluateOn(*plan.occurred_at, input.record, input.parent, input);
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
  BindingInput input{.source = &source,
                     .tenant = result.tenant,
                     .channel = origin.stamp_channel,
                     .now = origin.now,
                     .record = event,
                     .parent = parent};
  TW_RETURN_IF_ERROR(ApplyPlan(origin, source.event_plans[plan_index->second], input, result));
  return result;
}

Result<EventResult> EventApplier::ApplyRecord(const EventOrigin& origin, const EventPlan& plan,
                                              const TenantContext& tenant,
                                              const json::Value& record, const json::Value& parent,
                                              const mapping::Variables* columns) {
  EventResult result;
  result.type = plan.type;
  result.tenant = &tenant;
  BindingInput input{.source = sources_[origin.source].get(),
                     .tenant = &tenant,
                     .channel = origin.stamp_channel,
                     .now = origin.now,
                     .record = record,
                     .parent = parent,
                     .columns = columns};
  TW_RETURN_IF_ERROR(ApplyPlan(origin, plan, input, result));
  return result;
}

Status EventApplier::ApplyPlan(const EventOrigin& origin, const EventPlan& plan,
                               BindingInput& input, EventResult& result) {
  if (plan.condition) {
    const auto holds = EvaluateOn(*plan.condition, input.record, input.parent, input);
    if (holds.value.AsBool() != true) {
      result.status = EventStatus::kIgnored;
      return {};
    }
  }
  if (const Status read = ReadFields(plan, input); !read.ok()) {
    result = Dead(std::move(result), "mapping", read.error().message);
    return {};
  }
  const bool has_time = input.at.has_value();
  const bool exact = has_time && !plan.approximate;
  if (!has_time) input.at = origin.received_at;
  result.occurred_at = *input.at;
  Sighted sighted{Sighting::kNew, *input.at};
  if (plan.fact) {
    TW_ASSIGN_OR_RETURN(sighted, ObserveFact(origin, input.source->facts[*plan.fact], input,
                                             exact ? TimeQuality::kEvent : TimeQuality::kReceived));
    result.new_fact = sighted.sighting == Sighting::kNew;
  }
  if (sighted.sighting == Sighting::kLateSealed) {
    result = Dead(std::move(result), "late_sealed",
                  "happened on a sealed day: its count is final (counters.fact_retention)");
    return {};
  }
  if (sighted.sighting == Sighting::kDuplicate) {
    result.status = EventStatus::kDuplicate;
    // The same bytes have nothing new to say. The same record of a stream may: its id is its name.
    if (origin.channel == kWebhookChannel) return {};
  }
  TW_ASSIGN_OR_RETURN(result.changed, WriteRows(origin, plan, input,
                                                exact ? *input.at : sighted.occurred_at, has_time));
  return {};
}

Result<Sighted> EventApplier::ObserveFact(const EventOrigin& origin, const FactPlan& plan,
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

Result<bool> EventApplier::WriteRows(const EventOrigin& origin, const EventPlan& plan,
                                     const BindingInput& input, WallTime stage_at, bool has_time) {
  bool changed = false;
  const auto write = [&](uint16_t table, bool upsert) -> Status {
    const TablePlan& table_plan = input.source->tables[table];
    const auto rank = std::ranges::find_if(table_plan.tie,
                                           [&](const std::string& name) {
                                             return name == origin.channel ||
                                                    name == origin.stamp_channel ||
                                                    name == input.source->name;
                                           }) -
                      table_plan.tie.begin();
    RowWrite row{.table = {origin.source, table},
                 .plan = &table_plan,
                 .input = input,
                 .version = {*input.at, rank, origin.sequence},
                 .upsert = upsert,
                 .stage_version = {stage_at, rank, origin.sequence},
                 .yields_to_newer = origin.yields_to_newer && !has_time};
    if (plan.stage && plan.stage->table == table) row.stage = plan.stage;
    const auto written = rows_.Write(row);
    if (!written.ok()) return Annotate(written.error(), "table " + table_plan.name);
    changed = changed || *written != RowChange::kNone;
    return {};
  };
  for (const uint16_t table : plan.upserts) {
    TW_RETURN_IF_ERROR(write(table, true));
    if (table == plan.upserts.front()) first_key_ = rows_.last_key();
  }
  if (plan.stage && std::ranges::find(plan.upserts, plan.stage->table) == plan.upserts.end()) {
    TW_RETURN_IF_ERROR(write(plan.stage->table, false));
  }
  return changed;
}

}  // namespace tw::ingest
