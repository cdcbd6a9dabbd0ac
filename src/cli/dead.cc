#include "cli/dead.h"

#include <cstdio>

#include "cli/operator_database.h"
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

Status List(OperatorDatabase& database, const DeadArguments& arguments) {
  const std::string type = database.TextOf("event_type");
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      database.Query("select id, source, " + type + ", reason, error, config_version, " +
                         database.TimeOf("received_at") + " from " + database.Own("dead_letter") +
                         " where ($1 = '' or source = $1) and ($2 = '' or " + type +
                         " = $2) and ($3 = '' or reason = $3) and ($4 = '' or cast(id as text) = "
                         "$4) order by id limit " +
                         std::to_string(kListedMax),
                     {arguments.source, arguments.type, arguments.reason, arguments.id}));
  json::Writer writer;
  writer.Array();
  constexpr const char* kNames[] = {"id",    "source",         "event_type", "reason",
                                    "error", "config_version", "received_at"};
  for (const auto& row : rows) {
    if (arguments.format == Format::kText) {
      std::printf("%-6s %-12s %-20s %-11s %-21s %s\n", row[0].c_str(), row[1].c_str(),
                  row[2].c_str(), row[3].c_str(), row[6].c_str(), row[4].c_str());
      continue;
    }
    writer.Object();
    for (size_t i = 0; i < std::size(kNames); ++i) writer.Key(kNames[i]).String(row[i]);
    writer.End();
  }
  writer.End();
  if (arguments.format == Format::kJson) std::printf("%s\n", writer.Take().c_str());
  return {};
}

Status Do(const DeadArguments& arguments) {
  TW_ASSIGN_OR_RETURN(const auto opened,
                      OperatorDatabase::Open(arguments.data_directory, arguments.config));
  OperatorDatabase& database = *opened;
  if (arguments.verb == DeadVerb::kList) return List(database, arguments);
  const std::string filter = FilterJson(arguments);
  if (filter == "{}" && !arguments.all) {
    return Fail(ErrorCode::kInvalidArgument, "name which: --id, --source, --type, --reason or --all");
  }
  const bool retry = arguments.verb == DeadVerb::kRetry;
  TW_ASSIGN_OR_RETURN(const std::string result,
                      database.AskServer(retry ? "dead_retry" : "dead_discard", filter));
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
  return Finish(arguments.format, Do(arguments));
}

}  // namespace tw::cli
