#include "ingest/source_config.h"

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "config/load.h"
#include "ingest/source_config_describe.h"

namespace tw::ingest {
namespace {

using config::Node;
using config::Reader;

// Keys of the language (ingestion spec §3) that this version does not have. '*' is any key.
constexpr std::string_view kNotYet[] = {
    "http",
    "streams",
    "fallback",
    "jobs",
    "backfill",
    "consistency",
    "alerts",
    "sources",
    "tenants.discover",
    "tenants.config_sync",
    "tenants.credentials",
    "webhook.registration",
    "webhook.handshake",
    "webhook.public_url",
    "webhook.type.const",
    "webhook.tenant.via",
    "counters.available",
    "events.*.notify",
    "events.*.if",
    "events.*.approx",
    "tables.*.replace_slice",
    "tables.*.sweep",
    "freshness.key",
    "freshness.touch_when",
    "freshness.columns.last_poll_at",
    "freshness.columns.poll_count_24h",
    "freshness.columns.last_synced_at",
    "freshness.columns.last_sync_status",
    "freshness.columns.last_error",
    "freshness.columns.rows_changed",
    "freshness.columns.next_due_at",
    "freshness.columns.sync_id",
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

// `tables.stages` is not a table: it moves beside them.
Node WithStagesApart(const Node& root) {
  const Node* tables = root.Find("tables");
  if (tables == nullptr || tables->Find("stages") == nullptr) return root;
  std::vector<Node::Entry> entries;
  for (const Node::Entry& entry : root.entries()) {
    if (entry.key != "tables") {
      entries.push_back(entry);
      continue;
    }
    std::vector<Node::Entry> kept;
    for (const Node::Entry& table : tables->entries()) {
      if (table.key == "stages") {
        entries.push_back(table);
      } else {
        kept.push_back(table);
      }
    }
    entries.push_back({entry.key, entry.where, Node::Map(std::move(kept), tables->where())});
  }
  return Node::Map(std::move(entries), root.where());
}

// Puts the node of secrets.NAME where "${secret.NAME}" stands.
Node WithSecrets(const Node& node, const Node& secrets, Reader& reader) {
  constexpr std::string_view kOpen = "${secret.";
  if (node.is_list()) {
    std::vector<Node> items;
    for (const Node& item : node.items()) items.push_back(WithSecrets(item, secrets, reader));
    return Node::List(std::move(items), node.where());
  }
  if (node.is_map()) {
    std::vector<Node::Entry> entries;
    for (const Node::Entry& entry : node.entries()) {
      entries.push_back({entry.key, entry.where, WithSecrets(entry.value, secrets, reader)});
    }
    return Node::Map(std::move(entries), node.where());
  }
  const std::string_view text = node.text();
  if (!text.starts_with(kOpen) || !text.ends_with('}')) return node;
  const std::string_view name = text.substr(kOpen.size(), text.size() - kOpen.size() - 1);
  if (const Node* found = secrets.Find(name)) {
    return Node::Scalar(found->text(), found->style(), node.where());
  }
  std::vector<std::string_view> names;
  for (const Node::Entry& entry : secrets.entries()) names.push_back(entry.key);
  std::string message = "no secret '" + std::string(name) + "' in secrets";
  if (const auto nearest = Nearest(name, names)) {
    message += "; did you mean '" + std::string(*nearest) + "'?";
  }
  reader.problems().Add(node.where(), std::move(message));
  return node;
}

Node WithAuthenticationSecrets(const Node& root, Reader& reader) {
  const Node* webhook = root.Find("webhook");
  if (webhook == nullptr || webhook->Find("authenticate") == nullptr) return root;
  const Node* secrets = root.Find("secrets");
  Node resolved = root;
  Node& authenticate = resolved.At("webhook").At("authenticate");
  authenticate = WithSecrets(authenticate, secrets == nullptr ? Node() : *secrets, reader);
  return resolved;
}

}  // namespace

Result<SourceConfig> LoadSourceConfig(std::string_view text, std::string_view file,
                                      const config::Environment& environment) {
  TW_ASSIGN_OR_RETURN(Node root, config::ParseYaml(text, file));
  const config::LoadOptions options{.override_prefix = {}};
  Reader reader(environment, options, {});
  root = WithoutUnsupported(root, "", reader);
  root = WithStagesApart(root);
  root = WithAuthenticationSecrets(root, reader);
  SourceConfig config;
  reader.Read(root, config, config::Unbounded{}, "");
  TW_RETURN_IF_ERROR(reader.problems().ToStatus());
  return config;
}

}  // namespace tw::ingest
