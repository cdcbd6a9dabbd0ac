#include "router/router.h"

#include <algorithm>

#include "base/check.h"

namespace tw::router {

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

void Router::ForEachIndexEntry(Audience& audience,
                               const std::function<void(std::vector<Audience*>&)>& visit) {
  for (const TableBinding& binding : audience.spec.bindings) {
    TableIndex& index = tables_[binding.relation->table];
    // The rights' anchors and the filter's are both necessary conditions; the shorter list is used.
    auto anchors = binding.access->anchors();
    const auto equalities = binding.filter.equalities();
    if (!equalities.empty() && (!anchors || equalities.size() < anchors->size())) {
      anchors = equalities;
    }
    if (!anchors) {
      visit(index.unanchored);
      continue;
    }
    for (const policy::Anchor& anchor : *anchors) {
      auto column = std::ranges::find(index.by_column, anchor.column,
                                      [](const auto& entry) { return entry.first; });
      if (column == index.by_column.end()) {
        index.by_column.emplace_back(anchor.column, AnchorMap());
        column = std::prev(index.by_column.end());
      }
      visit(column->second[anchor.value]);
    }
  }
}

void Router::AddToIndex(Audience& audience) {
  ForEachIndexEntry(audience, [&](std::vector<Audience*>& list) {
    if (std::ranges::find(list, &audience) == list.end()) list.push_back(&audience);
  });
}

void Router::RemoveFromIndex(Audience& audience) {
  ForEachIndexEntry(audience, [&](std::vector<Audience*>& list) { std::erase(list, &audience); });
  for (const TableBinding& binding : audience.spec.bindings) {
    const auto table = tables_.find(binding.relation->table);
    if (table == tables_.end()) continue;
    for (auto& [column, values] : table->second.by_column) {
      std::erase_if(values, [](const auto& entry) { return entry.second.empty(); });
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
  for (const Change& change : batch.changes) {
    if (change.offset <= range.after || change.offset > range.last) continue;
    encoder_.Begin(change, batch.position.epoch);
    encoder_.Encode(spec, [&](const io::SharedBytes& frame) {
      deliveries_.Add();
      send(frame);
    });
  }
}

}  // namespace tw::router
