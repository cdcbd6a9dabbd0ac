#include "cli/serve.h"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

#include "app/demo_traffic.h"
#include "app/dev.h"
#include "app/example.h"
#include "app/server.h"
#include "base/strings.h"
#include "cli/apply_verb.h"
#include "cli/loaded.h"
#include "cli/signals.h"
#include "json/json.h"
#include "telemetry/log.h"

namespace tw::cli {
namespace {

struct Address {
  std::string ip;
  uint16_t port = 0;
};

// "127.0.0.1:4000", "[::1]:4000".
Result<Address> ParseListen(std::string_view text) {
  const size_t colon = text.rfind(':');
  const auto port = colon == std::string_view::npos
                        ? std::nullopt
                        : ParseUint64(text.substr(colon + 1));
  if (!port || *port > 65'535) {
    return Fail(ErrorCode::kInvalidArgument, "--listen: '" + std::string(text) +
                                                 "' is not ADDRESS:PORT, e.g. 127.0.0.1:4000");
  }
  std::string_view ip = text.substr(0, colon);
  if (ip.starts_with('[') && ip.ends_with(']')) ip = ip.substr(1, ip.size() - 2);
  if (ip == "localhost") ip = "127.0.0.1";
  return Address{std::string(ip), static_cast<uint16_t>(*port)};
}

bool IsLoopback(std::string_view ip) { return ip.starts_with("127.") || ip == "::1"; }

std::string HostPort(const Address& address, uint16_t port) {
  const std::string host =
      address.ip.find(':') == std::string::npos ? address.ip : "[" + address.ip + "]";
  return host + ":" + std::to_string(port);
}

std::string DataDirectory(const ServeArguments& arguments) {
  const std::string chosen = arguments.data_directory.empty() ? "data" : arguments.data_directory;
  return std::filesystem::absolute(chosen).lexically_normal().string();
}

// Errors: kInvalidArgument for the secret that everybody knows.
Status CheckSecret(const app::Configuration& configuration) {
  if (configuration.main.auth.jwt_secret.Reveal() != app::kDevJwtSecret) return {};
  return Fail(ErrorCode::kInvalidArgument,
              "auth.jwt_secret is the public development secret; choose your own");
}

// What SIGHUP means: a service's operator wants new files read, a developer has closed the terminal.
enum class Hangup : uint8_t { kReloads, kEnds };

enum class DevSecret : uint8_t { kAllowed, kRefused };

// Reads the configuration anew and has the server take over what it can. What cannot be read
// leaves all as it is.
class Reloading {
 public:
  // All outlive the object.
  Reloading(const ServeArguments& arguments, const config::Environment& environment,
            DevSecret secret, app::Server& server)
      : arguments_(arguments), environment_(environment), secret_(secret), server_(server) {}

  Result<app::ReloadReport> Do() const;
  // SIGHUP: the log says what came of it.
  void OnHangup() const;
  // `tidewire apply`: so does the answer.
  void OnApply(int request) const;

