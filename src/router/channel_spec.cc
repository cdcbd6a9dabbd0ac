#include "router/channel_spec.h"

#include <algorithm>

namespace tw::router {
namespace {

void AppendPart(std::string& key, std::string_view part) {
  key += std::to_string(part.size());
  key.push_back(':');
  key += part;
}

}  // namespace

bool ChannelSpec::AsksDatabase() const {
  return std::ranges::any_of(
      bindings, [](const TableBinding& binding) { return binding.access->asks_database(); });
}

std::string ChannelSpec::Key() const {
  std::string key;
  key.push_back(static_cast<char>('0' + static_cast<int>(version)));
  key.push_back(positions ? 'p' : '-');
  key.push_back(stamps ? 's' : '-');
  key.push_back(leave ? 'l' : '-');
  AppendPart(key, topic);
  for (const TableBinding& binding : bindings) {
    AppendPart(key, std::to_string(binding.id));
    key.push_back(static_cast<char>('0' + static_cast<int>(binding.events)));
    AppendPart(key, std::to_string(binding.relation->id) + "." + binding.relation->table);
    AppendPart(key, binding.access->key());
    AppendPart(key, binding.filter.canonical());
    std::string selected;
    for (const uint16_t column : binding.selected) selected += std::to_string(column) + ",";
    AppendPart(key, selected);
    key.push_back(binding.leave_as_delete ? 'd' : '-');
  }
  return key;
}

bool HasOtherShapes(const ChannelSpec& spec, const Batch& batch) {
  uint32_t judged = 0;  // Changes of one table come in runs.
  for (const Change& change : batch.changes) {
    const Relation& relation = *change.relation;
    if (relation.id == judged) continue;
    judged = relation.id;
    for (const TableBinding& binding : spec.bindings) {
      if (binding.relation->id != relation.id && binding.relation->table == relation.table) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace tw::router
