// Runs named queries: the seam between cache and database. SqliteEngine is the one here; another
// database implements the same two functions.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "model/position.h"
#include "query/live/row_set.h"
#include "query/named/catalogue.h"

namespace tw::query {

struct Execution {
  RowSetPtr rows;
  Position position;  // The rows are true at this position, exactly.
  std::chrono::microseconds took{0};
};

class Engine {
 public:
  virtual ~Engine() = default;
  // Runs the call with its own rights. One thread at a time. Errors: result_too_large,
  // query_timeout, query_failed, as CallError; the connection stays usable.
  virtual CallResult<Execution> Run(const Call& call) = 0;
};

// Makes engines, one per thread; asked again for each thread of the pool.
class EngineFactory {
 public:
  virtual ~EngineFactory() = default;
  virtual Result<std::unique_ptr<Engine>> Make() = 0;
};

// Over the database file at `path`, a store that has been captured. All given outlives the engines.
std::unique_ptr<EngineFactory> MakeSqliteEngines(std::string path, uint64_t epoch,
                                                 QueryCataloguePtr catalogue, const Clock& clock,
                                                 Random& random);

}  // namespace tw::query
