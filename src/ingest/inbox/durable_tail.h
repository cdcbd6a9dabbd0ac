// The newest durable groups in bounded memory, handed from the writer thread to the applier.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

#include "base/function.h"
#include "ingest/inbox/inbox_writer.h"

namespace tw::ingest {

// The applier asks for what comes next; nullptr means "not here": wait for `on_group` when it has
// applied up to durable_head(), read from disk otherwise. Any thread.
class DurableTail final : public DurableObserver {
 public:
  // Keeps at most `bytes_max`; the oldest groups go first. `on_group` is called on the writer
  // thread after each group, to wake the applier.
  DurableTail(size_t bytes_max, Function<void()> on_group);

  void OnGroup(std::shared_ptr<const DurableGroup> group) override;

  // The group that holds `next`; it may begin before `next`. Forgets every older group.
  std::shared_ptr<const DurableGroup> Take(uint64_t next);

 private:
  const size_t bytes_max_;
  Function<void()> on_group_;
  std::mutex mutex_;  // Guards the rest.
  std::deque<std::shared_ptr<const DurableGroup>> groups_;
  size_t bytes_ = 0;
};

}  // namespace tw::ingest
