#include "cli/doctor.h"

#include <algorithm>
#include <cstdio>

#include "app/configuration.h"
#include "app/postgres_store.h"
#include "base/random.h"
#include "capture/postgres/source.h"
#include "cli/loaded.h"
#include "json/json.h"
#include "postgres/connection.h"

namespace tw::cli {
namespace {

using capture::Finding;

void PrintText(const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) {
    const std::string severity(ToString(finding.severity));
    std::printf("%-8s %s\n", severity.c_str(), finding.message.c_str());
    if (!finding.sql.empty()) std::printf("         mend it with:  %s;\n", finding.sql.c_str());
  }
}

void PrintJson(const std::vector<Finding>& findings) {
  json::Writer w;
  w.Object().Key("findings").Array();
  for (const Finding& finding : findings) {
    w.Object().Key("severity").String(ToString(finding.severity)).Key("code").String(finding.code);
    w.Key("message").String(finding.message);
    if (!finding.table.empty()) w.Key("table").String(finding.table);
    if (!finding.sql.empty()) w.Key("sql").String(finding.sql);
    w.End();
  }
  w.End().End();
  std::printf("%s\n", w.Take().c_str());
}

ExitCode CodeOfConnection(const Error& error) {
  switch (error.code) {
    case ErrorCode::kUnauthenticated:
    case ErrorCode::kPermissionDenied: return ExitCode::kAuth;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound: return ExitCode::kConfig;
    default: return ExitCode::kUnreachable;
  }
}

}  // namespace

ExitCode RunDoctor(const DoctorArguments& arguments) {
  if (arguments.config.empty()) {
    return PrintError(arguments.format,
                      Error{ErrorCode::kInvalidArgument, "doctor needs --config FILE"},
                      ExitCode::kUsage);
  }
  const auto configuration = LoadConfigurationAt(arguments.config, app::ProcessEnvironment());
  if (!configuration.ok()) {
    return PrintError(arguments.format, configuration.error(), ExitCodeOf(configuration.error()));
  }
  if (configuration->main.store.kind != app::StoreKind::kPostgres) {
    std::vector<Finding> none{{Finding::Severity::kOk, "EmbeddedStore",
                               "the store is the embedded one; it needs nothing", "", ""}};
    arguments.format == Format::kJson ? PrintJson(none) : PrintText(none);
    return ExitCode::kOk;
  }
  const auto options = app::PostgresOptions(configuration->main, SystemRandom());
  auto connection = postgres::Connection::Open(
      {.dsn = options.dsn, .application_name = "tidewire doctor"});
  if (!connection.ok()) {
    return PrintError(arguments.format, connection.error(), CodeOfConnection(connection.error()));
  }
  const auto findings = capture::Inspect(*connection, options.source);
  if (!findings.ok()) {
    return PrintError(arguments.format, findings.error(), CodeOfConnection(findings.error()));
  }
  arguments.format == Format::kJson ? PrintJson(*findings) : PrintText(*findings);
  const bool wrong = std::ranges::any_of(*findings, [](const Finding& finding) {
    return finding.severity == Finding::Severity::kError;
  });
  return wrong ? ExitCode::kConfig : ExitCode::kOk;
}

ExitCode RunInitPostgres(const InitPostgresArguments& arguments) {
  capture::SourceOptions options;
  if (!arguments.config.empty()) {
    const auto configuration = LoadConfigurationAt(arguments.config, app::ProcessEnvironment());
    if (!configuration.ok()) {
      return PrintError(arguments.format, configuration.error(),
                        ExitCodeOf(configuration.error()));
    }
    options = app::PostgresOptions(configuration->main, SystemRandom()).source;
  }
  options.tables.insert(options.tables.end(), arguments.tables.begin(), arguments.tables.end());
  if (options.tables.empty()) {
    return PrintError(arguments.format,
                      Error{ErrorCode::kInvalidArgument,
                            "init postgres needs the tables that clients follow: --table NAME, or"
                            " tables: in --config FILE"},
                      ExitCode::kUsage);
  }
  const std::string sql = capture::MigrationSql(options, arguments.role);
  if (arguments.format == Format::kJson) {
    json::Writer w;
    w.Object().Key("sql").String(sql).End();
    std::printf("%s\n", w.Take().c_str());
  } else {
    std::printf("%s", sql.c_str());
  }
  return ExitCode::kOk;
}

}  // namespace tw::cli
