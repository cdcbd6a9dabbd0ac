#include "cli/subscribe.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>
#include <utility>

#include "base/strings.h"
#include "cli/signals.h"
#include "client/driver.h"
#include "json/json.h"

namespace tw::cli {
namespace {

constexpr std::string_view kId = "cli";

std::string_view WordOf(client::Phase phase) {
  switch (phase) {
    case client::Phase::kIdle: return "idle";
    case client::Phase::kToken:
    case client::Phase::kOpening: return "connecting";
    case client::Phase::kOpen: return "connected";
    case client::Phase::kWaiting: return "reconnecting";
    case client::Phase::kPaused: return "paused";
    case client::Phase::kFailed: return "failed";
    case client::Phase::kClosed: return "closed";
  }
  return "";
}

// The position of an earlier run; empty when there is none yet.
Result<std::string> ReadPosition(const std::string& path) {
  std::ifstream file(path);
  std::string position;
  if (file && !std::getline(file, position) && !file.eof()) {
    return Fail(ErrorCode::kInvalidArgument, path + " cannot be read");
  }
  return std::string(Trim(position));
}

// Whole or not at all: a kill in the midst leaves the former one.
Status WritePosition(const std::string& path, std::string_view position) {
  const std::string fresh = path + ".new";
  std::FILE* const file = std::fopen(fresh.c_str(), "w");
  bool written = file != nullptr && std::fwrite(position.data(), 1, position.size(), file) ==
                                        position.size() &&
                 std::fputc('\n', file) != EOF && std::fflush(file) == 0 &&
                 fdatasync(fileno(file)) == 0;
  if (file != nullptr) written = std::fclose(file) == 0 && written;
  if (written && std::rename(fresh.c_str(), path.c_str()) == 0) return {};
  return Fail(ErrorCode::kInternal, path + " cannot be written");
}

// Prints what comes, keeps the position, and knows when it is over. The driver's thread.
class Printer final : public client::Observer {
 public:
  Printer(const SubscribeArguments& arguments, Format format)
      : arguments_(arguments), format_(format) {}

  void Follow(client::Driver& driver) { driver_ = &driver; }
  ExitCode code() const { return code_; }

  void OnChange(std::string_view, const client::Change& change) override {
    if (over_) return;
    json::Writer w;
    w.Object().Key("type").String("change").Key("action").String(change.type);
    w.Key("schema").String(change.schema).Key("table").String(change.table);
    const auto text = [&w](std::string_view key, const std::optional<std::string>& value) {
      w.Key(key);
      value ? w.String(*value) : w.Null();
    };
    const auto json = [&w](std::string_view key, const std::optional<std::string>& value) {
      w.Key(key);
      value ? w.Raw(*value) : w.Null();
    };
    text("position", change.position);
    text("commit_timestamp", change.commit_timestamp);
    json("record", change.record);
    json("old_record", change.old_record);
    w.End();
    Print(w.Take());
    if (change.position) Keep(*change.position);
    if (++changes_ == arguments_.count) End(ExitCode::kOk);
  }

  void OnVerdict(std::string_view, const client::Verdict& verdict) override {
    if (over_) return;
    json::Writer w;
    w.Object().Key("type").String("verdict").Key("recovered").Bool(verdict.recovered);
    w.Key("reason");
    verdict.recovered ? w.Null() : w.String(verdict.reason);
    w.End();
    Print(w.Take());
    if (!verdict.recovered && arguments_.fail_on_gap) {
      Complain(ErrorCode::kOutOfRange, "changes were missed: " + verdict.reason);
      End(ExitCode::kDegraded);
    }
  }

  void OnChannel(std::string_view id, client::ChannelPhase phase,
                 const std::optional<std::string>& error) override {
    if (over_) return;
    // Told with the channel's phase, or after it, for a table that does not exist.
    if (error && phase != client::ChannelPhase::kJoining &&
        phase != client::ChannelPhase::kWaiting) {
      return OnError(*error);
    }
    if (phase != client::ChannelPhase::kLive) return;
    const auto position = driver_->PositionOf(id);
    json::Writer w;
    w.Object().Key("type").String("live").Key("position");
    position ? w.String(*position) : w.Null();
    w.End();
    Print(w.Take());
    if (position) Keep(*position);
  }

