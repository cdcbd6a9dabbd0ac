#include "ingest/apply/fact_book.h"

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"
#include "crypto/hash.h"
#include "ingest/apply/local_day.h"

namespace tw::ingest {
namespace {

// 128 bits: no two happenings share a hash by accident, and an index entry stays small.
constexpr size_t kHashBytes = 16;

// Parts are length-prefixed, so that "a","bc" and "ab","c" differ.
void UpdatePart(crypto::Hasher& hasher, std::string_view part) {
  const uint64_t size = part.size();
  hasher.Update({reinterpret_cast<const char*>(&size), sizeof(size)});
  hasher.Update(part);
}

bool NamedBy(const Fact& fact, std::string_view channel) {
  const auto channels = Split(fact.channels, ',');
  return std::ranges::find(channels, channel) != channels.end();
}

void AddChannel(Fact& fact, std::string_view channel) {
  if (NamedBy(fact, channel)) return;
  if (!fact.channels.empty()) fact.channels += ',';
  fact.channels += channel;
}

// A better quality wins; of equal ones the earlier time, so that the order of arrival is no matter.
bool Improves(WallTime at, TimeQuality quality, const Fact& fact) {
  if (quality != fact.quality) return quality > fact.quality;
  return at < fact.occurred_at;
}

}  // namespace

FactBook::Names FactBook::NamesOf(const Observation& seen) const {
  Names names;
  names.aliases.push_back({"channel:" + std::string(seen.channel), std::string(seen.private_id)});
  for (const FactPlan::Id& id : seen.plan->ids) {
    if (auto text = NormalText(seen.fields[id.field])) {
      names.aliases.push_back({id.name_space, *std::move(text)});
    }
  }
  crypto::Hasher hasher(crypto::HashAlgorithm::kSha256);
  UpdatePart(hasher, seen.plans->name);
  UpdatePart(hasher, seen.tenant->tenant.id);
  UpdatePart(hasher, seen.plan->name);
  for (const FieldIndex field : seen.plan->match_on) {
    const auto text = NormalText(seen.fields[field]);
    hasher.Update(text ? "v" : "n");
    if (text) UpdatePart(hasher, *text);
    names.matchable = names.matchable || text.has_value();
  }
  // Without match values nothing may pair with it.
  if (!names.matchable) UpdatePart(hasher, seen.private_id);
  const crypto::Digest digest = hasher.Finish();
  names.match_hash = digest.view().substr(0, kHashBytes);
  // At most one for ever: the match values are a name like any other.
  if (!seen.plan->window && names.matchable) names.aliases.push_back({"match", names.match_hash});
  names.known.resize(names.aliases.size());
  return names;
}

FactBook::Interval FactBook::IntervalOf(WallTime at, TimeQuality quality) const {
  return {quality == TimeQuality::kEvent ? at : at - delivery_delay_max_, at};
}

Result<std::vector<Fact>> FactBook::FindByName(const Observation& seen, Names& names) {
  std::vector<Fact> facts;
  for (size_t i = 0; i < names.aliases.size(); ++i) {
    TW_ASSIGN_OR_RETURN(auto found, effects_.FindAlias(seen.source, seen.tenant->tenant.id,
                                                       seen.plan->name, names.aliases[i]));
    if (!found) continue;
    names.known[i] = true;
    // The channel's own id comes first. Equal events have equal names: nothing more to look up.
    if (i == 0 && found->config_version == seen.plans->version &&
        !Improves(seen.occurred_at, seen.quality, *found)) {
      names.known.assign(names.known.size(), true);
      facts.push_back(*std::move(found));
      return facts;
    }
    const auto same = [&](const Fact& fact) { return fact.id == found->id; };
    if (std::ranges::none_of(facts, same)) facts.push_back(*std::move(found));
  }
  std::ranges::sort(facts, {}, &Fact::id);
  return facts;
}

Result<std::optional<Fact>> FactBook::Pair(const Observation& seen, const Names& names,
                                           std::string& mark) {
  if (!seen.plan->window || !names.matchable || seen.quality == TimeQuality::kUnknown) {
    return std::optional<Fact>();
  }
  const Interval mine = IntervalOf(seen.occurred_at, seen.quality);
  const auto window = *seen.plan->window;
  TW_ASSIGN_OR_RETURN(
      std::vector<Fact> facts,
      effects_.FindMatches(seen.source, seen.tenant->tenant.id, seen.plan->name, names.match_hash,
                           mine.first - window, mine.last + window + delivery_delay_max_));
  using Closeness = std::pair<std::chrono::microseconds, std::chrono::microseconds>;
  std::vector<std::pair<Closeness, size_t>> candidates;
  for (size_t i = 0; i < facts.size(); ++i) {
    const Fact& fact = facts[i];
    if (fact.quality == TimeQuality::kUnknown) continue;
    if (NamedBy(fact, seen.channel)) {
      // The sender says by a second signed id that it happened twice at the same time.
      if (seen.signed_id && fact.occurred_at == seen.occurred_at) mark = "twin";
      continue;
    }
    const Interval theirs = IntervalOf(fact.occurred_at, fact.quality);
    const auto gap = std::max(
        {theirs.first - mine.last, mine.first - theirs.last, std::chrono::microseconds(0)});
    if (gap > window) continue;
    candidates.push_back({{gap, std::chrono::abs(fact.occurred_at - seen.occurred_at)}, i});
  }
  if (candidates.empty()) return std::optional<Fact>();
  if (candidates.size() > 1 && seen.plan->on_ambiguous == Ambiguous::kNew) {
    return std::optional<Fact>();
  }
  // Equally near: the oldest, because facts come by rising id.
  return std::optional(std::move(facts[std::ranges::min_element(candidates)->second]));
}

bool FactBook::IsSealed(const Observation& seen, std::string_view day) const {
  return days_.IsSealed(seen.source, seen.tenant->tenant.id, day);
}

bool FactBook::IsLate(const Observation& seen, const Fact* fact) const {
  if (days_.SealedBefore(seen.source, seen.tenant->tenant.id).empty()) return false;
  if (fact != nullptr) {
    // One of a sealed day stays where it is; to see it again is no news.
    if (IsSealed(seen, fact->bucket_day)) return false;
    if (!Improves(seen.occurred_at, seen.quality, *fact)) return false;
  }
  return IsSealed(seen, LocalDay(*seen.tenant->zone, seen.occurred_at));
}

Status FactBook::Merge(const Observation& seen, Fact& fact, Fact younger) {
  if (!IsSealed(seen, younger.bucket_day)) {
    counters_.Add(seen.source, *seen.tenant, younger.contribution, younger.bucket_day, -1,
                  seen.channel);
  }
  for (const std::string_view channel : Split(younger.channels, ',')) AddChannel(fact, channel);
  const bool movable = !IsSealed(seen, fact.bucket_day) && !IsSealed(seen, younger.bucket_day);
  if (movable && Improves(younger.occurred_at, younger.quality, fact)) {
    counters_.Add(seen.source, *seen.tenant, fact.contribution, fact.bucket_day, -1, seen.channel);
    fact.occurred_at = younger.occurred_at;
    fact.quality = younger.quality;
    fact.bucket_day = younger.bucket_day;
    counters_.Add(seen.source, *seen.tenant, fact.contribution, fact.bucket_day, 1, seen.channel);
  }
  younger.merged_into = fact.id;
  ++merged_;
  return effects_.UpdateFact(younger);
}

Result<int64_t> FactBook::Create(const Observation& seen, const Names& names, std::string mark) {
  Fact fact;
  fact.tenant = seen.tenant->tenant.id;
  fact.kind = seen.plan->name;
  fact.match_hash = names.match_hash;
  fact.occurred_at = seen.occurred_at;
  fact.quality = seen.quality;
  fact.bucket_day = LocalDay(*seen.tenant->zone, seen.occurred_at);
  fact.contribution = seen.plan->contribution;
  fact.channels = seen.channel;
  fact.config_version = seen.plans->version;
  const bool weak = names.aliases.size() == 1 && !seen.signed_id && !names.matchable;
  fact.mark = weak ? "weak" : std::move(mark);
  counters_.Add(seen.source, *seen.tenant, fact.contribution, fact.bucket_day, 1, seen.channel);
  return effects_.InsertFact(seen.source, fact, seen.now);
}

Result<WallTime> FactBook::Refine(const Observation& seen, Fact fact, bool dirty) {
  const std::string old_day = fact.bucket_day;
  const std::string old_contribution = fact.contribution;
  const bool sealed = IsSealed(seen, fact.bucket_day);
  if (!NamedBy(fact, seen.channel)) {
    AddChannel(fact, seen.channel);
    dirty = true;
  }
  if (!sealed && Improves(seen.occurred_at, seen.quality, fact)) {
    fact.occurred_at = seen.occurred_at;
    fact.quality = seen.quality;
    fact.bucket_day = LocalDay(*seen.tenant->zone, seen.occurred_at);
    dirty = true;
  }
  if (fact.config_version != seen.plans->version) {
    if (!sealed) fact.contribution = seen.plan->contribution;
    fact.config_version = seen.plans->version;
    dirty = true;
  }
  if (!dirty) return fact.occurred_at;
  if (old_day != fact.bucket_day || old_contribution != fact.contribution) {
    counters_.Add(seen.source, *seen.tenant, old_contribution, old_day, -1, seen.channel);
    counters_.Add(seen.source, *seen.tenant, fact.contribution, fact.bucket_day, 1, seen.channel);
  }
  TW_RETURN_IF_ERROR(effects_.UpdateFact(fact));
  return fact.occurred_at;
}

Result<Sighted> FactBook::Observe(const Observation& seen) {
  Names names = NamesOf(seen);
  TW_ASSIGN_OR_RETURN(std::vector<Fact> facts, FindByName(seen, names));
  int64_t id = 0;
  Sighted sighted{Sighting::kKnown, seen.occurred_at};
  if (facts.empty()) {
    std::string mark;
    TW_ASSIGN_OR_RETURN(auto paired, Pair(seen, names, mark));
    if (IsLate(seen, paired ? &*paired : nullptr)) return Sighted{Sighting::kLateSealed};
    if (paired) {
      ++paired_;
      id = paired->id;
      TW_ASSIGN_OR_RETURN(sighted.occurred_at, Refine(seen, *std::move(paired), false));
    } else {
      sighted.sighting = Sighting::kNew;
      TW_ASSIGN_OR_RETURN(id, Create(seen, names, std::move(mark)));
    }
  } else {
    id = facts.front().id;
    if (IsLate(seen, &facts.front())) return Sighted{Sighting::kLateSealed};
    if (names.known.front() && facts.front().config_version == seen.plans->version) {
      sighted.sighting = Sighting::kDuplicate;
    }
    for (size_t i = 1; i < facts.size(); ++i) {
      TW_RETURN_IF_ERROR(Merge(seen, facts.front(), std::move(facts[i])));
    }
    const bool merged = facts.size() > 1;
    TW_ASSIGN_OR_RETURN(sighted.occurred_at, Refine(seen, std::move(facts.front()), merged));
  }
  for (size_t i = 0; i < names.aliases.size(); ++i) {
    if (names.known[i]) continue;
    TW_RETURN_IF_ERROR(effects_.InsertAlias(seen.source, seen.tenant->tenant.id, seen.plan->name,
                                            names.aliases[i], id));
  }
  return sighted;
}

}  // namespace tw::ingest
