#include "router/router.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "json/json.h"
#include "policy/program.h"
#include "websocket/shared_frame.h"

namespace tw::router {
Router::Router(telemetry::Registry& metrics)
    : deliveries_(metrics.GetCounter("tidewire_router_deliveries_total",
                                     "Frames handed to connections for row changes.")),
      candidates_(metrics.GetCounter("tidewire_router_candidates_total",
                                     "Audiences that were asked whether a change is for them.")),
      access_changes_(metrics.GetCounter(
          "tidewire_router_access_changes_total",
          "Channels told that another table's change may have altered what they may see.")),
      subscriptions_(metrics.GetGauge("tidewire_router_subscriptions",
                                      "Channels that follow row changes.")) {}

Router::~Router() { TW_CHECK(members_ == 0); }

void Router::SetInnerTables(std::unique_ptr<policy::InnerTables> tables) {
  inner_ = std::move(tables);
}

void Router::Join(const ChannelSpec& spec, Receiver& receiver, Membership& membership) {
  membership.Leave();
  std::string key = spec.Key();
  auto found = audiences_.find(key);
  if (found == audiences_.end()) {
    auto audience = std::make_unique<Audience>(spec, std::move(key));
    found = audiences_.emplace(std::string_view(audience->key), std::move(audience)).first;
    for (TableBinding& binding : found->second->spec.bindings) {
      binding.access = tables_[binding.relation->table].Add(*found->second, binding);
    }
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
  if (!audience.members.empty()) return;
  for (const TableBinding& binding : audience.spec.bindings) {
    const auto table = tables_.find(binding.relation->table);
    if (table == tables_.end()) continue;
    table->second.Remove(audience, binding);
    if (table->second.empty()) tables_.erase(table);
  }
  const auto found = audiences_.find(audience.key);
  const std::unique_ptr<Audience> last = std::move(found->second);  // Owns the key's text.
  audiences_.erase(found);
}

std::vector<std::optional<NetChange>> Router::NetOf(const Batch& batch) const {
  const bool atomic = batch.one_commit || (inner_ != nullptr && !inner_->plan().empty());
  if (!atomic || batch.net || batch.changes.size() < 2) return {};
  return NetEffect(batch);
}

void Router::Publish(const Batch& batch) {
  struct Guard {
    uint64_t& publishing;
    ~Guard() { publishing = 0; }
  } const guard{publishing_};
  std::span<const policy::InnerTables::Delta> deltas;
  if (inner_ != nullptr) deltas = inner_->Apply(batch);
  const BatchViews judged(inner_.get(), batch);
  const Views views = judged.views();
  const auto net = NetOf(batch);
  for (size_t i = 0; i < batch.changes.size(); ++i) {
    const Change& change = batch.changes[i];
    const auto table = tables_.find(change.relation->table);
    if (table == tables_.end() || (!net.empty() && !net[i])) continue;
    const NetChange what = net.empty() ? AsIs(change) : *net[i];
    ++round_;
    publishing_ = change.offset;
    encoder_.Begin(what, views, batch.position.epoch);
    const bool all = what.op == ChangeOp::kDelete &&
                     encoder_.deletes() == ChangeEncoder::Deletes::kFollowers;
    table->second.ForEachCandidate(
        what, views, all ? RightsIndex::Scope::kEveryone : RightsIndex::Scope::kThoseConcerned,
        [&](Audience& audience) { Offer(audience); });
  }
  publishing_ = 0;
  // Tables that were read ahead of the stream: until it has come to their place nothing that needs
  // them is shown, and afterwards their readers are told to look again.
  const bool behind =
      inner_ != nullptr && !inner_->plan().empty() &&
      batch.changes.front().offset - 1 < inner_->exact_since();
  if (behind) {
    blind_ = true;
  } else if (std::exchange(blind_, false)) {
    TellEveryReader(batch);
    return;
  }
  if (!deltas.empty()) TellAccessChanged(batch, deltas, views);
}

void Router::TellEveryReader(const Batch& batch) {
  for (const auto& [key, audience] : audiences_) {
    const ChannelSpec& spec = audience->spec;
    const bool reads = std::ranges::any_of(spec.bindings, [](const TableBinding& binding) {
      return binding.access->reads_tables();
    });
    if (!reads || !spec.TellsAccess()) continue;
    access_changes_.Add(audience->members.size());
    const io::SharedBytes frame = AccessChanged(spec, batch.position);
    for (const Audience::Member& member : audience->members) member.receiver->OnFrame(frame);
  }
}

void Router::OnTruncate(const Relation& relation, uint64_t head) {
  if (inner_ == nullptr) return;
  const auto& tables = inner_->plan().tables();
  for (uint32_t i = 0; i < tables.size(); ++i) {
    if (tables[i].relation->table == relation.table &&
        tables[i].relation->schema == relation.schema) {
      inner_->Clear(i, head);
    }
  }
}

void Router::TellAccessChanged(const Batch& batch,
                               std::span<const policy::InnerTables::Delta> deltas,
                               const Views& views) {
  ++round_;
  for (const auto& delta : deltas) {
    for (auto& [name, index] : tables_) {
      index.ForEachTouched(delta, views, [&](Audience& audience) {
        if (audience.round == round_) return;
        audience.round = round_;
        // Only those who know of positions know what to do about it.
        if (!audience.spec.TellsAccess()) return;
        access_changes_.Add(audience.members.size());
        const io::SharedBytes frame = AccessChanged(audience.spec, batch.position);
        for (const Audience::Member& member : audience.members) member.receiver->OnFrame(frame);
      });
    }
  }
}

io::SharedBytes Router::AccessChanged(const ChannelSpec& spec, Position position) {
  constexpr std::string_view kPrefix = "realtime:";
  std::string_view channel = spec.topic;
  if (channel.starts_with(kPrefix)) channel.remove_prefix(kPrefix.size());
  json::Writer writer;
  writer.Object().Key("extension").String("tidewire").Key("status").String("ok");
  writer.Key("message").String("access_changed").Key("channel").String(channel);
  writer.Key("position").String(ToString(position)).End();
  const protocol::Address nobody{std::nullopt, std::nullopt, spec.topic};
  return websocket::ShareFrame(
      websocket::Opcode::kText,
      protocol::EncodeMessage(spec.version, nobody, "system", writer.Take()));
}

namespace {

std::span<const Change> Within(const Batch& batch, Router::Range range) {
  const size_t begin = FirstChangeAfter(batch, range.after);
  const size_t end = FirstChangeAfter(batch, range.last);
  return std::span(batch.changes).subspan(begin, std::max(begin, end) - begin);
}

}  // namespace

bool Router::CanJudgeSince(const ChannelSpec& spec, uint64_t after) const {
  if (inner_ == nullptr || after >= inner_->exact_since()) return true;
  return std::ranges::none_of(spec.bindings, [](const TableBinding& binding) {
    return binding.access->reads_tables();
  });
}

bool Router::TouchesRights(const ChannelSpec& spec, const Batch& batch, Range range) const {
  const auto changed = std::ranges::any_of(Within(batch, range), [&](const Change& change) {
    return std::ranges::any_of(spec.bindings, [&](const TableBinding& binding) {
      const policy::Access& access = *binding.access;
      if (access.asks_database()) return access.program().database()->Reads(*change.relation);
      return inner_ != nullptr && access.reads_tables() &&
             std::ranges::any_of(inner_->plan().tables(), [&](const auto& table) {
               return table.relation->table == change.relation->table;
             });
    });
  });
  return changed;
}

void Router::Offer(Audience& audience) {
  if (audience.round == round_) return;
  audience.round = round_;
  candidates_.Add();
  encoder_.Encode(audience.spec, [&](const io::SharedBytes& frame) { Deliver(audience, frame); });
}

void Router::Deliver(Audience& audience, const io::SharedBytes& frame) {
  for (const Audience::Member& member : audience.members) member.receiver->OnFrame(frame);
  deliveries_.Add(audience.members.size());
}

void Router::SetReplayed(const Batch& batch) {
  const Replayed replayed{batch.changes.data(), batch.after, batch.position, batch.net};
  if (replayed_ == replayed) return;
  replayed_ = replayed;
  replayed_net_ = NetOf(batch);
}

void Router::ForEachToJudge(const ChannelSpec& spec, const Batch& batch, Range range,
                            FunctionRef<void(const policy::AccessPtr&, const Row&)> visit) {
  SetReplayed(batch);
  for (const Change& change : Within(batch, range)) {
    const size_t i = static_cast<size_t>(&change - batch.changes.data());
    if (!replayed_net_.empty() && !replayed_net_[i]) continue;
    const NetChange net = replayed_net_.empty() ? AsIs(change) : *replayed_net_[i];
    for (const TableBinding& binding : spec.bindings) {
      if (binding.relation->id != change.relation->id || !binding.access->asks_database()) continue;
      const auto matches = [&](const Row& row) {
        return !row.empty() && binding.filter.Matches(row);
      };
      if (!matches(*net.new_row) && !matches(*net.old_row)) continue;
      for (const Row* const row : {net.old_row, net.new_row}) {
        if (!row->empty()) visit(binding.access, *row);
      }
    }
  }
}

void Router::Replay(const ChannelSpec& spec, const Batch& batch, Range range,
                    const std::function<void(const io::SharedBytes&)>& send,
                    const policy::RowVerdicts* verdicts) {
  const BatchViews judged(inner_.get(), batch);
  Views views = judged.views();
  views.verdicts = verdicts;
  SetReplayed(batch);
  for (const Change& change : Within(batch, range)) {
    const size_t i = static_cast<size_t>(&change - batch.changes.data());
    if (!replayed_net_.empty() && !replayed_net_[i]) continue;
    encoder_.Begin(replayed_net_.empty() ? AsIs(change) : *replayed_net_[i], views,
                   batch.position.epoch);
    encoder_.Encode(spec, [&](const io::SharedBytes& frame) {
      deliveries_.Add();
      send(frame);
    });
  }
}

}  // namespace tw::router
