#include "cli/try_verb.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>

#include "app/try_delivery.h"
#include "cli/loaded.h"
#include "json/json.h"

namespace tw::cli {
namespace {

constexpr size_t kPayloadBytesMax = 64u << 20;

Result<std::string> ReadPayload(const std::string& path) {
  std::ostringstream text;
  if (path == "-") {
    text << std::cin.rdbuf();
  } else {
    std::ifstream file(path, std::ios::binary);
    if (!file) return Fail(ErrorCode::kNotFound, "cannot read " + path);
    text << file.rdbuf();
  }
  std::string payload = text.str();
  if (payload.size() > kPayloadBytesMax) {
    return Fail(ErrorCode::kInvalidArgument, "the payload is larger than 64 MiB");
  }
  return payload;
}

std::string Members(const json::Value& object) {
  std::string text;
  for (const auto& [name, value] : object.members()) {
    text += (text.empty() ? "" : ", ") + std::string(name) + ": " + value.ToText();
  }
  return text;
}

void PrintChanges(const char* title, const json::Value& changes) {
  std::printf("%s\n", title);
  if (changes.items().empty()) std::printf("  none\n");
  for (const json::Value& change : changes.items()) {
    std::printf("  %s %s { %s }\n", std::string(change["change"].GetString()).c_str(),
                std::string(change["table"].GetString()).c_str(),
                Members(change["columns"]).c_str());
  }
}

void Print(const json::Value& said) {
  std::printf("%s: %s\n", std::string(said["source"].GetString()).c_str(),
              std::string(said["status"].GetString()).c_str());
  if (const auto error = said["error"].AsString()) {
    std::printf("  %s\n", std::string(*error).c_str());
  }
  std::printf("facts\n");
  if (said["facts"].items().empty()) std::printf("  none\n");
  for (const json::Value& fact : said["facts"].items()) {
    std::printf("  { %s }\n", Members(fact).c_str());
  }
  PrintChanges("rows", said["rows"]);
  PrintChanges("counters", said["counters"]);
}

Status Do(const TryArguments& arguments) {
  TW_ASSIGN_OR_RETURN(const std::string payload, ReadPayload(arguments.payload));
  TW_ASSIGN_OR_RETURN(const auto configuration, LoadForJudging(arguments.config));
  TW_ASSIGN_OR_RETURN(const auto directory, TemporaryDirectory::Make());
  app::TryRequest request{.source = arguments.source,
                          .payload = payload,
                          .directory = directory.path(),
                          .tenants_of = {}};
  if (!arguments.data_directory.empty()) {
    request.tenants_of = arguments.data_directory + "/tidewire.db";
    if (!std::ifstream(request.tenants_of)) {
      return Fail(ErrorCode::kNotFound, "no database at " + request.tenants_of);
    }
  }
  TW_ASSIGN_OR_RETURN(const std::string said,
                      app::TryDelivery(configuration, request, SystemClock(), SystemRandom()));
  if (arguments.format == Format::kJson) {
    std::printf("%s\n", said.c_str());
    return {};
  }
  TW_ASSIGN_OR_RETURN(const json::Document document, json::Parse(said));
  Print(document.root());
  return {};
}

}  // namespace

ExitCode RunTry(const TryArguments& arguments) {
  const Status done = Do(arguments);
  return done.ok() ? ExitCode::kOk
                   : PrintError(arguments.format, done.error(), ExitCodeOf(done.error()));
}

}  // namespace tw::cli
