#include "router/router.h"

#include <algorithm>

#include "base/check.h"

namespace tw::router {
namespace {

// The rights' anchors and the filter's are both necessary conditions; the shorter list is used.
// nullopt: the binding must be asked about every change of its table.
std::optional<std::span<const policy::Anchor>> BestAnchors(const TableBinding& binding) {
  const auto anchors = binding.access->anchors();
  const auto equalities = binding.filter.equalities();
  if (!equalities.empty() && (!anchors || equalities.size() < anchors->size())) return equalities;
  return anchors;
}

auto FindColumn(auto& index, size_t column) {
  return std::ranges::find(index.by_column, column, [](const auto& entry) { return entry.first; });
}

}  // namespace

Router::Router(telemetry::Registry& metrics)
    : deliveries_(metrics.GetCounter("tidewire_router_deliveries_total",
                                     "Frames handed to connections for row changes.")),
      candidates_(metrics.GetCounter("tidewire_router_candidates_total",
                                     "Audiences that were asked whether a change is for them.")),
      subscriptions_(metrics.GetGauge("tidewire_router_subscriptions",
                                      "Channels that follow row changes.")) {}

Router::~Router() { TW_CHECK(members_ == 0); }

void Router::Join(const ChannelSpec& spec, Receiver& receiver, Membership& membership) {
  membership.Leave();
  std::string key = spec.Key();
  auto found = audiences_.find(key);
  if (found == audiences_.end()) {
    auto audience = std::make_unique<Audience>(spec, key);
    found = audiences_.emplace(std::move(key), std::move(audience)).first;
    AddToIndex(*found->second);
  }
  found->second->Add(receiver, membership);
  membership.router_ = this;
  ++members_;
  subscriptions_.Add(1);
}

void Router::Leave(Membership& membership) {
  Audience& audience = *membership.audience_;
  audience.Remove(membership);
  --members_;
  subscriptions_.Add(-1);
  if (audience.members.empty()) {
    RemoveFromIndex(audience);
    audiences_.erase(audience.key);
  }
}

void Router::AddToIndex(Audience& audience) {
  const auto add = [&](std::vector<Audience*>& list) {
    if (std::ranges::find(list, &audience) == list.end()) list.push_back(&audience);
  };
  for (const TableBinding& binding : audience.spec.bindings) {
    TableIndex& index = tables_[binding.relation->table];
    const auto anchors = BestAnchors(binding);
    if (!anchors) {
      add(index.unanchored);
      continue;
    }
    for (const policy::Anchor& anchor : *anchors) {
      auto column = FindColumn(index, anchor.column);
      if (column == index.by_column.end()) {
        index.by_column.emplace_back(anchor.column, AnchorMap());
        column = std::prev(index.by_column.end());
      }
      add(column->second[anchor.value]);
    }
  }
}

// Touches only the audience's own entries: ten thousand that leave together stay cheap.
void Router::RemoveFromIndex(Audience& audience) {
  for (const TableBinding& binding : audience.spec.bindings) {
    TableIndex& index = tables_[binding.relation->table];
    const auto anchors = BestAnchors(binding);
    if (!anchors) {
      std::erase(index.unanchored, &audience);
      continue;
    }
    for (const policy::Anchor& anchor : *anchors) {
      const auto column = FindColumn(index, anchor.column);
      if (column == index.by_column.end()) continue;
      const auto entry = column->second.find(anchor.value);
      if (entry == column->second.end()) continue;
      std::erase(entry->second, &audience);
      if (entry->second.empty()) column->second.erase(entry);
    }
  }
}

void Router::Publish(const Batch& batch) {
  for (const Change& change : batch.changes) {
    const auto table = tables_.find(change.relation->table);
    if (table == tables_.end()) continue;
    ++round_;
    encoder_.Begin(change, batch.position.epoch);
    for (const auto& [column, values] : table->second.by_column) {
      for (const Row* row : {&change.new_row, &change.old_row}) {
        if (row->size() <= column) continue;
        const auto found = values.find((*row)[column]);
        if (found != values.end()) Offer(found->second);
      }
    }
    Offer(table->second.unanchored);
  }
}

void Router::Offer(const std::vector<Audience*>& candidates) {
  for (Audience* const audience : candidates) {
    if (audience->round == round_) continue;
    audience->round = round_;
    candidates_.Add();
    encoder_.Encode(audience->spec,
                    [&](const io::SharedBytes& frame) { Deliver(*audience, frame); });
  }
}

void Router::Deliver(Audience& audience, const io::SharedBytes& frame) {
  for (const Audience::Member& member : audience.members) member.receiver->OnFrame(frame);
  deliveries_.Add(audience.members.size());
}

void Router::Replay(const ChannelSpec& spec, const Batch& batch, Range range,
                    const std::function<void(const io::SharedBytes&)>& send) {
  for (size_t i = FirstChangeAfter(batch, range.after); i < batch.changes.size(); ++i) {
    const Change& change = batch.changes[i];
    if (change.offset > range.last) break;
    encoder_.Begin(change, batch.position.epoch);
    encoder_.Encode(spec, [&](const io::SharedBytes& frame) {
      deliveries_.Add();
      send(frame);
    });
  }
}

}  // namespace tw::router
