// How a loop has a write executed: the seam to the thread that owns the store.
#pragma once

#include "base/function.h"
#include "base/result.h"
#include "query/write/table_writer.h"

namespace tw::query {

class WriteQueue {
 public:
  virtual ~WriteQueue() = default;
  // Executes `write` later; `done` is called on the store's thread. Any thread.
  // Errors: kResourceExhausted when too much waits; `done` is not called then.
  virtual Status Submit(TableWrite write, Function<void(WriteOr<WriteResult>)> done) = 0;
};

}  // namespace tw::query