  void OnPhase(client::Phase phase, std::string_view error) override {
    if (over_) return;
    std::fprintf(stderr, "tidewire: %s%s%s\n", std::string(WordOf(phase)).c_str(),
                 error.empty() ? "" : ": ", std::string(error).c_str());
    if (phase != client::Phase::kFailed) return;
    Complain(ErrorCode::kUnavailable, arguments_.url + " cannot be reached: " + std::string(error));
    End(ExitCode::kUnreachable);
  }

  void OnRefused(int http_status) override {
    if (over_ || (http_status != 401 && http_status != 403)) return;
    Complain(ErrorCode::kUnauthenticated,
             "the server refused the key (" + std::to_string(http_status) + ")");
    End(ExitCode::kAuth);
  }

 private:
  // The token is one for the whole run: what is refused today is refused tomorrow.
  void OnError(const std::string& error) {
    const std::string lower = ToLower(error);
    const bool of_key = lower.contains("token") || lower.contains("jwt") ||
                        lower.contains("unauthorized");
    Complain(of_key ? ErrorCode::kUnauthenticated : ErrorCode::kFailedPrecondition, error);
    End(of_key ? ExitCode::kAuth : ExitCode::kRuntime);
  }

  void Print(const std::string& line) {
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fputc('\n', stdout);
    // Nobody reads any more: nothing is left to do.
    if (std::fflush(stdout) != 0) End(ExitCode::kOk);
  }

  // After the line is out: a kill in between repeats a change and loses none.
  void Keep(const std::string& position) {
    if (over_ || arguments_.position_file.empty()) return;
    const auto kept = WritePosition(arguments_.position_file, position);
    if (kept.ok()) return;
    Complain(kept.error().code, kept.error().message);
    End(ExitCode::kRuntime);
  }

  void Complain(ErrorCode code, std::string message) {
    PrintError(format_, Error{code, std::move(message)}, ExitCode::kRuntime);
  }

  void End(ExitCode code) {
    if (std::exchange(over_, true)) return;
    code_ = code;
    driver_->Stop();
  }

  const SubscribeArguments& arguments_;
  const Format format_;
  client::Driver* driver_ = nullptr;
  uint64_t changes_ = 0;
  bool over_ = false;
  ExitCode code_ = ExitCode::kOk;
};

}  // namespace

ExitCode RunSubscribe(const SubscribeArguments& arguments, Format format) {
  const char* const variable = std::getenv("TIDEWIRE_TOKEN");
  const std::string token =
      !arguments.token.empty() ? arguments.token : std::string(variable ? variable : "");
  if (token.empty()) {
    const Error error{ErrorCode::kInvalidArgument, "no token: --token, or TIDEWIRE_TOKEN"};
    return PrintError(format, error, ExitCode::kUsage);
  }
  std::string since = arguments.since;
  if (since.empty() && !arguments.position_file.empty()) {
    auto kept = ReadPosition(arguments.position_file);
    if (!kept.ok()) return PrintError(format, kept.error(), ExitCode::kUsage);
    since = std::move(*kept);
  }
  // Before any thread starts.
  const Signals signals;
  Printer printer(arguments, format);
  client::DriverOptions options{.url = arguments.url,
                                .token = [token]() -> Result<std::string> { return token; },
                                .apikey = arguments.apikey,
                                .ca_file = arguments.ca_file};
  if (arguments.attempts_max > 0) options.limits.attempts_max = arguments.attempts_max - 1;
  auto driver = client::Driver::Create(std::move(options), printer);
  if (!driver.ok()) return PrintError(format, driver.error(), ExitCode::kUsage);
  printer.Follow(**driver);
  (*driver)->Subscribe(std::string(kId),
                       {.event = arguments.event,
                        .schema = arguments.schema,
                        .table = arguments.table,
                        .filter = arguments.filter},
                       since.empty() ? std::nullopt : std::optional(since));
  std::atomic<bool> over = false;
  std::thread waiting([&] {
    while (!over) {
      if (signals.WaitFor(std::chrono::milliseconds(100)).kind != Signal::Kind::kStop) continue;
      return (*driver)->Stop();
    }
  });
  (*driver)->Run();
  over = true;
  waiting.join();
  return printer.code();
}

}  // namespace tw::cli
