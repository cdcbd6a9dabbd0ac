// Threads that run named queries, each with an engine of its own.
#pragma once

#include <memory>

#include "query/live/hub.h"
#include "query/named/engine.h"
#include "query/worker_pool.h"

namespace tw::query {

// The hub bounds how many calls wait.
using EnginePool = WorkerPool<Engine>;

// Errors: as EngineFactory::Make.
Result<std::unique_ptr<EnginePool>> StartEngines(EngineFactory& factory, uint32_t threads);

}  // namespace tw::query
