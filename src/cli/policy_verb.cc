#include "cli/policy_verb.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "json/json.h"
#include "policy/catalog.h"
#include "policy/postgres_catalog.h"

namespace tw::cli {
namespace {

using policy::Placement;

std::string_view TierName(Placement::Tier tier) {
  switch (tier) {
    case Placement::Tier::kMemory:
      return "memory";
    case Placement::Tier::kScan:
      return "memory-scan";
    case Placement::Tier::kDatabase:
      return "database";
    case Placement::Tier::kDenied:
      return "denied";
  }
  return "denied";
}

Result<std::vector<Placement>> Explain(const ExplainArguments& arguments, const std::string& dsn) {
  TW_ASSIGN_OR_RETURN(auto connection, postgres::Connection::Open({.dsn = dsn}));
  TW_ASSIGN_OR_RETURN(const auto relations, policy::ReadRelations(connection, arguments.schema));
  TW_ASSIGN_OR_RETURN(const policy::Schema schema, policy::ReadSchema(connection, relations));
  auto placements = policy::CompilePostgres(schema).placements;
  std::erase_if(placements, [&](const Placement& placement) {
    if (!arguments.role.empty()) return placement.role != arguments.role;
    // Roles that were never granted anything are most of a database's.
    return placement.reason.starts_with("permission denied for table " + placement.table) &&
           placement.reason.find("(role") == placement.reason.npos;
  });
  return placements;
}

void PrintText(const std::vector<Placement>& placements) {
  for (const Placement& placement : placements) {
    std::printf("%-32s %-20s %s%s%s\n", (placement.schema + "." + placement.table).c_str(),
                placement.role.c_str(), std::string(TierName(placement.tier)).c_str(),
                placement.reason.empty() ? "" : ": ", placement.reason.c_str());
  }
}

void PrintJson(const std::vector<Placement>& placements) {
  json::Writer writer;
  writer.Object().Key("placements").Array();
  for (const Placement& placement : placements) {
    writer.Object().Key("schema").String(placement.schema).Key("table").String(placement.table);
    writer.Key("role").String(placement.role).Key("tier").String(TierName(placement.tier));
    writer.Key("reason").String(placement.reason).End();
  }
  writer.End().End();
  std::printf("%s\n", writer.Take().c_str());
}

}  // namespace

ExitCode RunPolicyExplain(const ExplainArguments& arguments) {
  std::string dsn = arguments.dsn;
  if (dsn.empty()) {
    const char* const given = std::getenv("TIDEWIRE_DSN");
    dsn = given != nullptr ? given : "";
  }
  if (dsn.empty()) {
    return PrintError(arguments.format,
                      {ErrorCode::kInvalidArgument,
                       "policy explain needs --dsn or TIDEWIRE_DSN, a PostgreSQL connection string"},
                      ExitCode::kUsage);
  }
  const auto placements = Explain(arguments, dsn);
  if (!placements.ok()) {
    return PrintError(arguments.format, placements.error(), ExitCode::kUnreachable);
  }
  if (arguments.format == Format::kJson) {
    PrintJson(*placements);
  } else {
    PrintText(*placements);
  }
  return ExitCode::kOk;
}

}  // namespace tw::cli
