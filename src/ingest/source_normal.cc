#include "ingest/source_normal.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "base/strings.h"

namespace tw::ingest {
namespace {

using config::Node;
using config::Reader;

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
  if (webhook->Find("handshake") == nullptr) return resolved;
  Node& handshake = resolved.At("webhook").At("handshake");
  handshake = WithSecrets(handshake, secrets == nullptr ? Node() : *secrets, reader);
  return resolved;
}

// `over` on top of `under`, maps merged at every depth.
Node Merged(const Node& under, const Node& over) {
  if (!under.is_map() || !over.is_map()) return over;
  Node merged = under;
  for (const Node::Entry& entry : over.entries()) {
    const Node* below = under.Find(entry.key);
    merged.At(entry.key) = below == nullptr ? entry.value : Merged(*below, entry.value);
  }
  return merged;
}

Node WithHttpClients(const Node& root) {
  const Node* http = root.Find("http");
  if (http == nullptr || !http->is_map()) return root;
  Node result = root;
  if (http->Find("base_url") != nullptr) {
    Node clients = Node::Map({}, http->where());
    clients.At("default") = *http;
    result.At("http") = std::move(clients);
    return result;
  }
  const Node* defaults = http->Find("defaults");
  std::vector<Node::Entry> clients;
  for (const Node::Entry& entry : http->entries()) {
    if (entry.key == "defaults") continue;
    clients.push_back({entry.key, entry.where,
                       defaults == nullptr ? entry.value : Merged(*defaults, entry.value)});
  }
  result.At("http") = Node::Map(std::move(clients), http->where());
  return result;
}

Node Text(std::string text, const config::Location& where) {
  return Node::Scalar(std::move(text), Node::Style::kQuoted, where);
}

// Moves the inline upsert of `holder` (an event, a stream, an observation) into `tables`.
void MoveUpsert(Node& holder, const std::string& name, Node& tables) {
  const Node* found = holder.Find("upsert");
  if (found == nullptr || !found->is_map()) return;
  const Node upsert = *found;
  std::vector<Node::Entry> table;
  std::vector<Node::Entry> kept;
  for (const Node::Entry& entry : holder.entries()) {
    if (entry.key != "upsert") kept.push_back(entry);
  }
  for (const Node::Entry& entry : upsert.entries()) {
    if (entry.key == "version" && !entry.value.is_map()) {
      kept.push_back({"occurred_at", entry.where, entry.value});
    } else if (entry.key == "replace_slice") {
      kept.push_back(entry);
    } else if (entry.key == "tie") {
      Node version = Node::Map({}, entry.where);
      version.At("tie") = entry.value;
      table.push_back({"version", entry.where, std::move(version)});
    } else {
      table.push_back(entry);
    }
  }
  kept.push_back({"upsert", upsert.where(), Node::List({Text(name, upsert.where())})});
  holder = Node::Map(std::move(kept), holder.where());
  tables.At(name) = Node::Map(std::move(table), upsert.where());
}

// A stream's own upsert is one observation of every record.
Node WithObservation(const Node& stream) {
  std::vector<Node::Entry> kept;
  std::vector<Node::Entry> observation;
  for (const Node::Entry& entry : stream.entries()) {
    if (entry.key == "occurred_at") {
      Node map = Node::Map({}, entry.where);
      map.At("occurred_at") = entry.value;
      observation.push_back({"map", entry.where, std::move(map)});
    } else if (entry.key == "upsert") {
      observation.push_back(entry);
    } else {
      kept.push_back(entry);
    }
  }
  if (observation.empty()) return stream;
  std::vector<Node> items;
  if (const Node* written = stream.Find("observe")) {
    items.assign(written->items().begin(), written->items().end());
    std::erase_if(kept, [](const Node::Entry& entry) { return entry.key == "observe"; });
  }
  items.push_back(Node::Map(std::move(observation), stream.where()));
  kept.push_back({"observe", stream.where(), Node::List(std::move(items), stream.where())});
  return Node::Map(std::move(kept), stream.where());
}

Node WithInlineUpserts(const Node& root) {
  Node result = root;
  const Node* written = root.Find("tables");
  Node tables = written == nullptr ? Node::Map({}, root.where()) : *written;
  if (const Node* events = root.Find("events"); events != nullptr && events->is_map()) {
    Node moved = *events;
    for (const Node::Entry& entry : events->entries()) {
      MoveUpsert(moved.At(entry.key), "event " + entry.key, tables);
    }
    result.At("events") = std::move(moved);
  }
  if (const Node* streams = root.Find("streams"); streams != nullptr && streams->is_map()) {
    Node moved = *streams;
    for (const Node::Entry& entry : streams->entries()) {
      Node& stream = moved.At(entry.key);
      MoveUpsert(stream, "stream " + entry.key, tables);
      stream = WithObservation(stream);
    }
    result.At("streams") = std::move(moved);
  }
  if (!tables.entries().empty()) result.At("tables") = std::move(tables);
  return result;
}

// `source: STREAM` and `mirror: counters` of a check, as maps.
Node WithLongChecks(const Node& root) {
  const Node* consistency = root.Find("consistency");
  const Node* checks = consistency == nullptr ? nullptr : consistency->Find("checks");
  if (checks == nullptr || !checks->is_list()) return root;
  std::vector<Node> items;
  for (const Node& check : checks->items()) {
    Node item = check;
    if (const Node* source = check.Find("source"); source != nullptr && source->is_scalar()) {
      Node map = Node::Map({}, source->where());
      map.At("stream") = *source;
      item.At("source") = std::move(map);
    }
    const Node* mirror = check.Find("mirror");
    if (mirror != nullptr && mirror->is_scalar() && mirror->text() == "counters") {
      Node map = Node::Map({}, mirror->where());
      map.At("counters") = Node::Scalar("true", Node::Style::kPlain, mirror->where());
      item.At("mirror") = std::move(map);
    }
    items.push_back(std::move(item));
  }
  Node result = root;
  result.At("consistency").At("checks") = Node::List(std::move(items), checks->where());
  return result;
}

}  // namespace

std::vector<Node> SplitSources(const Node& root, Reader& reader) {
  const Node* sources = root.Find("sources");
  if (sources == nullptr) return {root};
  if (!sources->is_map() || sources->entries().empty()) {
    reader.problems().Add(sources->where(), "sources: expected a map of sources by name");
    return {};
  }
  std::vector<Node> split;
  for (const Node::Entry& source : sources->entries()) {
    std::vector<Node::Entry> entries;
    for (const Node::Entry& entry : root.entries()) {
      // Jobs name their streams with the source in front, so one source can hold them for all.
      const bool elsewhere = entry.key == "sources" || (entry.key == "jobs" && !split.empty());
      if (!elsewhere) entries.push_back(entry);
    }
    entries.push_back({"source", source.where, Text(source.key, source.where)});
    split.push_back(Merged(Node::Map(std::move(entries), root.where()), source.value));
  }
  return split;
}

Node WithShortForms(const Node& root, Reader& reader) {
  Node node = WithLongChecks(WithStagesApart(root));
  node = WithAuthenticationSecrets(node, reader);
  node = WithHttpClients(node);
  return WithInlineUpserts(node);
}

}  // namespace tw::ingest
