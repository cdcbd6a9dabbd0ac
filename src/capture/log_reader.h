// Reads tidewire_log on any connection to the store.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/result.h"
#include "model/change.h"
#include "sqlite/sqlite.h"

namespace tw::capture {

class LogReader {
 public:
  LogReader() = default;  // Unusable until assigned from Create.
  // `database` must outlive the reader and have the log's tables. One thread at a time.
  static Result<LogReader> Create(sqlite::Database& database, uint64_t epoch);

  // Changes with offsets above `after`, in order, at most `changes_max` and no more once they take
  // kReadBytesMax of memory; nullptr when there are none. Errors: kOutOfRange when the change behind `after` has been trimmed away; kDataLoss.
  Result<BatchPtr> Read(uint64_t after, uint64_t changes_max);

  static constexpr size_t kReadBytesMax = 8u << 20;

  // The highest offset, 0 in an empty log.
  Result<uint64_t> LastOffset();
  // The lowest offset still kept; LastOffset() + 1 in an empty log.
  Result<uint64_t> FirstOffset();

 private:
  Result<RelationPtr> FindRelation(uint32_t id);

  sqlite::Database* database_ = nullptr;
  uint64_t epoch_ = 0;
  sqlite::Statement read_;
  sqlite::Statement bounds_;
  sqlite::Statement relation_;
  std::map<uint32_t, RelationPtr> relations_;  // Shapes never change under their id.
};

}  // namespace tw::capture
