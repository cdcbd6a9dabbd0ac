#include "cli/apply_verb.h"

#include <chrono>
#include <climits>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/random.h"
#include "cli/server_process.h"
#include "cli/signals.h"
#include "json/json.h"

namespace tw::cli {
namespace {

constexpr std::chrono::milliseconds kLookAgain{50};
constexpr std::chrono::minutes kAnswerMax{5};

std::string AnswerPath(const std::string& data_directory) {
  return data_directory + "/apply.json";
}

// The answer to request `number`, once it is there.
Result<json::Document> WaitForAnswer(const ServerProcess& server, const std::string& data_directory,
                                     int number) {
  const auto until = std::chrono::steady_clock::now() + kAnswerMax;
  while (std::chrono::steady_clock::now() < until) {
    // Asked first: what ended just now may have answered before.
    const bool running = server.running();
    std::ifstream file(AnswerPath(data_directory), std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    auto document = json::Parse(text.view());
    if (document.ok() && document->root()["request"].AsInt() == number) return document;
    if (!running) return Fail(ErrorCode::kUnavailable, "the server has ended");
    std::this_thread::sleep_for(kLookAgain);
  }
  return Fail(ErrorCode::kUnavailable, "the server does not answer");
}

ExitCode Print(const json::Value& answer, Format format) {
  const json::Value said = answer["said"];
  const auto error = said["error"].AsString();
  if (error) {
    return PrintError(format, Error{ErrorCode::kInvalidArgument, std::string(*error)},
                      ExitCode::kConfig);
  }
  if (format == Format::kJson) {
    json::Writer writer;
    writer.Json(said);
    std::printf("%s\n", writer.Take().c_str());
  } else {
    for (const json::Value line : said["applied"].items()) {
      std::printf("applied  %s\n", std::string(line.AsString().value_or("")).c_str());
    }
    for (const json::Value line : said["waiting"].items()) {
      std::printf("waiting  %s: counts from the next start on\n",
                  std::string(line.AsString().value_or("")).c_str());
    }
  }
  return said["waiting"].items().empty() ? ExitCode::kOk : ExitCode::kDegraded;
}

}  // namespace

ExitCode RunApply(const ApplyArguments& arguments) {
  const std::string directory =
      arguments.data_directory.empty() ? "data" : arguments.data_directory;
  const int number = static_cast<int>(SystemRandom().Next() % INT_MAX);
  const auto ask = [&]() -> Result<json::Document> {
    TW_ASSIGN_OR_RETURN(const auto server, ServerProcess::Find(directory));
    TW_RETURN_IF_ERROR(server.Send(ApplySignal(), number));
    return WaitForAnswer(server, directory, number);
  };
  const auto answer = ask();
  if (!answer.ok()) {
    return PrintError(arguments.format, answer.error(), ExitCodeOfReaching(answer.error()));
  }
  return Print(answer->root(), arguments.format);
}

Status AnswerApply(const std::string& data_directory, int number, const std::string& said) {
  const std::string path = AnswerPath(data_directory);
  const std::string fresh = path + ".new";
  json::Writer writer;
  writer.Object().Key("request").Int(number).Key("said").Raw(said).End();
  {
    std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
    file << writer.Take();
    if (!file.flush()) return Fail(ErrorCode::kInternal, "cannot write " + fresh);
  }
  std::error_code failed;
  std::filesystem::rename(fresh, path, failed);
  if (failed) return Fail(ErrorCode::kInternal, "cannot write " + path + ": " + failed.message());
  return {};
}

}  // namespace tw::cli
