#include "cli/plan.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "app/config_history.h"
#include "app/prepared_store.h"
#include "app/server.h"
#include "cli/database.h"
#include "cli/line_diff.h"
#include "cli/loaded.h"
#include "json/json.h"

namespace tw::cli {
namespace {

constexpr int kRunsShown = 5;

struct SourceChange {
  std::string source;
  std::string change;  // "new", "changed", "unchanged", "removed".
  std::string running;
  std::string planned;
  std::vector<std::string> lines;
};

struct JobTimes {
  std::string job;
  std::string schedule;
  std::vector<std::string> next;
};

std::vector<SourceChange> Compare(const app::Configuration& configuration,
                                  const app::PreparedStore& prepared,
                                  const std::vector<app::RanVersion>& running) {
  std::vector<SourceChange> changes;
  for (const auto& source : prepared.sources) {
    SourceChange& change = changes.emplace_back();
    change.source = source->name;
    change.planned = source->version;
    const auto ran = std::ranges::find(running, source->name, &app::RanVersion::source);
    const auto file = std::ranges::find_if(configuration.sources, [&](const app::SourceFile& one) {
      return *one.config.source == source->name;
    });
    change.change = ran == running.end()              ? "new"
                    : ran->version == source->version ? "unchanged"
                                                      : "changed";
    if (ran == running.end()) continue;
    change.running = ran->version;
    if (file != configuration.sources.end()) change.lines = LineDiff(ran->text, file->text);
  }
  for (const app::RanVersion& ran : running) {
    const auto same = [&](const auto& source) { return source->name == ran.source; };
    if (std::ranges::any_of(prepared.sources, same)) continue;
    changes.push_back({.source = ran.source,
                       .change = "removed",
                       .running = ran.version,
                       .planned = {},
                       .lines = {}});
  }
  return changes;
}

std::vector<JobTimes> NextRuns(const app::PreparedStore& prepared, WallTime now) {
  std::vector<JobTimes> jobs;
  for (const auto& source : prepared.sources) {
    for (const ingest::JobPlan& job : source->jobs) {
      // Jobs of several sources in one file are known to each of them.
      if (std::ranges::find(jobs, job.name, &JobTimes::job) != jobs.end()) continue;
      JobTimes& times = jobs.emplace_back();
      times.job = job.name;
      times.schedule = job.schedule.Text();
      std::optional<WallTime> at = now;
      for (int i = 0; i < kRunsShown; ++i) {
        at = job.schedule.Next(*at);
        if (!at) break;
        times.next.push_back(FormatTimestampMs(*at));
      }
    }
  }
  return jobs;
}

void PrintText(const std::vector<SourceChange>& changes, const std::vector<JobTimes>& jobs) {
  for (const SourceChange& change : changes) {
    std::printf("source %s: %s", change.source.c_str(), change.change.c_str());
    if (change.change == "changed") {
      std::printf(" %s → %s", change.running.c_str(), change.planned.c_str());
    }
    std::printf("\n");
    for (const std::string& line : change.lines) std::printf("  %s\n", line.c_str());
  }
  for (const JobTimes& job : jobs) {
    std::printf("job %s, %s\n", job.job.c_str(), job.schedule.c_str());
    for (const std::string& at : job.next) std::printf("  %s\n", at.c_str());
  }
}

void PrintJson(const std::vector<SourceChange>& changes, const std::vector<JobTimes>& jobs) {
  json::Writer writer;
  writer.Object().Key("sources").Array();
  for (const SourceChange& change : changes) {
    writer.Object().Key("source").String(change.source).Key("change").String(change.change);
    writer.Key("running").String(change.running).Key("planned").String(change.planned);
    writer.Key("lines").Array();
    for (const std::string& line : change.lines) writer.String(line);
    writer.End();
    writer.End();
  }
  writer.End().Key("jobs").Array();
  for (const JobTimes& job : jobs) {
    writer.Object().Key("job").String(job.job).Key("schedule").String(job.schedule);
    writer.Key("next").Array();
    for (const std::string& at : job.next) writer.String(at);
    writer.End();
    writer.End();
  }
  writer.End();
  writer.End();
  std::printf("%s\n", writer.Take().c_str());
}

Status Do(const PlanArguments& arguments) {
  TW_ASSIGN_OR_RETURN(const auto configuration, LoadForJudging(arguments.config));
  TW_ASSIGN_OR_RETURN(const auto directory, TemporaryDirectory::Make());
  TW_RETURN_IF_ERROR(
      app::CheckAgainstStore(configuration, directory.path() + "/check.db", SystemRandom()));
  telemetry::Registry metrics;
  TW_ASSIGN_OR_RETURN(
      const auto prepared,
      app::PrepareStore(configuration, directory.path() + "/plan.db", {}, SystemRandom(), metrics));
  std::vector<app::RanVersion> running;
  const std::string data = arguments.data_directory.empty() ? "data" : arguments.data_directory;
  if (std::filesystem::exists(data + "/tidewire.db")) {
    TW_ASSIGN_OR_RETURN(auto database, OpenBeside(data));
    TW_ASSIGN_OR_RETURN(running, app::RunningConfiguration(database));
  }
  const auto changes = Compare(configuration, prepared, running);
  const auto jobs = NextRuns(prepared, SystemClock().Wall());
  if (arguments.format == Format::kJson) {
    PrintJson(changes, jobs);
  } else {
    PrintText(changes, jobs);
  }
  return {};
}

}  // namespace

ExitCode RunPlan(const PlanArguments& arguments) {
  const Status done = Do(arguments);
  return done.ok() ? ExitCode::kOk
                   : PrintError(arguments.format, done.error(), ExitCodeOf(done.error()));
}

}  // namespace tw::cli
