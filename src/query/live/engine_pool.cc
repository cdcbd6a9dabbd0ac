#include "query/live/engine_pool.h"

namespace tw::query {

Result<std::unique_ptr<EnginePool>> EnginePool::Start(EngineFactory& factory, uint32_t threads) {
  std::unique_ptr<EnginePool> pool(new EnginePool());
  for (uint32_t i = 0; i < threads; ++i) {
    TW_ASSIGN_OR_RETURN(auto engine, factory.Make());
    pool->engines_.push_back(std::move(engine));
  }
  for (const auto& engine : pool->engines_) {
    pool->threads_.emplace_back([pool = pool.get(), engine = engine.get()] { pool->Run(*engine); });
  }
  return pool;
}

EnginePool::~EnginePool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void EnginePool::Submit(CallPtr call, Done done) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back({std::move(call), std::move(done)});
  }
  wake_.notify_one();
}

void EnginePool::Run(Engine& engine) {
  for (;;) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
      if (stopping_) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task.done(engine.Run(*task.call));
  }
}

}  // namespace tw::query
