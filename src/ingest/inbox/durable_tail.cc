#include "ingest/inbox/durable_tail.h"

namespace tw::ingest {

DurableTail::DurableTail(size_t bytes_max, Function<void()> on_group)
    : bytes_max_(bytes_max), on_group_(std::move(on_group)) {}

void DurableTail::OnGroup(std::shared_ptr<const DurableGroup> group) {
  {
    const std::lock_guard lock(mutex_);
    bytes_ += group->bytes;
    groups_.push_back(std::move(group));
    while (bytes_ > bytes_max_ && !groups_.empty()) {
      bytes_ -= groups_.front()->bytes;
      groups_.pop_front();
    }
  }
  if (on_group_) on_group_();
}

std::shared_ptr<const DurableGroup> DurableTail::Take(uint64_t next) {
  const std::lock_guard lock(mutex_);
  while (!groups_.empty() && groups_.front()->deliveries.back().sequence < next) {
    bytes_ -= groups_.front()->bytes;
    groups_.pop_front();
  }
  if (groups_.empty() || groups_.front()->deliveries.front().sequence > next) return nullptr;
  return groups_.front();
}

}  // namespace tw::ingest
