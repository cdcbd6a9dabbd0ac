#include "query/named/catalogue.h"

#include <algorithm>

#include "crypto/encoding.h"
#include "crypto/hash.h"

namespace tw::query {
namespace {

// The claim at a path, as a SQL value: scalars as themselves, anything else as JSON text.
Value ClaimValue(const Claims& claims, std::string_view path) {
  json::Value value = claims.document.root();
  for (const std::string_view part : Split(path, '.')) value = value[part];
  switch (value.kind()) {
    case json::Kind::kNull: return Value();
    case json::Kind::kBool: return Value(value.GetBool());
    case json::Kind::kInt: return Value(value.GetInt());
    case json::Kind::kNumber: return Value(value.GetDouble());
    case json::Kind::kString: return Value(value.GetString());
    case json::Kind::kArray:
    case json::Kind::kObject: return Value(value.ToText());
  }
  return Value();
}

// Length first, so that two lists of texts are never equal by accident.
void AppendPart(std::string& out, std::string_view part) {
  out += std::to_string(part.size());
  out.push_back(':');
  out += part;
}

void AppendKeyPart(std::string& out, const config::Node& node, const Call& call) {
  const std::string& text = node.text();
  if (node.is_list()) {
    out.push_back('[');
    for (size_t i = 0; i < node.items().size(); ++i) {
      if (i > 0) out.push_back(',');
      AppendKeyPart(out, node.items()[i], call);
    }
    out.push_back(']');
  } else if (node.is_map()) {
    out.push_back('{');
    for (size_t i = 0; i < node.entries().size(); ++i) {
      if (i > 0) out.push_back(',');
      json::AppendString(out, node.entries()[i].key);
      out.push_back(':');
      AppendKeyPart(out, node.entries()[i].value, call);
    }
    out.push_back('}');
  } else if (node.kind() == config::Node::Kind::kText && text.starts_with(':')) {
    const auto& parameters = call.query->parameters;
    const auto found = std::ranges::find(parameters, text.substr(1), &Parameter::name);
    if (found == parameters.end()) return json::AppendString(out, text);
    AppendJson(out, call.arguments[static_cast<size_t>(found - parameters.begin())],
               ColumnType::kText);
  } else if (node.kind() == config::Node::Kind::kText) {
    json::AppendString(out, text);
  } else {
    out += node.is_null() ? "null" : text;
  }
}

}  // namespace

bool NamedQuery::AllowsRole(std::string_view role) const {
  return roles.empty() || std::ranges::find(roles, role) != roles.end() || role == "service_role";
}

QueryCatalogue::QueryCatalogue(policy::CatalogPtr policies, std::vector<NamedQueryPtr> queries)
    : policies_(std::move(policies)), queries_(std::move(queries)) {
  for (const auto& query : queries_) by_name_.emplace(query->name, query->index);
}

const NamedQuery* QueryCatalogue::Find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : queries_[found->second].get();
}

std::string QueryCatalogue::Suggestion(std::string_view name) const {
  std::vector<std::string_view> names;
  for (const auto& query : queries_) names.push_back(query->name);
  const auto nearest = Nearest(name.substr(0, 128), names);
  return nearest ? "; did you mean '" + std::string(*nearest) + "'?" : "";
}

CallResult<Rights> RightsOf(const QueryCatalogue& catalogue, const NamedQuery& query,
                            const Claims& claims) {
  if (!query.AllowsRole(claims.role)) {
    return std::unexpected(CallError{"forbidden",
                                     "role '" + claims.role + "' may not run " + query.name, ""});
  }
  Rights rights;
  const auto& tables = catalogue.policies()->tables();
  rights.access.resize(tables.size());
  for (const size_t index : query.guarded) {
    rights.access[index] = tables[index].policy->AccessFor(claims);
    if (const auto& error = rights.access[index]->error()) {
      return std::unexpected(CallError{"forbidden", error->message, ""});
    }
    AppendPart(rights.auth_class, rights.access[index]->key());
  }
  for (const Binding& binding : query.bindings) {
    if (binding.claim.empty()) continue;
    std::string text;
    AppendJson(text, ClaimValue(claims, binding.claim), ColumnType::kText);
    AppendPart(rights.auth_class, text);
  }
  return rights;
}

Call MakeCall(const NamedQuery& query, std::vector<Value> arguments, Rights rights,
              const Claims& claims) {
  Call call{.query = query.shared_from_this(),
            .arguments = std::move(arguments),
            .access = std::move(rights.access),
            .auth_class = std::move(rights.auth_class)};
  for (const Binding& binding : query.bindings) {
    call.bound.push_back(binding.claim.empty() ? call.arguments[binding.argument]
                                               : ClaimValue(claims, binding.claim));
  }
  call.arguments_json = ArgumentsJson(query.parameters, call.arguments);
  AppendPart(call.key, query.version);
  AppendPart(call.key, call.arguments_json);
  AppendPart(call.key, call.auth_class);
  return call;
}

std::string ClientKey(const Call& call) {
  std::string out = "[";
  if (call.query->key.empty()) {
    json::AppendString(out, call.query->name);
    return out + "," + call.arguments_json + "]";
  }
  // Kept as YAML on one line: the tree with its ":name" texts.
  const auto node = config::ParseYaml(call.query->key, "key");
  if (node.ok()) {
    for (size_t i = 0; i < node->items().size(); ++i) {
      if (i > 0) out.push_back(',');
      AppendKeyPart(out, node->items()[i], call);
    }
  }
  return out + "]";
}

std::string SubscriptionId(const Call& call) {
  std::string text;
  AppendPart(text, call.query->name);
  AppendPart(text, call.arguments_json);
  constexpr size_t kBytes = 12;
  return crypto::EncodeHex(crypto::Sha256(text).view().substr(0, kBytes));
}

}  // namespace tw::query
