#include "query/invalidation/invalidation_map.h"

#include <algorithm>

namespace tw::query {
namespace {

// A value as one segment of a client key.
std::string SegmentJson(const Value& value, ColumnType type) {
  std::string out;
  AppendJson(out, value, type);
  return out;
}

// The pattern as a JSON array; parameters by the row, "*" where there is none.
std::string KeyJson(const KeyPattern& pattern, const Relation* relation, const Row* row) {
  std::string out = "[";
  for (const KeySegment& segment : pattern) {
    if (out.size() > 1) out.push_back(',');
    const auto column = segment.kind == KeySegment::Kind::kColumn && relation != nullptr
                            ? relation->Find(segment.column)
                            : std::nullopt;
    if (segment.kind == KeySegment::Kind::kText) {
      json::AppendString(out, segment.text);
    } else if (column && row != nullptr && *column < row->size()) {
      out += SegmentJson((*row)[*column], relation->columns[*column].type);
    } else {
      out += "\"*\"";
    }
  }
  return out + "]";
}

// What `value` says as plain text, to be compared with the configuration's.
std::string PlainText(const Value& value) {
  if (const std::string* const text = value.AsText()) return *text;
  std::string out;
  AppendJson(out, value, ColumnType::kText);
  return out;
}

class MapProblems {
 public:
  void Add(const config::Location& where, const std::string& path, const std::string& reason) {
    problems_.Add(where, "invalidation." + path + ": " + reason);
  }
  std::vector<KeyPattern> Keys(const std::vector<config::Located<config::Node>>& nodes,
                               const std::string& path) {
    std::vector<KeyPattern> keys;
    for (const auto& node : nodes) {
      auto pattern = ParseKeyPattern(*node);
      if (pattern.ok()) {
        keys.push_back(*std::move(pattern));
      } else {
        Add(node.where, path, pattern.error().message);
      }
    }
    return keys;
  }
  Status ToStatus() const { return problems_.ToStatus(); }

