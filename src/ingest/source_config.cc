#include "ingest/source_config.h"

#include <algorithm>

#include "base/strings.h"
#include "config/load.h"
#include "ingest/source_config_describe.h"
#include "ingest/source_normal.h"

namespace tw::ingest {
namespace {

using config::Node;
using config::Reader;

// Keys of the language (ingestion spec §3) that this version does not have. '*' is any key.
constexpr std::string_view kNotYet[] = {
    "backfill",           "alerts",
    "tenants.discover",   "tenants.config_sync",  "webhook.registration",
    "counters.available", "events.*.notify",      "events.*.if",
    "events.*.approx",    "fallback.quiet_alert", "jobs.*.only_if",
};

bool PathMatches(std::string_view pattern, std::string_view path) {
  const auto wanted = Split(pattern, '.');
  const auto found = Split(path, '.');
  if (wanted.size() != found.size()) return false;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] != "*" && wanted[i] != found[i]) return false;
  }
  return true;
}

// The tree without the keys that are not supported yet, each of them reported.
Node WithoutUnsupported(const Node& node, const std::string& path, Reader& reader) {
  if (!node.is_map()) return node;
  std::vector<Node::Entry> entries;
  for (const Node::Entry& entry : node.entries()) {
    const std::string at = path.empty() ? entry.key : path + "." + entry.key;
    const auto matches = [&](std::string_view pattern) { return PathMatches(pattern, at); };
    if (std::any_of(std::begin(kNotYet), std::end(kNotYet), matches)) {
      reader.problems().Add(entry.where, at + ": not supported yet by this version");
      continue;
    }
    entries.push_back({entry.key, entry.where, WithoutUnsupported(entry.value, at, reader)});
  }
  return Node::Map(std::move(entries), node.where());
}

}  // namespace

Result<std::vector<SourceConfig>> LoadSourceConfigs(std::string_view text, std::string_view file,
                                                    const config::Environment& environment) {
  TW_ASSIGN_OR_RETURN(const Node root, config::ParseYaml(text, file));
  const config::LoadOptions options{.override_prefix = {}};
  Reader reader(environment, options, {});
  std::vector<SourceConfig> configs;
  for (const Node& source : SplitSources(root, reader)) {
    const Node node = WithShortForms(WithoutUnsupported(source, "", reader), reader);
    reader.Read(node, configs.emplace_back(), config::Unbounded{}, "");
  }
  TW_RETURN_IF_ERROR(reader.problems().ToStatus());
  return configs;
}

Result<SourceConfig> LoadSourceConfig(std::string_view text, std::string_view file,
                                      const config::Environment& environment) {
  TW_ASSIGN_OR_RETURN(auto configs, LoadSourceConfigs(text, file, environment));
  if (configs.size() == 1) return std::move(configs.front());
  return Fail(ErrorCode::kInvalidArgument,
              std::string(file) + ": one source is expected here, not several");
}

}  // namespace tw::ingest
