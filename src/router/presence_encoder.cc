#include <algorithm>

#include "json/json.h"
#include "router/presence_topic.h"

namespace tw::router {
namespace {

// {"key":{"metas":[…]},…}
void AppendGrouped(std::string& out, const PresenceTopic::Changes& changes) {
  std::vector<const PresenceMeta*> metas;
  metas.reserve(changes.size());
  for (const auto& [reference, meta] : changes) metas.push_back(meta.get());
  // By key, and in the order of their making within one.
  std::ranges::sort(metas, [](const PresenceMeta* a, const PresenceMeta* b) {
    return a->key != b->key ? a->key < b->key : a->reference < b->reference;
  });
  out.push_back('{');
  for (size_t i = 0; i < metas.size(); ++i) {
    if (i == 0 || metas[i]->key != metas[i - 1]->key) {
      if (i > 0) out += "]},";
      json::AppendString(out, metas[i]->key);
      out += ":{\"metas\":[";
    } else {
      out.push_back(',');
    }
    out += metas[i]->meta.text;
  }
  if (!metas.empty()) out += "]}";
  out.push_back('}');
}

}  // namespace

std::string EncodePresenceState(const PresenceTopic& topic) {
  std::string out;
  size_t bytes = 2;
  for (const auto& [key, entries] : topic.metas) {
    bytes += key.size() + 16;
    for (const auto& entry : entries) bytes += entry.meta->meta.text.size() + 1;
  }
  out.reserve(bytes);
  out.push_back('{');
  for (const auto& [key, entries] : topic.metas) {
    if (out.size() > 1) out.push_back(',');
    json::AppendString(out, key);
    out += ":{\"metas\":[";
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out.push_back(',');
      out += entries[i].meta->meta.text;
    }
    out += "]}";
  }
  out.push_back('}');
  return out;
}

std::string EncodePresenceDiff(const PresenceTopic::Changes& joined,
                               const PresenceTopic::Changes& left) {
  std::string out = "{\"joins\":";
  AppendGrouped(out, joined);
  out += ",\"leaves\":";
  AppendGrouped(out, left);
  out.push_back('}');
  return out;
}

bool ShareKeys(const PresenceTopic::Changes& a, const PresenceTopic::Changes& b) {
  if (a.empty() || b.empty()) return false;
  StringSet keys;
  for (const auto& [reference, meta] : a) keys.insert(meta->key);
  return std::ranges::any_of(b, [&](const auto& change) {
    return keys.contains(change.second->key);
  });
}

}  // namespace tw::router
