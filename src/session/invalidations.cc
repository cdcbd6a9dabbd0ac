#include "session/invalidations.h"

#include <algorithm>
#include <set>

#include "json/json.h"
#include "websocket/shared_frame.h"

namespace tw::session {

void InvalidationMembership::Leave() {
  if (owner_ != nullptr) owner_->Leave(*this);
}

Invalidations::Invalidations(query::InvalidationMapPtr map, policy::CatalogPtr catalog,
                             const router::Router& router, io::TimerWheel& timers,
                             telemetry::Registry& metrics)
    : map_(std::move(map)),
      catalog_(std::move(catalog)),
      router_(router),
      timers_(timers),
      messages_(metrics.GetCounter("tidewire_invalidation_messages_total",
                                   "Invalidation messages that were encoded.")),
      repeated_(metrics.GetCounter("tidewire_invalidation_repeated_syncs_total",
                                   "Syncs that were known already and not told again.")) {}

Invalidations::~Invalidations() = default;

void Invalidations::Join(router::Receiver& receiver, protocol::Version version,
                         const std::string& topic, const Claims& claims,
                         InvalidationMembership& membership) {
  membership.Leave();
  std::unordered_map<std::string, policy::AccessPtr> access;
  std::string key = topic + (version == protocol::Version::kV1 ? "\n1\n" : "\n2\n");
  for (const auto& table : catalog_->tables()) {
    auto rights = table.policy->AccessFor(claims);
    // Lengths keep two lists of keys from being equal by accident.
    key += std::to_string(rights->key().size()) + ":" + rights->key();
    access.emplace(table.relation->table, std::move(rights));
  }
  auto& audience = audiences_[key];
  if (audience == nullptr) {
    audience = std::make_unique<Audience>();
    audience->owner = this;
    audience->key = key;
    audience->topic = topic;
    audience->version = version;
    audience->access = std::move(access);
  }
  audience->members.push_back(&receiver);
  membership.owner_ = this;
  membership.audience_ = audience.get();
  membership.receiver_ = &receiver;
}

void Invalidations::Leave(InvalidationMembership& membership) {
  auto& audience = *static_cast<Audience*>(membership.audience_);
  const auto at = std::ranges::find(audience.members, membership.receiver_);
  if (at != audience.members.end()) audience.members.erase(at);
  membership.owner_ = nullptr;
  if (audience.members.empty()) audiences_.erase(std::string(audience.key));
}

// Whether the change shows a row that the audience may see, before or after.
bool Invalidations::Sees(const Audience& audience, const Change& change,
                         const router::Views& views) {
  const auto found = audience.access.find(change.relation->table);
  if (found == audience.access.end() || found->second->error()) return false;
  return (!change.new_row.empty() && found->second->Allows(change.new_row, views.after)) ||
         (!change.old_row.empty() && found->second->Allows(change.old_row, views.before));
}

void Invalidations::OnBatch(const Batch& batch) {
  if (map_->empty() || audiences_.empty()) return;
  // What the batch means is the same for all; who is told is not.
  std::vector<std::pair<const Change*, const query::InvalidationMap::Table*>> changes;
  std::vector<std::pair<const Change*, query::InvalidationMap::Sync>> syncs;
  for (const Change& change : batch.changes) {
    if (const auto* table = map_->FindTable(change.relation->table)) {
      changes.emplace_back(&change, table);
    }
    if (auto sync = map_->SyncOf(change)) syncs.emplace_back(&change, *std::move(sync));
  }
  if (changes.empty() && syncs.empty()) return;
  const router::BatchViews judged(router_.inner_tables(), batch);
  const router::Views views = judged.views();
  for (const auto& [key, audience] : audiences_) {
    query::KeySet keys;
    std::set<std::string> tags, tables;
    for (const auto& [change, table] : changes) {
      if (!Sees(*audience, *change, views)) continue;
      map_->KeysOf(*table, *change, keys);
      tags.insert(table->tags.begin(), table->tags.end());
      tables.insert(change->relation->table);
    }
    if (!tables.empty()) {
      Send(*audience, ToString(batch.position), batch.position, keys, {tags.begin(), tags.end()},
           {tables.begin(), tables.end()}, {});
    }
    for (const auto& [change, sync] : syncs) {
      if (Sees(*audience, *change, views)) {
        OnSync(*audience, sync, {batch.position.epoch, change->offset});
      }
    }
  }
}

void Invalidations::SendToAll(const std::string& id, Position position,
                              const query::ManualInvalidation& manual) {
  query::KeySet keys;
  for (const std::string& key : manual.keys) keys.Add(key);
  for (const auto& [key, audience] : audiences_) {
    Send(*audience, id, position, keys, manual.tags, manual.tables, {});
  }
}

void Invalidations::OnSync(Audience& audience, const query::InvalidationMap::Sync& sync,
                           Position position) {
  if (!sync.id.empty()) {
    const std::string name = std::to_string(sync.source.size()) + ":" + sync.source + sync.id;
    if (!audience.seen.insert(name).second) return repeated_.Add();
    audience.seen_order.push_back(name);
    if (audience.seen_order.size() > kSyncsRememberedMax) {
      audience.seen.erase(audience.seen_order.front());
      audience.seen_order.pop_front();
    }
  }
  audience.window.Merge(sync.keys);
  audience.syncs.push_back({sync.source, sync.id, position});
  // The first one opens the window, and none that follows moves its end.
  if (audience.syncs.size() > 1) return;
  if (map_->batch().count() == 0) return CloseWindow(audience);
  timers_.Arm<&Audience::OnClose>(audience.closes, map_->batch(), &audience);
}

void Invalidations::CloseWindow(Audience& audience) {
  const query::KeySet keys = std::exchange(audience.window, {});
  const auto syncs = std::exchange(audience.syncs, {});
  if (syncs.empty()) return;
  const Position position = syncs.back().position;
  Send(audience, ToString(position) + "s", position, keys, {}, {}, syncs);
}

void Invalidations::Send(Audience& audience, const std::string& id, Position position,
                         const query::KeySet& keys, const std::vector<std::string>& tags,
                         const std::vector<std::string>& tables,
                         const std::vector<SourceSync>& syncs) {
  json::Writer writer;
  writer.Object().Key("id").String(id).Key("position").String(ToString(position));
  writer.Key("keys").Array();
  for (const std::string& key : keys.Reduced()) writer.Raw(key);
  writer.End().Key("tags").Array();
  for (const std::string& tag : tags) writer.String(tag);
  writer.End().Key("tables").Array();
  for (const std::string& table : tables) writer.String(table);
  writer.End().Key("sources").Array();
  for (const SourceSync& sync : syncs) {
    writer.Object().Key("source").String(sync.source);
    writer.Key("label").String(map_->LabelOf(sync.source)).Key("id");
    if (sync.id.empty()) {
      writer.Null();
    } else {
      writer.String(sync.id);
    }
    writer.Key("position").String(ToString(sync.position)).End();
  }
  writer.End().Key("jitter_ms").Int(kRefetchJitter.count()).End();
  const protocol::Address address{std::nullopt, std::nullopt, audience.topic};
  const auto frame = websocket::ShareFrame(
      websocket::Opcode::kText,
      protocol::EncodeMessage(audience.version, address, "invalidate", writer.Take()));
  messages_.Add();
  for (router::Receiver* const member : audience.members) member->OnFrame(frame);
}

}  // namespace tw::session
