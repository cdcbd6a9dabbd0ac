#include "query/worker_pool.h"

namespace tw::query {

WorkerPoolOptions CountedReads(size_t queue_tasks_max, telemetry::Registry& metrics) {
  return {.queue_tasks_max = queue_tasks_max,
          .tasks_total =
              &metrics.GetCounter("tidewire_reader_tasks_total", "Reads run by the pool."),
          .refused = &metrics.GetCounter("tidewire_reader_refused_total",
                                         "Reads refused because the pool's queue was full.")};
}

}  // namespace tw::query
