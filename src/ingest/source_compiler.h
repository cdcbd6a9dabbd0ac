// Source file as written → Source: resolves names, binds expressions, checks against the schema.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/location.h"
#include "ingest/apply/local_day.h"
#include "ingest/schema_view.h"
#include "ingest/source.h"
#include "ingest/source_config.h"

namespace tw::ingest {

// Checks `config` against the schema and compiles it. Errors: as CompileSource of source.h.
Result<std::shared_ptr<const Source>> CompileSource(const SourceConfig& config,
                                                    std::string_view text,
                                                    const SchemaView& schema);

class SourceCompiler {
 public:
  SourceCompiler(const SourceConfig& config, const SchemaView& schema, Source& source,
                 config::Problems& problems)
      : config_(config), schema_(schema), source_(source), problems_(problems) {}

  // Fills the source and reports what is wrong; the source is of use only without problems.
  void Run();

 private:
  enum class KeyRule : uint8_t { kHasTenant, kAny };

  void CompileWebhook();
  void CompileTenants();
  void CollectFields();
  void CompileFacts();
  void CompileFact(const OrderedMap<FactConfig>::Item& item);
  void CompileCounters();
  void CompileMetrics(const CountersConfig& counters, const TableView& table, CounterPlan& plan);
  void CompileTables();
  void CompileTable(const OrderedMap<TableConfig>::Item& item);
  void CompileStages();
  void CompileEvents();
  void CompileEvent(const OrderedMap<EventConfig>::Item& item);
  void CompileStageAction(const StageConfig& stage, EventPlan& plan);
  void CompileFreshness();
  void CompileSyncRows(const FreshnessConfig& freshness, const TableView& table,
                       FreshnessPlan& plan);
  void CompileLog();
  // The pull side: source_compiler_pull.cc, source_compiler_streams.cc.
  void CompileVia();
  void CompileCredentials();
  void CompileHttp();
  void CompileStreams();
  void CompileStream(const OrderedMap<StreamConfig>::Item& item);
  void CompileObservations(const OrderedMap<StreamConfig>::Item& item, StreamPlan& plan);
  void CompileSlices(const OrderedMap<StreamConfig>::Item& item, StreamPlan& plan);
  void CompileSweep(const SweepConfig& sweep, StreamPlan& plan);
  void CompileExport(const ExportConfig& config, const config::Location& where, StreamPlan& plan);
  void CompileFallback();
  std::vector<uint16_t> PolledStreams(std::span<const Text> names);
  // Checks: source_compiler_checks.cc.
  void CompileConsistency();
  void CompileCheck(const CheckConfig& config, ConsistencyPlan& plan);
  void CompileMirror(const CheckConfig& config, CheckPlan& plan);
  std::optional<RowCondition> CompileCondition(const TableView& table, std::string_view text,
                                               const config::Location& where);
  void CompileJobs();
  std::optional<RequestPlan> CompileRequest(const RequestConfig& request,
                                            const config::Location& where);
  std::optional<SchedulePlan> CompileSchedule(const ScheduleConfig& schedule,
                                              const config::Location& where);
  Template CompileTemplate(std::string_view text, const config::Location& where);
  BodyTemplate CompileBody(const config::Node& node);

  const TableView* Table(const Text& name);
  // Reports a column that the table does not have.
  const TableView::Column* Column(const TableView& table, std::string_view name,
                                  const config::Location& where);
  std::optional<FieldIndex> Field(const Text& name);
  FieldIndex AddField(const std::string& name);
  Binding Bind(const Formula& formula);
  std::vector<ColumnBinding> BindColumns(const TableView& table,
                                         const OrderedMap<Formula>& columns);
  std::vector<ColumnBinding> BindKey(const TableView& table, const OrderedMap<Formula>& columns,
                                     std::string_view of);
  void CheckNames(const mapping::Expression& expression, const config::Location& where);
  // "no <what> 'name'", with the nearest of `candidates`.
  void Unknown(std::string_view what, std::string_view name,
               std::span<const std::string_view> candidates, const config::Location& where);
  template <typename Map>
  std::optional<uint16_t> Lookup(std::string_view what, const Text& name, const Map& map);

  const SourceConfig& config_;
  const SchemaView& schema_;
  Source& source_;
  config::Problems& problems_;
  Zones zones_;
};

template <typename Map>
std::optional<uint16_t> SourceCompiler::Lookup(std::string_view what, const Text& name,
                                               const Map& map) {
  std::vector<std::string_view> names;
  for (size_t i = 0; i < map.items.size(); ++i) {
    if (map.items[i].key == *name) return static_cast<uint16_t>(i);
    names.push_back(map.items[i].key);
  }
  Unknown(what, *name, names, name.where);
  return std::nullopt;
}

}  // namespace tw::ingest
