#include "query/reader_pool.h"

#include <utility>
#include <vector>

namespace tw::query {

Result<std::unique_ptr<ReaderPool>> ReaderPool::Start(const std::string& path, uint64_t epoch,
                                                      const ReaderPoolOptions& options,
                                                      telemetry::Registry& metrics) {
  std::vector<std::unique_ptr<ReadConnection>> connections;
  for (uint32_t i = 0; i < options.threads; ++i) {
    TW_ASSIGN_OR_RETURN(auto database,
                        sqlite::Database::Open(path, {.mode = sqlite::OpenMode::kReadOnly}));
    auto connection =
        std::make_unique<ReadConnection>(ReadConnection{std::move(database), capture::LogReader()});
    // Prepared statements point at the database, which has found its place now.
    TW_ASSIGN_OR_RETURN(connection->log,
                        capture::LogReader::Create(connection->database, epoch));
    connections.push_back(std::move(connection));
  }
  return std::unique_ptr<ReaderPool>(
      new ReaderPool(std::move(connections), CountedReads(options.queue_tasks_max, metrics)));
}

}  // namespace tw::query
