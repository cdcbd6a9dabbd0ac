// ReplayEffects on SQLite.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "ingest/apply/replay.h"
#include "ingest/source.h"
#include "sqlite/sqlite.h"

namespace tw::ingest {

class SqliteReplay final : public ReplayEffects {
 public:
  // `database` must outlive the object.
  SqliteReplay(sqlite::Database& database, std::span<const std::shared_ptr<const Source>> sources)
      : database_(database), sources_(sources.begin(), sources.end()) {}

  Result<std::vector<LoggedDelivery>> LoggedDeliveries(uint16_t source, const ReplayFilter& filter,
                                                       uint64_t after, int max) override;

 private:
  sqlite::Database& database_;
  std::vector<std::shared_ptr<const Source>> sources_;
};

}  // namespace tw::ingest
