#include "cli/replay.h"

#include <cstdio>

#include "cli/operator_database.h"
#include "json/json.h"

namespace tw::cli {
namespace {

std::string ArgumentOf(const ReplayArguments& arguments) {
  json::Writer writer;
  writer.Object();
  for (const auto& [name, value] :
       {std::pair{"source", &arguments.source}, std::pair{"tenant", &arguments.tenant},
        std::pair{"type", &arguments.type}, std::pair{"status", &arguments.status},
        std::pair{"from", &arguments.from}, std::pair{"to", &arguments.to}}) {
    if (!value->empty()) writer.Key(name).String(*value);
  }
  for (const auto& [name, value] :
       {std::pair{"first", arguments.first}, std::pair{"last", arguments.last},
        std::pair{"rate", arguments.rate}}) {
    if (value > 0) writer.Key(name).Int(static_cast<int64_t>(value));
  }
  writer.Key("dry_run").Bool(arguments.dry_run).End();
  return writer.Take();
}

void Print(const json::Value& result) {
  const auto count = [&](std::string_view name) {
    return static_cast<long long>(result[name].AsInt().value_or(0));
  };
  const bool dry = result["dry_run"].AsBool().value_or(false);
  std::printf(
      "%s%lld deliveries: %lld %s, %lld unchanged, %lld ignored, %lld parked, %lld failed\n",
      dry ? "dry run, nothing was written. " : "", count("deliveries"), count("applied"),
      dry ? "would be applied" : "applied", count("unchanged"), count("ignored"), count("parked"),
      count("failed"));
  if (count("without_body") > 0) {
    std::printf("%lld have no body any more (log.keep.ok_body)\n", count("without_body"));
  }
  if (result["truncated"].AsBool().value_or(false)) {
    std::printf("there are more: a dry run looks at the first of them only\n");
  }
  if (const auto error = result["first_error"].AsString()) {
    std::printf("first failure, delivery %s\n", std::string(*error).c_str());
  }
  std::printf("%lld new facts, %lld events that change rows\n", count("new_facts"),
              count("changed_rows"));
  for (const json::Value& change : result["counters"].items()) {
    std::printf("  %-24s %-28s %-8s %+lld\n",
                std::string(change["tenant"].AsString().value_or("")).c_str(),
                std::string(change["metric"].AsString().value_or("")).c_str(),
                std::string(change["month"].AsString().value_or("")).c_str(),
                static_cast<long long>(change["delta"].AsInt().value_or(0)));
  }
}

Status Do(const ReplayArguments& arguments) {
  TW_ASSIGN_OR_RETURN(const auto database,
                      OperatorDatabase::Open(arguments.data_directory, arguments.config));
  TW_ASSIGN_OR_RETURN(const std::string said,
                      database->AskServer("replay", ArgumentOf(arguments)));
  TW_ASSIGN_OR_RETURN(const json::Document result, json::Parse(said));
  if (const auto error = result.root()["error"].AsString()) {
    return Fail(ErrorCode::kInvalidArgument, std::string(*error));
  }
  if (arguments.format == Format::kJson) {
    std::printf("%s\n", said.c_str());
  } else {
    Print(result.root());
  }
  return {};
}

}  // namespace

ExitCode RunReplay(const ReplayArguments& arguments) {
  const Status done = Do(arguments);
  return done.ok() ? ExitCode::kOk
                   : PrintError(arguments.format, done.error(), ExitCodeOf(done.error()));
}

}  // namespace tw::cli
