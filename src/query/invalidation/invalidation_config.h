// The `invalidation` of the main configuration file, as structs. Reference: docs/config.md.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "config/config.h"

namespace tw::query {

using namespace std::chrono_literals;

struct SyncTableConfig {
  config::Located<std::string> table;
  std::string source = "source";
  std::string id;
  config::OrderedMap<std::string> when;
};

constexpr void Describe(config::Of<SyncTableConfig> auto& config, auto&& field) {
  field(config::Required("table"), config.table, "Table whose rows say that a source has synced.");
  field("source", config.source, "Its column with the source's name.");
  field("id", config.id, "Its column that tells one sync from the next; empty: every change counts.");
  field("when", config.when, "Column: value of a row that counts as a success.");
}

struct TableKeysConfig {
  std::vector<config::Located<config::Node>> keys;
  std::vector<std::string> tags;
};

constexpr void Describe(config::Of<TableKeysConfig> auto& config, auto&& field) {
  field("keys", config.keys,
        "Client keys that a change of the table makes old: \"a/b/{column}\", or {key, <name>: column}.");
  field("tags", config.tags, "Tags sent with them.");
}

struct InvalidationConfig {
  config::OrderedMap<std::vector<config::Located<config::Node>>> sources;
  config::OrderedMap<std::string> labels;
  std::optional<SyncTableConfig> on;
  std::chrono::milliseconds batch = 5s;
  config::OrderedMap<TableKeysConfig> tables;
  config::OrderedMap<std::vector<config::Located<config::Node>>> graph;
};

constexpr void Describe(config::Of<InvalidationConfig> auto& config, auto&& field) {
  field("sources", config.sources, "Source → client keys; \"*\": for every source.");
  field("labels", config.labels, "Source → its name on a screen.");
  field("on", config.on, "What counts as \"a source has synced\".");
  field("batch", config.batch, 0ms, 1min,
        "Syncs within this time of the first go out in one message.");
  field("tables", config.tables, "Table → client keys and tags.");
  field("graph", config.graph, "Client key → the keys that depend on it; transitive.");
}

}  // namespace tw::query
