#include "ingest/source_compiler.h"

#include <algorithm>

#include "base/strings.h"
#include "ingest/webhook/verifiers.h"

namespace tw::ingest {
namespace {

// Names that expressions may use beside fields.
constexpr std::string_view kBuiltIn[] = {
    "at",          "channel",   "occurred_at", "poll_now",
    "source.name", "tenant.id", "tenant.name", "tenant.timezone",
    "webhook_now",
};

bool IsTenant(const ColumnBinding& binding) {
  return binding.value.kind == Binding::Kind::kTenantId ||
         binding.value.kind == Binding::Kind::kTenantName;
}

std::vector<std::string> NamesOf(std::span<const ColumnBinding> bindings) {
  std::vector<std::string> names;
  for (const ColumnBinding& binding : bindings) names.push_back(binding.column);
  return names;
}

}  // namespace

void SourceCompiler::Run() {
  source_.name = config_.source.value;
  source_.title = config_.title.empty() ? source_.name : config_.title;
  for (const auto& secret : config_.secrets) source_.secrets.emplace(secret.key, secret.value);
  CollectFields();
  if (config_.webhook) CompileWebhook();
  CompileTenants();
  CompileHttp();
  CompileFacts();
  if (config_.counters) CompileCounters();
  CompileTables();
  if (config_.stages) CompileStages();
  CompileEvents();
  CompileStreams();
  if (config_.fallback) CompileFallback();
  if (config_.consistency) CompileConsistency();
  CompileJobs();
  if (config_.freshness) CompileFreshness();
  if (config_.log) CompileLog();
  if (config_.webhook) CompileVia();
}

void SourceCompiler::Unknown(std::string_view what, std::string_view name,
                             std::span<const std::string_view> candidates,
                             const config::Location& where) {
  std::string message = "no " + std::string(what) + " '" + std::string(name) + "'";
  if (const auto nearest = Nearest(name, candidates)) {
    message += "; did you mean '" + std::string(*nearest) + "'?";
  }
  problems_.Add(where, std::move(message));
}

const TableView* SourceCompiler::Table(const Text& name) {
  if (const TableView* table = schema_.Find(*name)) return table;
  std::vector<std::string_view> names;
  for (const TableView& table : schema_.tables) names.push_back(table.name);
  Unknown("table", *name, names, name.where);
  return nullptr;
}

const TableView::Column* SourceCompiler::Column(const TableView& table, std::string_view name,
                                                const config::Location& where) {
  if (const TableView::Column* column = table.Find(name)) return column;
  std::vector<std::string_view> names;
  for (const TableView::Column& column : table.columns) names.push_back(column.name);
  Unknown("column of table " + table.name, name, names, where);
  return nullptr;
}

FieldIndex SourceCompiler::AddField(const std::string& name) {
  const auto found = std::ranges::find(source_.field_names, name);
  if (found != source_.field_names.end()) {
    return static_cast<FieldIndex>(found - source_.field_names.begin());
  }
  source_.field_names.push_back(name);
  return static_cast<FieldIndex>(source_.field_names.size() - 1);
}

void SourceCompiler::CollectFields() {
  for (const auto& group : config_.fields) {
    for (const auto& field : group.value) AddField(field.key);
  }
  for (const auto& event : config_.events) {
    for (const auto& field : event.value.set) AddField(field.key);
  }
  for (const auto& stream : config_.streams) {
    for (const ObserveConfig& observe : stream.value.observe) {
      for (const auto& field : observe.map) {
        if (field.key != "occurred_at") AddField(field.key);
      }
    }
  }
}

std::optional<FieldIndex> SourceCompiler::Field(const Text& name) {
  const auto found = std::ranges::find(source_.field_names, *name);
  if (found != source_.field_names.end()) {
    return static_cast<FieldIndex>(found - source_.field_names.begin());
  }
  const std::vector<std::string_view> names(source_.field_names.begin(), source_.field_names.end());
  Unknown("field", *name, names, name.where);
  return std::nullopt;
}

void SourceCompiler::CheckNames(const mapping::Expression& expression,
                                const config::Location& where) {
  for (const std::string& name : expression.reads().variables) {
    if (std::ranges::find(kBuiltIn, name) != std::end(kBuiltIn)) continue;
    if (std::ranges::find(source_.field_names, name) != source_.field_names.end()) continue;
    std::vector<std::string_view> names(source_.field_names.begin(), source_.field_names.end());
    names.insert(names.end(), std::begin(kBuiltIn), std::end(kBuiltIn));
    Unknown("field", name, names, where);
  }
}

Binding SourceCompiler::Bind(const Formula& formula) {
  struct Name {
    std::string_view text;
    Binding::Kind kind;
  };
  static constexpr Name kNames[] = {
      {"tenant.id", Binding::Kind::kTenantId},
      {"tenant.name", Binding::Kind::kTenantName},
      {"source.name", Binding::Kind::kSourceName},
      {"now()", Binding::Kind::kNow},
      {"channel", Binding::Kind::kChannel},
      {"webhook_now", Binding::Kind::kWebhookNow},
      {"poll_now", Binding::Kind::kPollNow},
  };
  Binding binding{.expression = *formula};
  const std::string_view text = formula->text();
  if (const auto found = std::ranges::find(kNames, text, &Name::text); found != std::end(kNames)) {
    binding.kind = found->kind;
    return binding;
  }
  const auto field = std::ranges::find(source_.field_names, text);
  if (field != source_.field_names.end()) {
    binding.kind = Binding::Kind::kField;
    binding.field = static_cast<FieldIndex>(field - source_.field_names.begin());
    return binding;
  }
  CheckNames(*formula, formula.where);
  return binding;
}

std::vector<ColumnBinding> SourceCompiler::BindColumns(const TableView& table,
                                                       const OrderedMap<Formula>& columns) {
  std::vector<ColumnBinding> bound;
  for (const auto& item : columns) {
    const TableView::Column* column = Column(table, item.key, item.where);
    const ColumnType type = column == nullptr ? ColumnType::kOther : column->type;
    bound.push_back({item.key, type, Bind(item.value)});
  }
  return bound;
}

std::vector<ColumnBinding> SourceCompiler::BindKey(const TableView& table,
                                                   const OrderedMap<Formula>& columns,
                                                   std::string_view of) {
  auto bound = BindColumns(table, columns);
  const config::Location where = columns.empty() ? config::Location() : columns.items.front().where;
  if (std::ranges::none_of(bound, IsTenant)) {
    problems_.Add(where, "the key of " + std::string(of) +
                             " needs a column with tenant.id or tenant.name: rows of two tenants "
                             "must never meet");
  } else if (!table.IsUnique(NamesOf(bound))) {
    problems_.Add(where, "the key of " + std::string(of) +
                             " is no primary key or unique index of " + table.name);
  }
  return bound;
}

void SourceCompiler::CompileWebhook() {
  const WebhookConfig& webhook = *config_.webhook;
  source_.webhook = webhook;
  (void)BuildVerifiers(webhook, problems_);
  for (const HandshakeConfig& handshake : webhook.handshake) {
    if (const auto made = Handshake::Create(handshake); !made.ok()) {
      problems_.Add(handshake.preset.where.known() ? handshake.preset.where : webhook.path.where,
                    made.error().message);
    }
  }
  if (const auto pattern = ParsePathPattern(*webhook.path); !pattern.ok()) {
    problems_.Add(webhook.path.where, pattern.error().message);
  } else if (!webhook.path->starts_with("/hooks/")) {
    problems_.Add(webhook.path.where, "webhook.path must begin with /hooks/");
  }
  source_.events = *webhook.events;
  if (!webhook.events.where.known()) source_.events = *mapping::Expression::Compile("$");
  if (!source_.events.IsPath()) {
    problems_.Add(webhook.events.where, "webhook.events must be a path such as $ or $[*]");
  }
  source_.type = *webhook.type.at;
  source_.constant_type = *webhook.type.constant;
  if (webhook.type.at.where.known() == webhook.type.constant.where.known()) {
    problems_.Add(webhook.path.where, "webhook.type needs either at or const");
  }
  source_.tenant = *webhook.tenant.at;
  const bool fold = webhook.type.fold == Fold::kLower;
  for (const auto& alias : webhook.type.alias) {
    if (!Lookup("event", alias.value, config_.events)) continue;
    source_.type_alias.emplace(fold ? ToLower(alias.key) : alias.key, *alias.value);
  }
}

void SourceCompiler::CompileTenants() {
  const TenantsConfig& tenants = config_.tenants;
  TenantPlan& plan = source_.tenants;
  plan.id_type = tenants.id;
  plan.park_keep = tenants.park_limit.keep;
  plan.park_events_max = tenants.park_limit.events;
  plan.timezone_default = *tenants.timezone_default;
  if (zones_.Find(plan.timezone_default) == nullptr) {
    problems_.Add(tenants.timezone_default.where,
                  "no time zone '" + plan.timezone_default + "' in the tz database");
  }
  const TableView* table = Table(tenants.registry.table);
  if (table == nullptr) return;
  plan.table = table->name;
  for (const auto& item : tenants.registry.columns) {
    if (Column(*table, *item.value, item.value.where) == nullptr) continue;
    if (item.key == "id") {
      plan.id_column = *item.value;
    } else if (item.key == "name") {
      plan.name_column = *item.value;
    } else if (item.key == "active") {
      plan.active_column = *item.value;
    } else if (item.key == "timezone") {
      plan.timezone_column = *item.value;
    } else {
      plan.more.push_back({item.key, *item.value});
    }
  }
  for (const char* name : {"id", "name"}) {
    if (tenants.registry.columns.Find(name) == nullptr) {
      problems_.Add(tenants.registry.table.where,
                    "tenants.registry.columns needs " + std::string(name));
    }
  }
  if (tenants.credentials) CompileCredentials();
}

void SourceCompiler::CompileFacts() {
  for (const auto& item : config_.facts) CompileFact(item);
}

void SourceCompiler::CompileFact(const OrderedMap<FactConfig>::Item& item) {
  const FactConfig& fact = item.value;
  FactPlan& plan = source_.facts.emplace_back();
  plan.name = item.key;
  plan.on_ambiguous = fact.on_ambiguous;
  for (const auto& id : fact.ids) {
    if (id.key.find(':') != std::string::npos || id.key == "match") {
      problems_.Add(id.where, "'" + id.key + "' cannot be the name of a kind of id");
    }
    if (const auto field = Field(id.value)) plan.ids.push_back({id.key, *field});
  }
  for (const Text& name : fact.match.on) {
    if (const auto field = Field(name)) plan.match_on.push_back(*field);
  }
  if (*fact.at != "occurred_at") {
    problems_.Add(fact.at.where, "facts." + item.key + ".at: only occurred_at is supported yet");
  }
  if (*fact.match.window == "forever") return;
  plan.window = std::chrono::microseconds(0);
  if (fact.match.window->empty()) return;
  const auto window = config::ParseDuration(*fact.match.window);
  if (window.ok()) {
    plan.window = *window;
  } else {
    problems_.Add(fact.match.window.where,
                  "expected a duration or 'forever': " + window.error().message);
  }
}

}  // namespace tw::ingest