 private:
  config::Problems problems_;
};

}  // namespace

Result<ManualInvalidation> ParseManualInvalidation(std::string_view body) {
  TW_ASSIGN_OR_RETURN(const auto document, json::Parse(body));
  const auto fail = [](std::string_view member) {
    return Fail(ErrorCode::kInvalidArgument,
                std::string(member) + ": expected a list as docs/queries.md says");
  };
  if (!document.root().is_object()) return fail("body");
  ManualInvalidation manual;
  for (const json::Member& member : document.root().members()) {
    const bool known = member.key == "keys" || member.key == "tags" || member.key == "tables";
    if (!known || !member.value.is_array()) return fail(member.key.substr(0, 64));
    for (const json::Value& item : member.value.items()) {
      if (member.key == "keys" ? !item.is_array() || item.items().empty() : !item.is_string()) {
        return fail(member.key);
      }
      if (member.key == "keys") manual.keys.push_back(item.ToText());
      if (member.key == "tags") manual.tags.emplace_back(item.GetString());
      if (member.key == "tables") manual.tables.emplace_back(item.GetString());
    }
  }
  if (manual.keys.size() + manual.tags.size() + manual.tables.size() == 0) return fail("body");
  return manual;
}

std::vector<std::string> KeySet::Reduced() const {
  std::set<std::string> keys = keys_;
  if (keys.size() > kInvalidationKeysMax) {
    keys.clear();
    for (const std::string& key : keys_) {
      const auto document = json::Parse(key);
      if (!document.ok() || document->root().items().empty()) continue;
      keys.insert("[" + document->root().items()[0].ToText() + "]");
    }
  }
  std::vector<json::Document> parsed;
  for (const std::string& key : keys) parsed.push_back(std::move(*json::Parse(key)));
  std::vector<std::string> kept;
  for (size_t i = 0; i < parsed.size(); ++i) {
    const bool covered = std::ranges::any_of(parsed, [&](const json::Document& other) {
      return &other != &parsed[i] && other->items().size() < parsed[i]->items().size() &&
             PartialMatch(parsed[i].root(), other.root());
    });
    if (!covered) kept.push_back(parsed[i]->ToText());
  }
  return kept;
}

Result<std::shared_ptr<const InvalidationMap>> InvalidationMap::Compile(
    const InvalidationConfig& config, const policy::Catalog& catalog) {
  auto map = std::make_shared<InvalidationMap>();
  MapProblems problems;
  map->batch_ = config.batch;
  for (const auto& item : config.graph) {
    auto from = ParseKeyPattern(config::Node::Scalar(item.key, config::Node::Style::kQuoted));
    if (!from.ok()) {
      problems.Add(item.where, "graph." + item.key, from.error().message);
      continue;
    }
    map->graph_.push_back({*std::move(from), problems.Keys(item.value, "graph." + item.key)});
  }
  for (const auto& item : config.labels) map->labels_.emplace(item.key, item.value);
  for (const auto& item : config.sources) {
    map->sources_.emplace(item.key,
                          map->Closure(problems.Keys(item.value, "sources." + item.key)));
  }
  for (const auto& item : config.tables) {
    const auto* table = catalog.Find("public", item.key);
    if (table == nullptr) {
      problems.Add(item.where, "tables." + item.key, "the table is not in `tables`");
      continue;
    }
    auto keys = map->Closure(problems.Keys(item.value.keys, "tables." + item.key));
    for (const KeyPattern& key : keys) {
      for (const KeySegment& segment : key) {
        if (segment.kind != KeySegment::Kind::kColumn || segment.column == segment.name ||
            table->relation->Find(segment.column)) {
          continue;
        }
        problems.Add(item.where, "tables." + item.key,
                     "'" + ToString(key) + "' binds " + segment.column + ", which is no column");
      }
    }
    map->tables_.emplace(item.key, Table{std::move(keys), item.value.tags});
  }
  if (config.on) {
    const auto* table = catalog.Find("public", *config.on->table);
    const auto column = [&](const std::string& name) -> size_t {
      const auto found = table == nullptr ? std::nullopt : table->relation->Find(name);
      if (table != nullptr && !found) {
        problems.Add(config.on->table.where, "on", "'" + name + "' is no column of the table");
      }
      return found.value_or(0);
    };
    if (table == nullptr) {
      problems.Add(config.on->table.where, "on.table", "the table is not in `tables`");
    }
    map->sync_table_ = *config.on->table;
    map->source_column_ = column(config.on->source);
    if (!config.on->id.empty()) map->id_column_ = column(config.on->id);
    for (const auto& item : config.on->when) {
      map->when_.emplace_back(column(item.key), item.value);
    }
  }
  TW_RETURN_IF_ERROR(problems.ToStatus());
  map->FindCycles();
  return std::shared_ptr<const InvalidationMap>(std::move(map));
}

// Everything that depends on `keys`, each once: cycles end by themselves. A parameter goes on only
// under its own name.
std::vector<KeyPattern> InvalidationMap::Closure(std::vector<KeyPattern> keys) const {
  std::set<KeyPattern> seen(keys.begin(), keys.end());
  for (size_t at = 0; at < keys.size(); ++at) {
    for (const Edge& edge : graph_) {
      if (!Related(keys[at], edge.from)) continue;
      for (KeyPattern next : edge.to) {
        for (KeySegment& segment : next) {
          if (segment.kind != KeySegment::Kind::kColumn || segment.column != segment.name) continue;
          const auto passed = std::ranges::find(keys[at], segment.name, &KeySegment::name);
          if (passed == keys[at].end() && at > 0) {
            segment = {.kind = KeySegment::Kind::kAny};
          } else if (passed != keys[at].end()) {
            segment.column = passed->column;
          }
        }
        if (seen.insert(next).second) keys.push_back(std::move(next));
      }
    }
  }
  return keys;
}

void InvalidationMap::FindCycles() {
  for (const Edge& edge : graph_) {
    const auto reached = Closure(edge.to);
    if (std::ranges::any_of(reached, [&](const KeyPattern& key) {
          return ToString(key) == ToString(edge.from);
        })) {
      cycles_.push_back(ToString(edge.from));
    }
  }
}

const InvalidationMap::Table* InvalidationMap::FindTable(std::string_view table) const {
  const auto found = tables_.find(table);
  return found == tables_.end() ? nullptr : &found->second;
}

void InvalidationMap::KeysOf(const Table& table, const Change& change, KeySet& keys) const {
  for (const KeyPattern& pattern : table.keys) {
    if (!change.old_row.empty()) {
      keys.Add(KeyJson(pattern, change.relation.get(), &change.old_row));
    }
    if (!change.new_row.empty()) {
      keys.Add(KeyJson(pattern, change.relation.get(), &change.new_row));
    }
  }
}

std::optional<InvalidationMap::Sync> InvalidationMap::SyncOf(const Change& change) const {
  if (sync_table_.empty() || change.relation->table != sync_table_) return std::nullopt;
  const Row& row = change.new_row;
  if (row.size() <= source_column_) return std::nullopt;
  for (const auto& [column, value] : when_) {
    if (column >= row.size() || PlainText(row[column]) != value) return std::nullopt;
  }
  Sync sync{.source = PlainText(row[source_column_])};
  if (id_column_ && *id_column_ < row.size() && !row[*id_column_].is_null()) {
    sync.id = PlainText(row[*id_column_]);
  }
  for (const std::string& name : {sync.source, std::string("*")}) {
    const auto found = sources_.find(name);
    if (found == sources_.end()) continue;
    for (const KeyPattern& pattern : found->second) {
      sync.keys.Add(KeyJson(pattern, change.relation.get(), &row));
    }
  }
  if (sync.keys.empty()) return std::nullopt;
  return sync;
}

std::string InvalidationMap::LabelOf(const std::string& source) const {
  const auto found = labels_.find(source);
  return found == labels_.end() ? source : found->second;
}

}  // namespace tw::query
