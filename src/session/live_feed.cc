#include "session/live_feed.h"

#include "base/check.h"

namespace tw::session {

LiveFeed::LiveFeed(Position head, const TailLimits& limits, telemetry::Registry& metrics)
    : limits_(limits), head_(head), first_offset_(head.offset + 1), router_(metrics),
      broadcasts_(metrics) {}

void LiveFeed::Publish(BatchPtr batch) {
  TW_CHECK(!batch->changes.empty() && batch->position.epoch == head_.epoch);
  TW_CHECK(batch->changes.front().offset == head_.offset + 1);
  head_ = batch->position;
  router_.Publish(*batch);
  bytes_ += batch->bytes;
  tail_.push_back(std::move(batch));
  while (bytes_ > limits_.bytes_max || tail_.size() > limits_.batches_max) {
    bytes_ -= tail_.front()->bytes;
    first_offset_ = tail_.front()->position.offset + 1;
    tail_.pop_front();
  }
  if (waiting_.empty()) return;
  // A waiter may join and so wait anew; it is asked again by the next batch.
  auto waiting = std::exchange(waiting_, {});
  for (auto& [offset, reached] : waiting) {
    if (offset <= head_.offset) {
      reached();
    } else {
      waiting_.emplace_back(offset, std::move(reached));
    }
  }
}

void LiveFeed::WhenReached(uint64_t offset, Function<void()> reached) {
  waiting_.emplace_back(offset, std::move(reached));
}

bool LiveFeed::Covers(uint64_t offset) const { return offset + 1 >= first_offset_; }

void LiveFeed::ForEachAfter(uint64_t offset, const std::function<void(const Batch&)>& visit) const {
  TW_CHECK(Covers(offset));
  for (const BatchPtr& batch : tail_) {
    if (batch->position.offset > offset) visit(*batch);
  }
}

}  // namespace tw::session
