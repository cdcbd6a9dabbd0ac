// SourceCompiler: counters, tables, stages, events, freshness, log.
#include <algorithm>

#include "base/strings.h"
#include "ingest/source_compiler.h"

namespace tw::ingest {

void SourceCompiler::CompileCounters() {
  const CountersConfig& counters = *config_.counters;
  CounterPlan& plan = source_.counters.emplace();
  plan.create_at_rollover = counters.create_at_rollover;
  plan.fact_retention = counters.fact_retention;
  const TableView* table = Table(counters.table);
  const TableView* days = Table(counters.day_table);
  if (table == nullptr || days == nullptr) return;
  plan.table = table->name;
  plan.day_table = days->name;
  plan.key = BindKey(*table, counters.key, "counters");
  plan.stamps = BindColumns(*table, counters.stamp);
  std::vector<std::string> day_key;
  for (const ColumnBinding& column : plan.key) {
    const bool tenant = column.value.kind == Binding::Kind::kTenantId ||
                        column.value.kind == Binding::Kind::kTenantName;
    if (!tenant) continue;
    (void)Column(*days, column.column, counters.day_table.where);
    plan.day_key.push_back(column);
    day_key.push_back(column.column);
  }
  for (const char* name : {"metric", "local_day", "n", "adjusted"}) {
    (void)Column(*days, name, counters.day_table.where);
  }
  day_key.insert(day_key.end(), {"metric", "local_day"});
  if (!days->IsUnique(day_key)) {
    problems_.Add(counters.day_table.where,
                  days->name + " needs a key of the tenant's columns, metric and local_day");
  }
  CompileMetrics(counters, *table, plan);
}

void SourceCompiler::CompileMetrics(const CountersConfig& counters, const TableView& table,
                                    CounterPlan& plan) {
  for (const auto& metric : counters.metrics) {
    const auto index = static_cast<uint16_t>(plan.metrics.size());
    const TableView::Column* column = Column(table, metric.key, metric.where);
    plan.metrics.push_back(metric.key);
    if (column != nullptr && column->type != ColumnType::kInt8 &&
        column->type != ColumnType::kInt4 && column->type != ColumnType::kInt2) {
      problems_.Add(metric.where, "metric " + metric.key + " needs an integer column");
    }
    const auto fact = Lookup("fact", metric.value.fact, config_.facts);
    if (!fact) continue;
    FactPlan& counted = source_.facts[*fact];
    counted.metrics.push_back(index);
    if (!counted.contribution.empty()) counted.contribution += ',';
    counted.contribution += metric.key;
  }
}

void SourceCompiler::CompileTables() {
  for (const auto& item : config_.tables) CompileTable(item);
}

void SourceCompiler::CompileTable(const OrderedMap<TableConfig>::Item& item) {
  const TableConfig& config = item.value;
  TablePlan& plan = source_.tables.emplace_back();
  Text name = config.table->empty() ? Text(item.key) : config.table;
  if (config.table->empty()) name.where = item.where;
  plan.name = *name;
  const TableView* table = Table(name);
  if (table == nullptr) return;
  plan.key = BindKey(*table, config.key, plan.name);
  plan.set = BindColumns(*table, config.set);
  plan.insert_only = BindColumns(*table, config.insert_only);
  plan.null_never_overwrites = config.set_rule.null_never_overwrites;
  for (const Text& channel : config.version.tie) plan.tie.push_back(*channel);
  if (*config.version.at != "occurred_at") {
    problems_.Add(config.version.at.where,
                  "tables." + item.key + ".version.at: only occurred_at is supported yet");
  }
  for (const Text& local : config.local_owned) {
    (void)Column(*table, *local, local.where);
    for (const auto& set : config.set) {
      if (set.key == *local) {
        problems_.Add(set.where,
                      "column " + set.key + " is local_owned: the source may not set it");
      }
    }
  }
  for (const auto& set : config.set) {
    if (config.key.Find(set.key) != nullptr) {
      problems_.Add(set.where, "column " + set.key + " is part of the key");
    }
    if (config.insert_only.Find(set.key) != nullptr) {
      problems_.Add(set.where, "column " + set.key + " is insert_only as well");
    }
  }
}

void SourceCompiler::CompileStages() {
  const StagesConfig& stages = *config_.stages;
  const std::string& text = *stages.column;
  const size_t dot = text.find('.');
  if (dot == std::string::npos) {
    return problems_.Add(stages.column.where, "expected table.column");
  }
  Text table_name(text.substr(0, dot));
  table_name.where = stages.column.where;
  const auto index = Lookup("table in tables:", table_name, config_.tables);
  const TableView* table = Table(table_name);
  if (!index || table == nullptr) return;
  StagePlan plan{.column = text.substr(dot + 1), .previous_column = *stages.remember_previous_in};
  (void)Column(*table, plan.column, stages.column.where);
  if (!plan.previous_column.empty()) {
    (void)Column(*table, plan.previous_column, stages.remember_previous_in.where);
  }
  StringSet seen;
  const auto take = [&](const std::vector<Text>& names, std::vector<std::string>& into) {
    for (const Text& name : names) {
      if (!seen.insert(*name).second) problems_.Add(name.where, "stage " + *name + " twice");
      into.push_back(*name);
    }
  };
  take(stages.ladder, plan.ladder);
  take(stages.terminal, plan.terminal);
  const TableConfig& config = config_.tables.items[*index].value;
  for (const OrderedMap<Formula>* columns : {&config.set, &config.insert_only}) {
    for (const auto& item : *columns) {
      if (item.key != plan.column && item.key != plan.previous_column) continue;
      problems_.Add(item.where, "column " + item.key +
                                    " is a stage: only events' stage: may move it, so that a "
                                    "person's choice is never reset");
    }
  }
  source_.tables[*index].stage = std::move(plan);
}

void SourceCompiler::CompileEvents() {
  const bool fold = !config_.webhook || config_.webhook->type.fold == Fold::kLower;
  for (const auto& item : config_.events) {
    CompileEvent(item);
    const auto index = static_cast<uint16_t>(source_.event_plans.size() - 1);
    if (!source_.event_by_type.emplace(fold ? ToLower(item.key) : item.key, index).second) {
      problems_.Add(item.where, "event " + item.key + " twice when case is folded");
    }
  }
}

void SourceCompiler::CompileEvent(const OrderedMap<EventConfig>::Item& item) {
  const EventConfig& event = item.value;
  EventPlan& plan = source_.event_plans.emplace_back();
  plan.type = item.key;
  for (const Text& group : event.fields) {
    const auto index = Lookup("group of fields", group, config_.fields);
    if (!index) continue;
    for (const auto& field : config_.fields.items[*index].value) {
      CheckNames(*field.value, field.value.where);
      plan.fields.push_back({AddField(field.key), *field.value});
    }
  }
  for (const auto& field : event.set) {
    CheckNames(*field.value, field.value.where);
    plan.fields.push_back({AddField(field.key), *field.value});
  }
  if (event.occurred_at.where.known()) {
    CheckNames(*event.occurred_at, event.occurred_at.where);
    plan.occurred_at = *event.occurred_at;
  }
  if (!event.fact->empty()) plan.fact = Lookup("fact", event.fact, config_.facts);
  for (const Text& table : event.upsert) {
    if (const auto index = Lookup("table in tables:", table, config_.tables)) {
      plan.upserts.push_back(*index);
    }
  }
  CompileStageAction(event.stage, plan);
}

void SourceCompiler::CompileStageAction(const StageConfig& stage, EventPlan& plan) {
  const bool advances = !stage.advance_to->empty();
  if (!advances && stage.terminal->empty()) return;
  const Text& target = advances ? stage.advance_to : stage.terminal;
  if (advances && !stage.terminal->empty()) {
    return problems_.Add(stage.terminal.where, "either advance_to or terminal");
  }
  for (size_t i = 0; i < source_.tables.size(); ++i) {
    if (!source_.tables[i].stage) continue;
    const StagePlan& stages = *source_.tables[i].stage;
    const auto& names = advances ? stages.ladder : stages.terminal;
    const auto found = std::ranges::find(names, *target);
    if (found == names.end()) {
      return Unknown(advances ? "stage in ladder" : "stage in terminal", *target,
                     std::vector<std::string_view>(names.begin(), names.end()), target.where);
    }
    plan.stage =
        StageAction{.kind = advances ? StageAction::Kind::kAdvance : StageAction::Kind::kTerminal,
                    .table = static_cast<uint16_t>(i),
                    .value = static_cast<uint16_t>(found - names.begin())};
    return;
  }
  problems_.Add(target.where, "a stage needs tables.stages");
}

void SourceCompiler::CompileFreshness() {
  const FreshnessConfig& freshness = *config_.freshness;
  FreshnessPlan& plan = source_.freshness.emplace();
  plan.warn_after = freshness.warn_after;
  plan.error_after = freshness.error_after;
  const TableView* table = Table(freshness.table);
  if (table == nullptr) return;
  plan.table = table->name;
  if (!freshness.key.empty()) return CompileSyncRows(freshness, *table, plan);
  struct Known {
    std::string_view name;
    std::string* column;
  };
  const Known known[] = {{"key", &plan.key_column},
                         {"tenant_id", &plan.tenant_id_column},
                         {"last_webhook_at", &plan.last_webhook_column},
                         {"webhook_count_24h", &plan.count_column},
                         {"status", &plan.status_column}};
  std::vector<std::string_view> names{"last_poll_at", "poll_count_24h"};
  for (const Known& entry : known) names.push_back(entry.name);
  for (const auto& item : freshness.columns) {
    if (Column(*table, *item.value, item.value.where) == nullptr) continue;
    const auto found = std::ranges::find(known, item.key, &Known::name);
    if (found != std::end(known)) {
      *found->column = *item.value;
    } else if (item.key == "last_poll_at") {
      plan.sync_columns.push_back({*item.value, FreshValue::kLastPollAt});
    } else if (item.key == "poll_count_24h") {
      plan.sync_columns.push_back({*item.value, FreshValue::kPollCount});
    } else {
      Unknown("value of freshness", item.key, names, item.where);
    }
  }
  const std::vector<std::string> key{plan.key_column};
  if (plan.key_column.empty() || !table->IsUnique(key)) {
    problems_.Add(freshness.table.where,
                  "freshness.columns.key is no primary key or unique index of " + table->name);
  }
}

void SourceCompiler::CompileSyncRows(const FreshnessConfig& freshness, const TableView& table,
                                     FreshnessPlan& plan) {
  plan.touch_when = freshness.touch_when;
  plan.sync_key = BindKey(table, freshness.key, table.name);
  struct Known {
    std::string_view name;
    FreshValue value;
  };
  static constexpr Known kKnown[] = {{"last_success_at", FreshValue::kLastSuccessAt},
                                     {"status", FreshValue::kStatus},
                                     {"error", FreshValue::kError},
                                     {"rows", FreshValue::kRows},
                                     {"next_due", FreshValue::kNextDue},
                                     {"run_id", FreshValue::kRunId}};
  for (const auto& item : freshness.columns) {
    (void)Column(table, item.key, item.where);
    const auto found = std::ranges::find(kKnown, *item.value, &Known::name);
    if (found != std::end(kKnown)) {
      plan.sync_columns.push_back({item.key, found->value});
      continue;
    }
    std::vector<std::string_view> names;
    for (const Known& known : kKnown) names.push_back(known.name);
    Unknown("value of freshness", *item.value, names, item.value.where);
  }
}

void SourceCompiler::CompileLog() {
  const LogConfig& log = *config_.log;
  source_.log = {*log.table, *log.tenant_column, log.keep};
  const TableView* table = Table(log.table);
  if (table == nullptr) return;
  (void)Column(*table, *log.tenant_column,
               log.tenant_column.where.known() ? log.tenant_column.where : log.table.where);
  for (const char* name : {"id", "source", "event_type", "status", "received_at", "applied_at",
                           "duration_ms", "config_version", "error", "body"}) {
    (void)Column(*table, name, log.table.where);
  }
  // Needed only where senders sign ids and deliveries shall be replayed.
  const auto named = [](const TableView::Column& column) { return column.name == "delivery_id"; };
  if (std::ranges::any_of(table->columns, named)) source_.log.delivery_id_column = "delivery_id";
}

}  // namespace tw::ingest
