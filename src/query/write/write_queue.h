// How a loop has a write executed: the seam to the threads of the store.
#pragma once

#include "base/function.h"
#include "base/result.h"
#include "query/write/table_write.h"
#include "query/write/write_result.h"

namespace tw::query {

class WriteQueue {
 public:
  virtual ~WriteQueue() = default;
  // Executes `write` later; `done` is called on a thread of the store's. Any thread.
  // Errors: kResourceExhausted when too much waits; `done` is not called then.
  virtual Status Submit(TableWrite write, Function<void(WriteOr<WriteResult>)> done) = 0;
};

}  // namespace tw::query
