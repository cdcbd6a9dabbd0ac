#include "cli/dead.h"

#include <cstdio>

#include "cli/database.h"
#include "json/json.h"

namespace tw::cli {
namespace {

constexpr int kListedMax = 1'000;

// As the server reads it: only what is set.
std::string FilterJson(const DeadArguments& arguments) {
  json::Writer writer;
  writer.Object();
  for (const auto& [name, value] :
       {std::pair{"source", &arguments.source}, std::pair{"type", &arguments.type},
        std::pair{"reason", &arguments.reason}, std::pair{"id", &arguments.id}}) {
    if (!value->empty()) writer.Key(name).String(*value);
  }
  writer.End();
  return writer.Take();
}

Status List(sqlite::Database& database, const DeadArguments& arguments) {
  TW_ASSIGN_OR_RETURN(
      auto read,
      database.Prepare(
          "select id, source, event_type, reason, error, config_version, "
          "strftime('%Y-%m-%dT%H:%M:%SZ', received_at / 1000000, 'unixepoch') "
          "from tidewire_dead_letter where (?1 = '' or source = ?1) and (?2 = '' or event_type = ?2) "
          "and (?3 = '' or reason = ?3) and (?4 = '' or id = cast(?4 as integer)) "
          "order by id limit ?5"));
  read.BindText(1, arguments.source);
  read.BindText(2, arguments.type);
  read.BindText(3, arguments.reason);
  read.BindText(4, arguments.id);
  read.BindInt(5, kListedMax);
  json::Writer writer;
  writer.Array();
  constexpr const char* kNames[] = {"id",    "source",         "event_type", "reason",
                                    "error", "config_version", "received_at"};
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read.Step());
    if (!row) break;
    if (arguments.format == Format::kText) {
      std::printf("%-6s %-12s %-20s %-11s %-21s %s\n", std::string(read.ColumnText(0)).c_str(),
                  std::string(read.ColumnText(1)).c_str(), std::string(read.ColumnText(2)).c_str(),
                  std::string(read.ColumnText(3)).c_str(), std::string(read.ColumnText(6)).c_str(),
                  std::string(read.ColumnText(4)).c_str());
      continue;
    }
    writer.Object();
    for (int i = 0; i < 7; ++i) writer.Key(kNames[i]).String(read.ColumnText(i));
    writer.End();
  }
  writer.End();
  if (arguments.format == Format::kJson) std::printf("%s\n", writer.Take().c_str());
  return {};
}

Status Do(const DeadArguments& arguments) {
  TW_ASSIGN_OR_RETURN(auto database, OpenBeside(arguments.data_directory));
  if (arguments.verb == DeadVerb::kList) return List(database, arguments);
  const std::string filter = FilterJson(arguments);
  if (filter == "{}" && !arguments.all) {
    return Fail(ErrorCode::kInvalidArgument, "name which: --id, --source, --type, --reason or --all");
  }
  const bool retry = arguments.verb == DeadVerb::kRetry;
  TW_ASSIGN_OR_RETURN(const std::string result,
                      AskServer(database, retry ? "dead_retry" : "dead_discard", filter));
  if (arguments.format == Format::kJson) {
    json::Writer writer;
    writer.Object().Key("result").String(result).End();
    std::printf("%s\n", writer.Take().c_str());
  } else {
    std::printf("%s\n", result.c_str());
  }
  return {};
}

}  // namespace

ExitCode RunDead(const DeadArguments& arguments) {
  const Status done = Do(arguments);
  if (done.ok()) return ExitCode::kOk;
  const ExitCode code = done.error().code == ErrorCode::kInvalidArgument ? ExitCode::kUsage
                                                                         : ExitCodeOf(done.error());
  return PrintError(arguments.format, done.error(), code);
}

}  // namespace tw::cli