 private:
  const ServeArguments& arguments_;
  const config::Environment& environment_;
  const DevSecret secret_;
  app::Server& server_;
};

Result<app::ReloadReport> Reloading::Do() const {
  const auto read = [&]() -> Result<app::ReloadReport> {
    TW_ASSIGN_OR_RETURN(const auto next, LoadConfigurationAt(arguments_.config, environment_));
    if (secret_ == DevSecret::kRefused) TW_RETURN_IF_ERROR(CheckSecret(next));
    return server_.Reload(next);
  };
  auto report = read();
  if (!report.ok()) {
    telemetry::Log(telemetry::Level::kError, "ConfigurationNotReloaded",
                   "what is in force stays", {{"error", report.error().message}});
    return report;
  }
  telemetry::Log(telemetry::Level::kInfo, "ConfigurationReloaded", "what changed is in force",
                 {{"report", app::ToJson(*report)}});
  for (const std::string& line : report->waiting) {
    telemetry::Log(telemetry::Level::kWarning, "ConfigurationWaits",
                   "this counts from the next start on", {{"what", line}});
  }
  return report;
}

void Reloading::OnHangup() const { (void)Do(); }

void Reloading::OnApply(int request) const {
  const auto report = Do();
  std::string said;
  if (report.ok()) {
    said = app::ToJson(*report);
  } else {
    json::Writer writer(said);
    writer.Object().Key("error").String(report.error().message).End();
  }
  const Status answered = AnswerApply(DataDirectory(arguments_), request, said);
  if (answered.ok()) return;
  telemetry::Log(telemetry::Level::kError, "ApplyNotAnswered", "tidewire apply waits in vain",
                 {{"error", answered.error().message}});
}

// Serves until a signal ends it: first the lame duck, over `window` unless the signal brings its
// own; a second signal ends at once.
ExitCode RunUntilSignal(app::Server& server, const Signals& signals, const Reloading& reloading,
                        Hangup hangup, std::chrono::milliseconds window) {
  constexpr std::chrono::milliseconds kLook{500}, kLookDraining{50};
  for (;;) {
    const Signal signal = signals.WaitFor(kLook);
    if (server.failed()) return ExitCode::kRuntime;
    if (signal.kind == Signal::Kind::kNone) continue;
    if (signal.kind == Signal::Kind::kReload && hangup == Hangup::kReloads) {
      reloading.OnHangup();
      continue;
    }
    if (signal.kind == Signal::Kind::kApply) {
      reloading.OnApply(signal.request);
      continue;
    }
    window = signal.window.value_or(window);
    break;
  }
  telemetry::Log(telemetry::Level::kInfo, "Draining", "realtime clients are told to reconnect",
                 {{"window_ms", window.count()}});
  server.Drain(window);
  const MonoTime until = SystemClock().Mono() + window + std::chrono::seconds{5};
  while (!server.drained() && SystemClock().Mono() < until && !server.failed()) {
    const Signal::Kind kind = signals.WaitFor(kLookDraining).kind;
    if (kind == Signal::Kind::kStop || kind == Signal::Kind::kDrain) break;
  }
  telemetry::Log(telemetry::Level::kInfo, "Stopping", "no more requests are taken");
  server.Stop();
  return ExitCode::kOk;
}

struct Started {
  std::string url;
  std::string realtime_url;
  std::string hook_url;
  std::string data_directory;
};

Started Describe(const Address& address, uint16_t port, const app::Configuration& configuration,
                 const std::string& data_directory) {
  const std::string host = HostPort(address, port);
  const std::string secure = configuration.tls == nullptr ? "" : "s";
  Started started{"http" + secure + "://" + host, "ws" + secure + "://" + host + "/realtime/v1", "",
                  data_directory};
  if (!configuration.sources.empty()) {
    started.hook_url =
        started.url + "/hooks/" + configuration.sources.front().name + "/" +
        app::ProcessEnvironment(app::DevEnvironment()).Variable("TIDEWIRE_HOOK_TOKEN").value_or("");
  }
  return started;
}

void PrintJson(const Started& started, const app::DevKeys& keys) {
  json::Writer w;
  w.Object().Key("url").String(started.url).Key("realtime_url").String(started.realtime_url);
  w.Key("hook_url").String(started.hook_url).Key("anon_key").String(keys.anon_key);
  w.Key("service_key").String(keys.service_key);
  w.Key("data_dir").String(started.data_directory).End();
  std::printf("%s\n", w.Take().c_str());
  std::fflush(stdout);
}

void PrintText(const Started& started, const app::DevKeys& keys) {
  std::printf(
      "\n  Tidewire development server. Not for production: the secrets are public.\n\n"
      "  Page       %s\n"
      "  Realtime   %s\n"
      "  Tables     %s/rest/v1/<table>\n",
      started.url.c_str(), started.realtime_url.c_str(), started.url.c_str());
  if (!started.hook_url.empty()) std::printf("  Hook       %s\n", started.hook_url.c_str());
  std::printf(
      "  Health     %s/health/ready   %s/metrics\n"
      "  Data       %s\n\n"
      "  anon key     %s\n"
      "  service key  %s\n",
      started.url.c_str(), started.url.c_str(), started.data_directory.c_str(),
      keys.anon_key.c_str(), keys.service_key.c_str());
  if (!keys.users.empty()) {
    std::printf("  token of %s\n               %s\n", keys.users.front().name.c_str(),
                keys.users.front().token.c_str());
  }
  std::printf("\n");
  std::fflush(stdout);
}

// A delivery to try, for the built-in example.
void PrintCurl(const Started& started) {
  std::printf(
      "  Send an event yourself:\n\n"
      "  curl -X POST %s -H 'content-type: application/json' -d '"
      "{\"event\":{\"type\":\"CONTACT_REPLIED\",\"workspace_id\":37},\"data\":{\"lead\":"
      "{\"id\":1,\"email\":\"you@example.com\",\"first_name\":\"You\"},\"reply\":{\"id\":1}}}'\n\n",
      started.hook_url.c_str());
  std::fflush(stdout);
}

// Who can sign in, and the page: of the example that `--config` names, or the built-in ones.
struct DevContent {
  std::vector<app::DevUser> users;
  app::ExamplePage page;
  std::vector<gateway::Asset> assets;  // Point into `page`, or into the program.
};

Result<DevContent> LoadContent(const std::string& config_path) {
  DevContent content{.users = app::BuiltInUsers(), .page = {}, .assets = app::EmbeddedPage()};
  if (config_path.empty()) return content;
  const auto directory = std::filesystem::path(config_path).parent_path();
  const auto users = app::MakeDirectoryFiles(directory.string())->Read("dev.json");
  if (users.ok()) {
    TW_ASSIGN_OR_RETURN(content.users, app::ParseDevUsers(*users));
  } else if (users.error().code != ErrorCode::kNotFound) {
    return Annotate(users.error(), "dev.json");
  }
  TW_ASSIGN_OR_RETURN(content.page,
                      app::ExamplePage::Read((directory / "web" / "dist").string()));
  if (auto assets = content.page.assets(); !assets.empty()) content.assets = std::move(assets);
  return content;
}

}  // namespace

ExitCode RunDev(const ServeArguments& arguments) {
  const Signals signals;
  const app::ProcessEnvironment environment(app::DevEnvironment());
  const auto fail = [&](const Error& error) {
    return PrintError(arguments.format, error, ExitCodeOf(error));
  };
  const auto configuration = LoadConfigurationAt(arguments.config, environment);
  if (!configuration.ok()) return fail(configuration.error());
  const auto address = ParseListen(arguments.listen.empty() ? configuration->main.server.listen
                                                            : arguments.listen);
  if (!address.ok()) return PrintError(arguments.format, address.error(), ExitCode::kUsage);
  if (!IsLoopback(address->ip) && !arguments.allow_any_address) {
    return PrintError(arguments.format,
                      Error{ErrorCode::kInvalidArgument,
                            "the development server uses public secrets and listens on loopback "
                            "only; say --i-know to listen on " + address->ip + " all the same"},
                      ExitCode::kUsage);
  }
  auto content = LoadContent(app::ConfigurationPath(arguments.config));
  if (!content.ok()) return fail(content.error());
  const auto keys = app::MintDevKeys(configuration->main.auth.jwt_secret.Reveal(),
                                     SystemClock().Wall(), content->users);
  if (!keys.ok()) return fail(keys.error());

  app::ServerOptions options{.data_directory = DataDirectory(arguments),
                             .address = address->ip,
                             .port = address->port,
                             .hosts = arguments.allow_any_address ? gateway::Hosts::kAny
                                                                  : gateway::Hosts::kLoopback,
                             .demo_config = app::DemoConfigJson(*keys),
                             .assets = content->assets};
  telemetry::Registry metrics;
  auto server =
      app::Server::Start(*configuration, options, SystemClock(), SystemRandom(), metrics);
  if (!server.ok()) return fail(server.error());
  const Started started =
      Describe(*address, (*server)->port(), *configuration, options.data_directory);
  if (arguments.format == Format::kJson) {
    PrintJson(started, *keys);
  } else {
    PrintText(started, *keys);
    if (arguments.config.empty()) PrintCurl(started);
  }
  std::unique_ptr<app::DemoTraffic> traffic;
  if (arguments.demo_traffic && arguments.config.empty()) {
    traffic = std::make_unique<app::DemoTraffic>(
        (*server)->port(), environment.Variable("TIDEWIRE_HOOK_SECRET").value_or(""),
        SystemClock(), SystemRandom());
  }
  // Whoever stops a development server waits for it.
  const ExitCode code = RunUntilSignal(**server, signals,
                                       {arguments, environment, DevSecret::kAllowed, **server},
                                       Hangup::kEnds, std::chrono::milliseconds{0});
  traffic.reset();
  return code;
}

ExitCode RunServe(const ServeArguments& arguments) {
  const Signals signals;
  const app::ProcessEnvironment environment;
  const auto fail = [&](const Error& error) {
    return PrintError(arguments.format, error, ExitCodeOf(error));
  };
  if (arguments.config.empty()) {
    return PrintError(arguments.format,
                      Error{ErrorCode::kInvalidArgument,
                            "serve needs --config FILE; `tidewire dev` runs without one"},
                      ExitCode::kUsage);
  }
  const auto configuration = LoadConfigurationAt(arguments.config, environment);
  if (!configuration.ok()) return fail(configuration.error());
  if (const Status own = CheckSecret(*configuration); !own.ok()) return fail(own.error());
  const auto address = ParseListen(arguments.listen.empty() ? configuration->main.server.listen
                                                            : arguments.listen);
  if (!address.ok()) return PrintError(arguments.format, address.error(), ExitCode::kUsage);
  telemetry::Registry metrics;
  auto server = app::Server::Start(*configuration,
                                   {.data_directory = DataDirectory(arguments),
                                    .address = address->ip,
                                    .port = address->port},
                                   SystemClock(), SystemRandom(), metrics);
  if (!server.ok()) return fail(server.error());
  const std::string url =
      (configuration->tls == nullptr ? "http://" : "https://") + HostPort(*address, (*server)->port());
  if (arguments.format == Format::kJson) {
    json::Writer w;
    w.Object().Key("url").String(url).Key("data_dir").String(DataDirectory(arguments)).End();
    std::printf("%s\n", w.Take().c_str());
    std::fflush(stdout);
  }
  telemetry::Log(telemetry::Level::kInfo, "Listening", "ready", {{"url", url}});
  return RunUntilSignal(**server, signals,
                        {arguments, environment, DevSecret::kRefused, **server}, Hangup::kReloads,
                        configuration->main.server.drain_window);
}

}  // namespace tw::cli
