#include "router/net_effect.h"

#include <algorithm>
#include <memory>
#include <string>
#include <unordered_map>

namespace tw::router {
namespace {

void AppendKey(std::string& out, const Relation& relation, const Row& row) {
  out = std::to_string(relation.id) + "." + relation.table;
  for (const uint16_t column : relation.key) {
    out += '\0';
    out += static_cast<char>('0' + row[column].index());
    AppendJson(out, row[column], ColumnType::kText);
  }
}

}  // namespace

NetChange AsIs(const Change& change) {
  return {&change, change.op, &change.old_row, &change.new_row};
}

std::vector<std::optional<NetChange>> NetEffect(const Batch& batch) {
  std::vector<std::optional<NetChange>> net(batch.changes.size());
  if (batch.changes.size() == 1) {
    net[0] = AsIs(batch.changes[0]);
    return net;
  }
  // Key → the last change of the row so far, also when its net effect is nothing.
  std::unordered_map<std::string, size_t> last;
  std::string key;
  for (size_t i = 0; i < batch.changes.size(); ++i) {
    const Change& change = batch.changes[i];
    net[i] = AsIs(change);
    const Relation& relation = *change.relation;
    if (relation.key.empty()) continue;
    // An update without its old image has kept its key.
    AppendKey(key, relation, change.old_row.empty() ? change.new_row : change.old_row);
    if (const auto found = last.find(key); found != last.end()) {
      const std::optional<NetChange> before = std::move(net[found->second]);
      net[found->second].reset();
      last.erase(found);
      const bool was_there = before && before->op != ChangeOp::kInsert;
      const bool is_there = change.op != ChangeOp::kDelete;
      if (was_there) {
        net[i]->op = is_there ? ChangeOp::kUpdate : ChangeOp::kDelete;
        net[i]->old_row = before->old_row;
      } else if (is_there) {
        net[i]->op = ChangeOp::kInsert;
        static const Row kNone;
        net[i]->old_row = &kNone;
      } else {
        net[i].reset();
      }
    }
    if (change.op == ChangeOp::kUpdate) AppendKey(key, relation, change.new_row);
    last[key] = i;
  }
  return net;
}

Conflated Conflate(std::span<const BatchPtr> batches, uint64_t after, const ChannelSpec& spec) {
  const auto followed = [&](const Change& change) {
    return std::ranges::any_of(spec.bindings, [&](const TableBinding& binding) {
      return binding.relation->table == change.relation->table &&
             binding.relation->schema == change.relation->schema;
    });
  };
  Batch all;
  for (const BatchPtr& batch : batches) {
    for (size_t i = FirstChangeAfter(*batch, after); i < batch->changes.size(); ++i) {
      if (followed(batch->changes[i])) all.changes.push_back(batch->changes[i]);
    }
  }
  auto conflated = std::make_shared<Batch>();
  conflated->position = batches.back()->position;
  conflated->after = after;
  conflated->net = true;
  if (all.changes.empty()) return {std::move(conflated), 0};
  for (const auto& net : NetEffect(all)) {
    if (!net) continue;
    Change change = *net->change;
    change.op = net->op;
    change.old_row = net->op == ChangeOp::kInsert ? Row() : *net->old_row;
    change.new_row = net->op == ChangeOp::kDelete ? Row() : *net->new_row;
    conflated->bytes +=
        sizeof(Change) + ApproximateBytes(change.old_row) + ApproximateBytes(change.new_row);
    conflated->changes.push_back(std::move(change));
  }
  const uint64_t left_out = all.changes.size() - conflated->changes.size();
  return {std::move(conflated), left_out};
}

}  // namespace tw::router
