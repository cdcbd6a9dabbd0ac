#include "session/live_feed.h"

#include <algorithm>

#include "base/check.h"

namespace tw::session {

LiveFeed::LiveFeed(Position head, const TailLimits& limits, telemetry::Registry& metrics)
    : limits_(limits),
      head_(head),
      floor_(head.offset),
      router_(metrics),
      broadcasts_(metrics) {}

void LiveFeed::Publish(BatchPtr batch) {
  TW_CHECK(!batch->changes.empty() && batch->position.epoch == head_.epoch);
  TW_CHECK(batch->after == head_.offset);
  head_ = batch->position;
  router_.Publish(*batch);
  bytes_ += batch->bytes;
  tail_.push_back(batch);
  while (bytes_ > limits_.bytes_max || tail_.size() > limits_.batches_max) {
    bytes_ -= tail_.front()->bytes;
    floor_ = tail_.front()->position.offset;
    tail_.pop_front();
  }
  if (!followers_.empty()) TellFollowers(*batch);
  while (!waiting_.empty() && waiting_.begin()->first.first <= head_.offset) {
    auto reached = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    reached();
  }
}

FeedFollower::~FeedFollower() {
  if (feed_ != nullptr) feed_->Unfollow(*this);
}

void LiveFeed::Follow(FeedFollower& follower, std::vector<std::string> tables) {
  Unfollow(follower);
  follower.feed_ = this;
  follower.tables_ = std::move(tables);
  for (const std::string& table : follower.tables_) followers_[table].push_back(&follower);
}

void LiveFeed::Unfollow(FeedFollower& follower) {
  for (const std::string& table : follower.tables_) {
    const auto found = followers_.find(table);
    std::erase(found->second, &follower);
    if (found->second.empty()) followers_.erase(found);
  }
  follower.tables_.clear();
  std::ranges::replace(told_, &follower, nullptr);
}

void LiveFeed::TellFollowers(const Batch& batch) {
  ++round_;
  const Relation* last = nullptr;
  for (const Change& change : batch.changes) {
    if (change.relation.get() == std::exchange(last, change.relation.get())) continue;
    const auto found = followers_.find(change.relation->table);
    if (found == followers_.end()) continue;
    for (FeedFollower* const follower : found->second) {
      if (std::exchange(follower->round_, round_) != round_) told_.push_back(follower);
    }
  }
  // They may leave, or come, meanwhile.
  for (size_t i = 0; i < told_.size(); ++i) {
    if (told_[i] != nullptr) told_[i]->OnBatch(batch);
  }
  told_.clear();
}

void LiveFeed::Reset(Position head) {
  tail_.clear();
  bytes_ = 0;
  head_ = head;
  floor_ = head.offset;
}

LiveFeed::WaitId LiveFeed::WhenReached(uint64_t offset, Function<void()> reached) {
  const WaitId id{offset, next_wait_++};
  waiting_.emplace(id, std::move(reached));
  return id;
}

bool LiveFeed::Covers(uint64_t offset) const {
  return offset >= floor_;
}

void LiveFeed::ForEachAfter(uint64_t offset,
                            const std::function<void(const BatchPtr&)>& visit) const {
  TW_CHECK(Covers(offset));
  const auto first = std::ranges::partition_point(
      tail_, [&](const BatchPtr& batch) { return batch->position.offset <= offset; });
  for (auto batch = first; batch != tail_.end(); ++batch) visit(*batch);
}

}  // namespace tw::session
