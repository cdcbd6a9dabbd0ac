#include "router/presence.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/check.h"
#include "router/presence_topic.h"
#include "websocket/shared_frame.h"

namespace tw::router {

using protocol::Version;

namespace {

PresenceEntry* FindEntry(PresenceTopic& topic, const PresenceMeta& meta) {
  const auto found = topic.metas.find(meta.key);
  if (found == topic.metas.end()) return nullptr;
  const auto entry = std::ranges::find(found->second, meta.reference, [](const auto& candidate) {
    return std::string_view(candidate.meta->reference);
  });
  return entry == found->second.end() ? nullptr : &*entry;
}

io::SharedBytes FrameOf(Version version, const std::string& topic, std::string_view event,
                        std::string_view payload) {
  return websocket::ShareFrame(
      websocket::Opcode::kText,
      EncodeMessage(version, {std::nullopt, std::nullopt, topic}, event, payload));
}

// Swaps with the last: the order of members means nothing.
template <typename SetIndex>
void RemoveAt(std::vector<PresenceMember*>& members, uint32_t index, SetIndex set_index) {
  members[index] = members.back();
  set_index(*members[index], index);
  members.pop_back();
}

}  // namespace

PresenceMetrics::PresenceMetrics(telemetry::Registry& registry)
    : metas(registry.GetGauge("tidewire_presence_metas",
                              "Tracked presences of this process' own clients.")),
      diffs(registry.GetCounter("tidewire_presence_diffs_total",
                                "Presence diffs encoded, by loop and version.")),
      states(registry.GetCounter("tidewire_presence_states_total",
                                 "Presence states encoded, by loop and version.")),
      deliveries(registry.GetCounter("tidewire_presence_deliveries_total",
                                     "Frames handed to connections for presence.")),
      taken_over(registry.GetCounter(
          "tidewire_presence_taken_over_total",
          "Presences of lost connections that came back before presence.lost_after.")),
      refused(registry.GetCounter("tidewire_presence_refused_total",
                                  "Presences refused because their topic is full.")) {}

void PresenceMember::Leave(Departure departure) {
  if (topic_ != nullptr) hub_->Detach(*this, departure);
}

PresenceHub::PresenceHub(uint16_t loop, const PresenceOptions& options, PresenceLink& link,
                         io::TimerWheel& timers, const Clock& clock, Random& random,
                         telemetry::Registry& registry)
    : options_(options),
      link_(link),
      timers_(timers),
      clock_(clock),
      loop_(loop),
      reference_prefix_(random.Hex(4)),
      metrics_(registry) {}

PresenceHub::~PresenceHub() = default;

PresenceTopic& PresenceHub::Find(Bus bus, std::string_view topic) {
  auto& topics = topics_[IndexOf(bus)];
  if (const auto found = topics.find(topic); found != topics.end()) return *found->second;
  auto made = std::make_unique<PresenceTopic>();
  made->hub = this;
  made->bus = bus;
  made->name = topic;
  return *topics.emplace(std::string(topic), std::move(made)).first->second;
}

void PresenceHub::EraseIfEmpty(PresenceTopic& topic) {
  if (topic.metas_count > 0 || !topic.waiting.empty() || !topic.listeners[0].empty() ||
      !topic.listeners[1].empty()) {
    return;
  }
  // A channel that neither listens nor tracks yet keeps its topic.
  if (topic.attached > 0) return;
  auto& topics = topics_[IndexOf(topic.bus)];
  topics.erase(topics.find(topic.name));
}

void PresenceHub::Attach(Bus bus, std::string_view topic, Version version, Receiver& receiver,
                         PresenceMember& member) {
  member.Leave(Departure::kSaid);
  member.hub_ = this;
  member.topic_ = &Find(bus, topic);
  ++member.topic_->attached;
  member.receiver_ = &receiver;
  member.version_ = version;
}

void PresenceHub::Listen(PresenceMember& member) {
  TW_CHECK(member.attached());
  if (member.listening()) return;
  PresenceTopic& topic = *member.topic_;
  member.place_ = PresenceMember::Place::kWaiting;
  member.index_ = static_cast<uint32_t>(topic.waiting.size());
  topic.waiting.push_back(&member);
  Schedule(topic);
}

void PresenceHub::Silence(PresenceMember& member) {
  if (!member.listening()) return;
  PresenceTopic& topic = *member.topic_;
  auto& members = member.place_ == PresenceMember::Place::kWaiting
                      ? topic.waiting
                      : topic.listeners[static_cast<int>(member.version_)];
  RemoveAt(members, member.index_,
           [](PresenceMember& moved, uint32_t index) { moved.index_ = index; });
  member.place_ = PresenceMember::Place::kSilent;
}

void PresenceHub::Detach(PresenceMember& member, Departure departure) {
  PresenceTopic& topic = *member.topic_;
  Silence(member);
  if (departure == Departure::kSaid || options_.lost_after.count() == 0) {
    Untrack(member);
  } else if (member.meta_ != nullptr) {
    PresenceEntry* const entry = FindEntry(topic, *member.meta_);
    TW_CHECK(entry != nullptr);
    entry->owner = nullptr;
    entry->lost = true;
    metrics_.metas.Add(-1);
    lost_.push_back({clock_.Mono() + options_.lost_after, topic.bus, topic.name,
                     member.meta_, entry->claim});
    if (!lost_timer_.armed()) ArmLost();
    Announce(topic, {.kind = PresenceChange::Kind::kLost,
                     .meta = std::exchange(member.meta_, nullptr),
                     .claim = entry->claim});
  }
  --topic.attached;
  member.topic_ = nullptr;
  EraseIfEmpty(topic);
}

// Claims of different loops are never equal, and each is higher than the one it follows.
uint64_t PresenceHub::ClaimAfter(uint64_t claim) const {
  return ((claim >> 16) + 1) << 16 | loop_;
}

PresenceMetaPtr PresenceHub::MakeMeta(std::string_view key, std::string_view previous,
                                      std::string_view tracked) {
  char number[24];
  std::snprintf(number, sizeof(number), "%02x%08llx", loop_,
                static_cast<unsigned long long>(next_reference_++));
  auto meta = std::make_shared<PresenceMeta>();
  meta->key = key;
  meta->reference = reference_prefix_ + number;
  meta->meta = protocol::MakePresenceMeta(meta->reference, previous, tracked);
  return meta;
}

PresenceHub::Tracked PresenceHub::Track(PresenceMember& member, std::string_view key,
                                        std::string_view tracked) {
  TW_CHECK(member.attached());
  PresenceTopic& topic = *member.topic_;
  PresenceMetaPtr replaced = member.meta_;
  if (replaced == nullptr) {
    // What a lost connection left under this key is most likely this very client's.
    if (const auto found = topic.metas.find(key); found != topic.metas.end()) {
      const auto lost = std::ranges::find_if(found->second, &PresenceEntry::lost);
      if (lost != found->second.end()) replaced = lost->meta;
    }
  }
  const bool same =
      replaced != nullptr && replaced->key == key && replaced->meta.tracked() == tracked;
  if ((replaced == nullptr && topic.metas_count >= options_.metas_max) ||
      (!same && bytes_ + sizeof(PresenceMeta) + key.size() + tracked.size() > options_.bytes_max)) {
    metrics_.refused.Add();
    return Tracked::kTooMany;
  }
  if (member.meta_ == nullptr) {
    if (replaced != nullptr) metrics_.taken_over.Add();
    metrics_.metas.Add(1);
  }
  if (!same) {
    Replace(topic, member, key, tracked, replaced);
    Schedule(topic);
  } else if (member.meta_ == nullptr) {
    const uint64_t claim = ClaimAfter(FindEntry(topic, *replaced)->claim);
    member.meta_ = replaced;
    Put(topic, replaced, claim, &member);
    Announce(topic, {.meta = replaced, .claim = claim});
  }
  return Tracked::kOk;
}

void PresenceHub::Replace(PresenceTopic& topic, PresenceMember& member, std::string_view key,
                          std::string_view tracked, const PresenceMetaPtr& replaced) {
  PresenceChange change;
  if (replaced != nullptr) {
    change.replaced = replaced;
    change.replaced_claim = FindEntry(topic, *replaced)->claim;
    Drop(topic, *replaced, change.replaced_claim);
  }
  change.meta = MakeMeta(key, replaced == nullptr ? "" : replaced->reference, tracked);
  member.meta_ = change.meta;
  change.claim = ClaimAfter(0);
  Put(topic, change.meta, change.claim, &member);
  Announce(topic, std::move(change));
}

void PresenceHub::Untrack(PresenceMember& member) {
  if (member.meta_ == nullptr) return;
  PresenceTopic& topic = *member.topic_;
  metrics_.metas.Add(-1);
  const PresenceMetaPtr meta = std::exchange(member.meta_, nullptr);
  const uint64_t claim = FindEntry(topic, *meta)->claim;
  Drop(topic, *meta, claim);
  Announce(topic,
           {.kind = PresenceChange::Kind::kLeft, .meta = meta, .claim = claim});
  Schedule(topic);
}

void PresenceHub::Announce(PresenceTopic& topic, PresenceChange change) {
  change.bus = topic.bus;
  change.topic = topic.name;
  link_.SendPresence(std::move(change));
}

void PresenceHub::Apply(const PresenceChange& change) {
  PresenceTopic& topic = Find(change.bus, change.topic);
  switch (change.kind) {
    case PresenceChange::Kind::kJoined: {
      if (change.replaced != nullptr) {
        Drop(topic, *change.replaced, change.replaced_claim);
      }
      PresenceEntry* const entry = FindEntry(topic, *change.meta);
      if (entry != nullptr && entry->claim > change.claim) break;
      // Two loops took it over at once: the lower claim gives way and says it anew.
      if (entry != nullptr && entry->owner != nullptr) SayAnew(topic, *entry);
      Put(topic, change.meta, change.claim, nullptr);
      break;
    }
    case PresenceChange::Kind::kLeft:
      Drop(topic, *change.meta, change.claim);
      break;
    case PresenceChange::Kind::kLost: {
      PresenceEntry* const entry = FindEntry(topic, *change.meta);
      if (entry != nullptr && entry->claim == change.claim) entry->lost = true;
      break;
    }
  }
  Schedule(topic);
}

void PresenceHub::SayAnew(PresenceTopic& topic, const PresenceEntry& entry) {
  const PresenceMetaPtr meta = entry.meta;  // A copy, since the entry goes.
  Replace(topic, *entry.owner, meta->key, meta->meta.tracked(), meta);
}

void PresenceHub::Put(PresenceTopic& topic, const PresenceMetaPtr& meta, uint64_t claim,
                      PresenceMember* owner) {
  if (PresenceEntry* const entry = FindEntry(topic, *meta)) {
    entry->lost = false;
    entry->claim = claim;
    entry->owner = owner;
    return;
  }
  topic.metas[meta->key].push_back({.meta = meta, .claim = claim, .owner = owner});
  ++topic.metas_count;
  bytes_ += meta->ApproximateBytes();
  // Gone and back before anyone was told: nothing to tell.
  if (topic.left.erase(meta->reference) == 0) topic.joined.emplace(meta->reference, meta);
}

void PresenceHub::Drop(PresenceTopic& topic, const PresenceMeta& meta, uint64_t claim) {
  const auto found = topic.metas.find(meta.key);
  if (found == topic.metas.end()) return;
  auto& entries = found->second;
  const auto entry = std::ranges::find(entries, meta.reference, [](const auto& candidate) {
    return std::string_view(candidate.meta->reference);
  });
  if (entry == entries.end() || entry->claim != claim) return;
  const PresenceMetaPtr kept = entry->meta;
  entries.erase(entry);
  if (entries.empty()) topic.metas.erase(found);
  --topic.metas_count;
  bytes_ -= kept->ApproximateBytes();
  if (topic.joined.erase(kept->reference) == 0) topic.left.emplace(kept->reference, kept);
}

void PresenceHub::Schedule(PresenceTopic& topic) {
  const size_t listeners = topic.listeners[0].size() + topic.listeners[1].size();
  const bool changed = !topic.joined.empty() || !topic.left.empty();
  const size_t size = std::max(changed ? listeners : 0,
                               topic.waiting.empty() ? 0 : topic.metas_count);
  if (size < options_.gather_from) return Flush(topic);
  if (topic.gathering.armed()) return;
  const std::chrono::milliseconds wait{size / options_.gather_sizes_per_millisecond};
  timers_.Arm<&PresenceTopic::OnGathered>(topic.gathering, wait, &topic);
}

void PresenceHub::Flush(PresenceTopic& topic) {
  topic.gathering.Cancel();
  if (!topic.joined.empty() || !topic.left.empty()) SendDiff(topic);
  if (!topic.waiting.empty()) SendState(topic);
  EraseIfEmpty(topic);
}

void PresenceHub::Tell(const PresenceMember& member, const io::SharedBytes& frame) {
  telling_ = &member;
  member.receiver_->OnFrame(frame);
  telling_ = nullptr;
}

void PresenceHub::SendDiff(PresenceTopic& topic) {
  const PresenceTopic::Changes joined = std::exchange(topic.joined, {});
  const PresenceTopic::Changes left = std::exchange(topic.left, {});
  if (topic.listeners[0].empty() && topic.listeners[1].empty()) return;
  std::vector<std::string> diffs;
  if (options_.updates == PresenceUpdates::kSplit && ShareKeys(joined, left)) {
    diffs.push_back(EncodePresenceDiff({}, left));
    diffs.push_back(EncodePresenceDiff(joined, {}));
  } else {
    diffs.push_back(EncodePresenceDiff(joined, left));
  }
  for (const Version version : {Version::kV1, Version::kV2}) {
    const auto& listeners = topic.listeners[static_cast<int>(version)];
    if (listeners.empty()) continue;
    for (const std::string& diff : diffs) {
      const io::SharedBytes frame = FrameOf(version, topic.name, "presence_diff", diff);
      for (const PresenceMember* const member : listeners) Tell(*member, frame);
      metrics_.diffs.Add();
      metrics_.deliveries.Add(listeners.size());
    }
  }
}

void PresenceHub::SendState(PresenceTopic& topic) {
  const std::string state = EncodePresenceState(topic);
  io::SharedBytes frames[2];
  for (PresenceMember* const member : std::exchange(topic.waiting, {})) {
    const auto version = static_cast<int>(member->version_);
    if (frames[version].size() == 0) {
      // A null join ref is as good as the channel's own, and lets all of them share the bytes.
      frames[version] = FrameOf(member->version_, topic.name, "presence_state", state);
      metrics_.states.Add();
    }
    Tell(*member, frames[version]);
    metrics_.deliveries.Add();
    member->place_ = PresenceMember::Place::kListening;
    member->index_ = static_cast<uint32_t>(topic.listeners[version].size());
    topic.listeners[version].push_back(member);
  }
}

void PresenceHub::ArmLost() {
  timers_.Arm<&PresenceHub::OnLost>(lost_timer_, lost_.front().due - clock_.Mono(), this);
}

void PresenceHub::OnLost() {
  const MonoTime now = clock_.Mono();
  while (!lost_.empty() && lost_.front().due <= now) {
    const Lost lost = std::move(lost_.front());
    lost_.pop_front();
    PresenceTopic& topic = Find(lost.bus, lost.topic);
    // Told even when another loop has taken it over: a third one may hear of this claim last.
    Drop(topic, *lost.meta, lost.claim);
    Announce(topic,
             {.kind = PresenceChange::Kind::kLeft, .meta = lost.meta, .claim = lost.claim});
    Schedule(topic);
  }
  if (!lost_.empty()) ArmLost();
}

}  // namespace tw::router
