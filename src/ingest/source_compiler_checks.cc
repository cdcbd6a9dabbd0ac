// SourceCompiler: consistency, its checks, and what is done about differences.
#include <algorithm>

#include "base/strings.h"
#include "ingest/source_compiler.h"

namespace tw::ingest {
namespace {

constexpr std::string_view kAnd = " and ";

// 'text' without its quotes, a number or a word as it is; nullopt: neither.
std::optional<std::string> LiteralOf(std::string_view text) {
  const bool quoted = text.size() >= 2 && text.starts_with('\'') && text.ends_with('\'');
  if (quoted) text = text.substr(1, text.size() - 2);
  const std::string_view not_allowed = quoted ? "'" : "' ()";
  if (text.find_first_of(not_allowed) != std::string_view::npos) return std::nullopt;
  if (text.empty() && !quoted) return std::nullopt;
  return std::string(text);
}

}  // namespace

void SourceCompiler::CompileConsistency() {
  const ConsistencyConfig& config = *config_.consistency;
  const config::Location where =
      config.checks.empty() ? config::Location() : config.checks.front().name.where;
  auto schedule = CompileSchedule(config.schedule, where);
  if (!schedule) return;
  ConsistencyPlan& plan = source_.consistency.emplace();
  plan.schedule = *std::move(schedule);
  for (const CheckConfig& check : config.checks) CompileCheck(check, plan);
  if (!config.reconcile) return;
  const ReconcileConfig& reconcile = *config.reconcile;
  plan.reconcile = ReconcilePlan{.above = reconcile.above.Fraction(),
                                 .streams = PolledStreams(reconcile.run),
                                 .adjust_days = reconcile.then == ReconcileThen::kAdjustDays,
                                 .cooldown = reconcile.cooldown,
                                 .max_per_day = reconcile.max_per_day,
                                 .dry_run_above = reconcile.dry_run_above.Fraction()};
}

void SourceCompiler::CompileCheck(const CheckConfig& config, ConsistencyPlan& plan) {
  const auto stream = Lookup("stream", config.source.stream, config_.streams);
  if (!stream) return;
  for (const CheckPlan& other : plan.checks) {
    if (other.name == *config.name) {
      problems_.Add(config.name.where, "two checks are named " + other.name);
    }
  }
  const StreamPlan& polled = source_.streams[*stream];
  const auto& written = config_.streams.items[*stream];
  CheckPlan check{.name = *config.name,
                  .stream = *stream,
                  .day_lag = config.day_lag,
                  .tolerance = config.tolerance,
                  .warning = config.warning.Fraction(),
                  .critical = config.critical.Fraction()};
  RequestConfig request = written.value.request;
  for (const auto& item : config.source.query) request.query.items.push_back(item);
  auto compiled = CompileRequest(request, written.where);
  if (!compiled) return;
  check.request = *std::move(compiled);
  const bool counts = config.source.count.where.known();
  if (counts == !polled.totals.empty()) {
    problems_.Add(config.source.stream.where,
                  counts ? "stream " + polled.name + " has totals: count is for others"
                         : "stream " + polled.name + " has no totals: say where its count is");
    return;
  }
  if (counts) check.count = *config.source.count;
  CompileMirror(config, check);
  plan.checks.push_back(std::move(check));
}

void SourceCompiler::CompileMirror(const CheckConfig& config, CheckPlan& plan) {
  const Text& stream = config.source.stream;
  const StreamPlan& polled = source_.streams[plan.stream];
  if (config.mirror.counters == !config.mirror.table->empty()) {
    return problems_.Add(config.name.where, "mirror: either counters or a table");
  }
  if (config.mirror.counters != !polled.totals.empty()) {
    return problems_.Add(stream.where, "totals are compared with counters, counts with a table");
  }
  if (config.mirror.counters) {
    for (const auto& [metric, expression] : polled.totals) {
      const bool known = source_.counters && std::ranges::find(source_.counters->metrics, metric) !=
                                                 source_.counters->metrics.end();
      if (!known) problems_.Add(stream.where, "totals." + metric + " is no metric of counters");
    }
    return;
  }
  std::vector<std::string_view> names;
  for (uint16_t i = 0; i < source_.tables.size(); ++i) {
    names.push_back(source_.tables[i].name);
    if (source_.tables[i].name == *config.mirror.table) plan.table = i;
  }
  if (!plan.table) {
    return Unknown("table that this source writes", *config.mirror.table, names,
                   config.mirror.table.where);
  }
  const TableView* table = schema_.Find(source_.tables[*plan.table].name);
  std::string_view rest = *config.mirror.where;
  while (table != nullptr && !rest.empty()) {
    const size_t end = rest.find(kAnd);
    auto condition = CompileCondition(*table, rest.substr(0, end), config.mirror.where.where);
    if (!condition) return;
    plan.where.push_back(*std::move(condition));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + kAnd.size());
  }
}

// One of: C   not C   C is null   C is not null   C = V   C <> V
std::optional<RowCondition> SourceCompiler::CompileCondition(const TableView& table,
                                                             std::string_view text,
                                                             const config::Location& where) {
  using Kind = RowCondition::Kind;
  RowCondition condition;
  std::string_view column = Trim(text);
  const auto cut = [&](std::string_view end, Kind kind) {
    if (!column.ends_with(end)) return false;
    column = Trim(column.substr(0, column.size() - end.size()));
    condition.kind = kind;
    return true;
  };
  const auto split = [&](std::string_view sign, Kind kind) {
    const size_t at = column.find(sign);
    if (at == std::string_view::npos) return false;
    const auto literal = LiteralOf(Trim(column.substr(at + sign.size())));
    if (!literal) return false;
    condition.kind = kind;
    condition.value = *literal;
    const bool truth = *literal == "true" || *literal == "false";
    if (truth) {
      const bool positive = (*literal == "true") == (kind == Kind::kEqual);
      condition.kind = positive ? Kind::kTrue : Kind::kFalse;
    }
    column = Trim(column.substr(0, at));
    return true;
  };
  if (column.starts_with("not ")) {
    column = Trim(column.substr(4));
    condition.kind = Kind::kFalse;
  } else if (!cut(" is not null", Kind::kNotNull) && !cut(" is null", Kind::kNull) &&
             !split("<>", Kind::kNotEqual)) {
    (void)split("=", Kind::kEqual);
  }
  condition.column = column;
  if (Column(table, column, where) == nullptr) return std::nullopt;
  return condition;
}

}  // namespace tw::ingest
