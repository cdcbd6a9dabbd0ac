#include "session/live_feed.h"

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
  tail_.push_back(std::move(batch));
  while (bytes_ > limits_.bytes_max || tail_.size() > limits_.batches_max) {
    bytes_ -= tail_.front()->bytes;
    floor_ = tail_.front()->position.offset;
    tail_.pop_front();
  }
  while (!waiting_.empty() && waiting_.begin()->first.first <= head_.offset) {
    auto reached = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    reached();
  }
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
  for (const BatchPtr& batch : tail_) {
    if (batch->position.offset > offset) visit(batch);
  }
}

}  // namespace tw::session
