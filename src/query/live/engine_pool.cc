#include "query/live/engine_pool.h"

namespace tw::query {

Result<std::unique_ptr<EnginePool>> StartEngines(EngineFactory& factory, uint32_t threads) {
  std::vector<std::unique_ptr<Engine>> engines;
  for (uint32_t i = 0; i < threads; ++i) {
    TW_ASSIGN_OR_RETURN(auto engine, factory.Make());
    engines.push_back(std::move(engine));
  }
  return std::make_unique<EnginePool>(std::move(engines), WorkerPoolOptions{});
}

}  // namespace tw::query
