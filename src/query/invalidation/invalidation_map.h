// Which client keys a change or a sync makes old: the configuration's maps and graph, compiled.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/strings.h"
#include "model/change.h"
#include "policy/catalog.h"
#include "query/invalidation/client_key.h"
#include "query/invalidation/invalidation_config.h"

namespace tw::query {

// Keys of one frame; more become the prefixes of their first segments.
inline constexpr size_t kInvalidationKeysMax = 256;

// A set of key prefixes as JSON arrays, in which none covers another.
class KeySet {
 public:
  void Add(std::string key) { keys_.insert(std::move(key)); }
  void Merge(const KeySet& other) { keys_.insert(other.keys_.begin(), other.keys_.end()); }
  bool empty() const { return keys_.empty(); }
  // What is left when covered ones are dropped, and wider ones where there are too many.
  std::vector<std::string> Reduced() const;

 private:
  std::set<std::string> keys_;
};

// What somebody with the right to do so calls old.
struct ManualInvalidation {
  std::vector<std::string> keys;  // JSON arrays.
  std::vector<std::string> tags;
  std::vector<std::string> tables;
};
// {"keys":[["a"]],"tags":["t"],"tables":["x"]}; each may be missing. Errors: kInvalidArgument.
Result<ManualInvalidation> ParseManualInvalidation(std::string_view body);

class InvalidationMap {
 public:
  struct Table {
    std::vector<KeyPattern> keys;  // Closure over the graph.
    std::vector<std::string> tags;
  };
  struct Sync {
    std::string source;
    std::string id;  // Empty: every change is a sync of its own.
    KeySet keys;
  };

  // Errors: kInvalidArgument "file:line:column: invalidation…": bad keys, tables and columns that
  // do not exist. A cycle in the graph is no error.
  static Result<std::shared_ptr<const InvalidationMap>> Compile(const InvalidationConfig& config,
                                                                const policy::Catalog& catalog);

  // Null: a change of this table means nothing by itself.
  const Table* FindTable(std::string_view table) const;
  // The keys of a table's change, its parameters bound by the row (old and new).
  void KeysOf(const Table& table, const Change& change, KeySet& keys) const;
  // Nullopt: no sync, or one that failed.
  std::optional<Sync> SyncOf(const Change& change) const;

  std::string LabelOf(const std::string& source) const;
  std::chrono::milliseconds batch() const { return batch_; }
  bool empty() const { return tables_.empty() && sync_table_.empty(); }
  // Keys that lead back to themselves, for `check` to tell.
  const std::vector<std::string>& cycles() const { return cycles_; }

 private:
  struct Edge {
    KeyPattern from;
    std::vector<KeyPattern> to;
  };
  std::vector<KeyPattern> Closure(std::vector<KeyPattern> keys) const;
  void FindCycles();

  std::vector<Edge> graph_;
  StringMap<Table> tables_;
  StringMap<std::vector<KeyPattern>> sources_;
  StringMap<std::string> labels_;
  std::string sync_table_;
  size_t source_column_ = 0;
  std::optional<size_t> id_column_;
  std::vector<std::pair<size_t, std::string>> when_;
  std::chrono::milliseconds batch_{5'000};
  std::vector<std::string> cycles_;
};

using InvalidationMapPtr = std::shared_ptr<const InvalidationMap>;

}  // namespace tw::query
