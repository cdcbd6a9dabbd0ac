// SourceCompiler: streams, their observations, slices, sweeps and exports.
#include <algorithm>

#include "base/strings.h"
#include "ingest/source_compiler.h"

namespace tw::ingest {

void SourceCompiler::CompileStreams() {
  for (const auto& item : config_.streams) CompileStream(item);
}

void SourceCompiler::CompileStream(const OrderedMap<StreamConfig>::Item& item) {
  const StreamConfig& config = item.value;
  StreamPlan& plan = source_.streams.emplace_back();
  plan.name = item.key;
  plan.csv = config.csv;
  plan.pages = config.pages;
  plan.order = config.order;
  plan.mode = config.mode;
  plan.cursor = config.cursor;
  plan.window = config.window;
  plan.replace_slice = config.replace_slice;
  plan.warn_after = config.freshness.warn_after;
  plan.error_after = config.freshness.error_after;
  if (config.export_file) {
    CompileExport(*config.export_file, item.where, plan);
  } else if (auto request = CompileRequest(config.request, item.where)) {
    plan.request = *std::move(request);
  }
  plan.records = config.records.where.known() ? *config.records : *mapping::Expression::Compile("$");
  plan.id = config.id.where.known() ? *config.id : *mapping::Expression::Compile("$.id");
  plan.object = config.object.where.known() ? *config.object : *mapping::Expression::Compile("$");
  if (!plan.object.IsPath()) problems_.Add(config.object.where, "object must be a path");
  for (const auto& total : config.totals) plan.totals.push_back({total.key, *total.value});
  if (!plan.csv && !plan.records.IsPath()) {
    problems_.Add(config.records.where, "records must be a path such as $.data");
  }
  if (plan.csv && plan.csv->delimiter.size() != 1) {
    problems_.Add(item.where, "csv.delimiter: expected one character");
  }
  const bool by_cursor = config.pages.cursor_from.where.known();
  if (by_cursor && config.pages.cursor_to.query.empty()) {
    problems_.Add(config.pages.cursor_from.where, "pages.cursor_from needs pages.cursor_to");
  }
  if (by_cursor && config.pages.next.where.known()) {
    problems_.Add(config.pages.next.where, "either pages.next or pages.cursor_from");
  }
  if (config.cursor && config.mode == StreamMode::kSnapshot) {
    problems_.Add(item.where, "a snapshot reads everything: it has no cursor");
  }
  if (config.window && *config.window->tz != "tenant" && *config.window->tz != "account") {
    plan.window_zone = zones_.Find(*config.window->tz);
    if (plan.window_zone == nullptr) {
      problems_.Add(config.window->tz.where,
                    "no time zone '" + *config.window->tz + "' in the tz database");
    }
  }
  if (config.schedule) plan.schedule = CompileSchedule(*config.schedule, item.where);
  CompileObservations(item, plan);
  if (config.replace_slice) CompileSlices(item, plan);
  if (config.sweep) CompileSweep(*config.sweep, plan);
}

void SourceCompiler::CompileObservations(const OrderedMap<StreamConfig>::Item& item,
                                         StreamPlan& plan) {
  std::vector<EventPlan::Field> before;  // What earlier observations of the record have named.
  for (const ObserveConfig& observe : item.value.observe) {
    plan.observes.push_back(static_cast<uint16_t>(source_.event_plans.size()));
    EventPlan& event = source_.event_plans.emplace_back();
    event.type = "stream " + item.key;
    event.approximate = observe.approx;
    if (observe.condition.where.known()) {
      // It is judged before the fields are read, so that only records that count can be at fault.
      if (!observe.condition->reads().variables.empty()) {
        problems_.Add(observe.condition.where, "if sees the record only: paths from $");
      }
      event.condition = *observe.condition;
    }
    for (const auto& field : observe.map) {
      CheckNames(*field.value, field.value.where);
      if (field.key == "occurred_at") {
        event.occurred_at = *field.value;
        continue;
      }
      const FieldIndex index = AddField(field.key);
      std::erase_if(before, [&](const EventPlan::Field& old) { return old.field == index; });
      before.push_back({index, *field.value});
    }
    event.fields = before;
    if (!observe.fact->empty()) event.fact = Lookup("fact", observe.fact, config_.facts);
    for (const Text& table : observe.upsert) {
      if (const auto index = Lookup("table in tables:", table, config_.tables)) {
        event.upserts.push_back(*index);
      }
    }
    CompileStageAction({observe.stage.advance_to, observe.stage.terminal}, event);
  }
  if (!item.value.totals.empty()) {
    if (!item.value.observe.empty()) {
      problems_.Add(item.where, "stream " + item.key + ": totals are compared; observe is of records");
    }
  } else if (item.value.observe.empty()) {
    problems_.Add(item.where, "stream " + item.key + " writes nothing: add observe or upsert");
  }
}

// The key's column whose expression is the window's day.
void SourceCompiler::CompileSlices(const OrderedMap<StreamConfig>::Item& item, StreamPlan& plan) {
  const auto& config = item.value;
  const bool one_table = plan.observes.size() == 1 &&
                         source_.event_plans[plan.observes[0]].upserts.size() == 1;
  if (!config.window || config.window->slice != std::chrono::days(1) || !one_table) {
    return problems_.Add(item.where,
                         "replace_slice needs window.slice: 1d and exactly one upsert");
  }
  const TablePlan& table = source_.tables[source_.event_plans[plan.observes[0]].upserts[0]];
  const std::string& field = *config.window->field;
  for (const ColumnBinding& column : table.key) {
    if (column.value.expression.text() == "$." + field) plan.slice_column = column.column;
  }
  if (plan.slice_column.empty()) {
    problems_.Add(config.window->field.where,
                  "window.field must be part of the key of " + table.name + ", as $." + field);
  }
}

void SourceCompiler::CompileSweep(const SweepConfig& sweep, StreamPlan& plan) {
  SweepPlan& compiled = plan.sweep.emplace();
  compiled.refuse_above = sweep.refuse_above.Fraction();
  const config::Location where =
      sweep.set.empty() ? config::Location() : sweep.set.items.front().where;
  if (plan.mode != StreamMode::kSnapshot) problems_.Add(where, "a sweep needs mode: snapshot");
  const bool one_table = !plan.observes.empty() &&
                         source_.event_plans[plan.observes[0]].upserts.size() == 1;
  if (!one_table) return problems_.Add(where, "a sweep needs one upsert in its first observation");
  const TablePlan& table = source_.tables[source_.event_plans[plan.observes[0]].upserts[0]];
  const TableView* view = schema_.Find(table.name);
  for (const auto& item : sweep.set) {
    if (view != nullptr) (void)Column(*view, item.key, item.where);
    CheckNames(*item.value, item.value.where);
    compiled.set.push_back({item.key, *item.value});
  }
}

void SourceCompiler::CompileExport(const ExportConfig& config, const config::Location& where,
                                   StreamPlan& plan) {
  auto create = CompileRequest(config.create, where);
  auto poll = CompileRequest({.http = config.create.http, .path = config.poll.path,
                              .url = config.poll.url},
                             where);
  if (!create || !poll) return;
  plan.export_file = ExportPlan{.create = *std::move(create),
                                .poll = *std::move(poll),
                                .every = config.poll.every,
                                .up_to = config.poll.up_to,
                                .ready = *config.poll.ready,
                                .failed = *config.poll.failed,
                                .url_at = *config.poll.url_at};
  plan.request = plan.export_file->create;
  if (!plan.csv) problems_.Add(where, "an export needs csv");
}

}  // namespace tw::ingest
