#include "query/reader_pool.h"

namespace tw::query {

ReaderPool::ReaderPool(const ReaderPoolOptions& options, telemetry::Registry& metrics)
    : options_(options),
      tasks_total_(metrics.GetCounter("tidewire_reader_tasks_total", "Reads run by the pool.")),
      refused_(metrics.GetCounter("tidewire_reader_refused_total",
                                  "Reads refused because the pool's queue was full.")) {}

Result<std::unique_ptr<ReaderPool>> ReaderPool::Start(const std::string& path, uint64_t epoch,
                                                      const ReaderPoolOptions& options,
                                                      telemetry::Registry& metrics) {
  std::unique_ptr<ReaderPool> pool(new ReaderPool(options, metrics));
  for (uint32_t i = 0; i < options.threads; ++i) {
    TW_ASSIGN_OR_RETURN(auto database,
                        sqlite::Database::Open(path, {.mode = sqlite::OpenMode::kReadOnly}));
    auto connection =
        std::make_unique<ReadConnection>(ReadConnection{std::move(database), capture::LogReader()});
    // Prepared statements point at the database, which has found its place now.
    TW_ASSIGN_OR_RETURN(connection->log,
                        capture::LogReader::Create(connection->database, epoch));
    pool->connections_.push_back(std::move(connection));
  }
  for (const auto& connection : pool->connections_) {
    pool->threads_.emplace_back(
        [pool = pool.get(), connection = connection.get()] { pool->Run(*connection); });
  }
  return pool;
}

ReaderPool::~ReaderPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Status ReaderPool::Submit(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (tasks_.size() >= options_.queue_tasks_max) {
      refused_.Add();
      return Fail(ErrorCode::kResourceExhausted, "too many reads are waiting; try again");
    }
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
  return {};
}

void ReaderPool::Run(ReadConnection& connection) {
  for (;;) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
      if (stopping_) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task(connection);
    tasks_total_.Add();
  }
}

}  // namespace tw::query
