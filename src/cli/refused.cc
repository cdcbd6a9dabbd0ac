#include "cli/refused.h"

#include <cstdio>

#include "cli/database.h"
#include "cli/operator_database.h"
#include "json/json.h"

namespace tw::cli {
namespace {

constexpr int kListedMax = 1'000;

Status List(sqlite::Database& database, const RefusedArguments& arguments) {
  TW_ASSIGN_OR_RETURN(
      auto read,
      database.Prepare(
          "select id, source, reason, strftime('%Y-%m-%dT%H:%M:%SZ', received_at / 1000000, "
          "'unixepoch'), remote_address, bytes from tidewire_refused where "
          "(?1 = '' or source = ?1) and (?2 = '' or reason = ?2) "
          "and (?3 = '' or id = cast(?3 as integer)) order by id limit ?4"));
  read.BindText(1, arguments.source);
  read.BindText(2, arguments.reason);
  read.BindText(3, arguments.id);
  read.BindInt(4, kListedMax);
  json::Writer writer;
  writer.Array();
  constexpr const char* kNames[] = {"id",          "source",         "reason",
                                    "received_at", "remote_address", "bytes"};
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read.Step());
    if (!row) break;
    const auto text = [&](int column) { return std::string(read.ColumnText(column)); };
    if (arguments.format == Format::kText) {
      std::printf("%-6s %-16s %-10s %-21s %-18s %s\n", text(0).c_str(), text(1).c_str(),
                  text(2).c_str(), text(3).c_str(), text(4).c_str(), text(5).c_str());
      continue;
    }
    writer.Object();
    for (int i = 0; i < 6; ++i) writer.Key(kNames[i]).String(read.ColumnText(i));
    writer.End();
  }
  writer.End();
  if (arguments.format == Format::kJson) std::printf("%s\n", writer.Take().c_str());
  return {};
}

std::string ArgumentOf(const RefusedArguments& arguments) {
  json::Writer writer;
  writer.Object().Key("source").String(arguments.source).Key("reason").String(arguments.reason);
  writer.Key("id").String(arguments.id).Key("unverified").Bool(arguments.unverified).End();
  return writer.Take();
}

Status Do(const RefusedArguments& arguments) {
  if (arguments.verb == RefusedVerb::kList) {
    // In the server's own file, whatever its store is.
    TW_ASSIGN_OR_RETURN(auto database, OpenBeside(arguments.data_directory));
    return List(database, arguments);
  }
  const bool named =
      !arguments.source.empty() || !arguments.reason.empty() || !arguments.id.empty();
  if (!named && !arguments.all) {
    return Fail(ErrorCode::kInvalidArgument, "name which: --id, --source, --reason or --all");
  }
  const bool release = arguments.verb == RefusedVerb::kRelease;
  TW_ASSIGN_OR_RETURN(const auto database,
                      OperatorDatabase::Open(arguments.data_directory, arguments.config));
  TW_ASSIGN_OR_RETURN(const std::string result,
                      database->AskServer(release ? "refused_release" : "refused_discard",
                                          ArgumentOf(arguments)));
  if (arguments.format == Format::kJson) {
    std::printf("%s\n", result.c_str());
    return {};
  }
  TW_ASSIGN_OR_RETURN(const json::Document document, json::Parse(result));
  if (const auto error = document.root()["error"].AsString()) {
    return Fail(ErrorCode::kFailedPrecondition, std::string(*error));
  }
  const auto count = [&](std::string_view name) {
    return std::to_string(document.root()[name].AsInt().value_or(0));
  };
  if (!release) {
    std::printf("%s discarded\n", count("discarded").c_str());
    return {};
  }
  std::printf("%s released, %s still refused, %s could not be stored\n", count("released").c_str(),
              count("still_refused").c_str(), count("failed").c_str());
  return {};
}

}  // namespace

ExitCode RunRefused(const RefusedArguments& arguments) {
  return Finish(arguments.format, Do(arguments));
}

}  // namespace tw::cli
