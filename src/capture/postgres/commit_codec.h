// The records of the change log on Postgres: a batch of changes, a mark, a start. Little-endian;
// numbers that are mostly small as LEB128.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/change.h"
#include "postgres/lsn.h"

namespace tw::capture {

class ShapeRegistry;

// Payload::kind in the segment log. Stable: they are on disk.
enum class RecordKind : uint16_t {
  kBatch = 1,  // Changes of one commit, or a part of them.
  kMark = 2,   // Everything that ends at or before its LSN is in the log, or concerned nobody.
  kStart = 3,  // A history begins: what is before it in the log is not its past.
};

struct CommitInfo {
  postgres::Lsn commit_lsn;
  postgres::Lsn end_lsn;
  uint32_t xid = 0;
  bool last_part = true;  // Of its commit.
};

void AppendBatch(std::string& out, const Batch& batch, const CommitInfo& info);

// What a batch record begins with, enough to index it.
struct BatchHeader {
  CommitInfo info;
  uint64_t after = 0;
  uint64_t last_offset = 0;
  uint64_t changes = 0;
  WallTime committed_at;
};
// Errors (both): kDataLoss.
Result<BatchHeader> ParseBatchHeader(std::string_view payload);
// Appends to `batch` the changes above `after`, at most `changes_max` in all.
Status ParseBatch(std::string_view payload, const ShapeRegistry& shapes, uint64_t after,
                  uint64_t changes_max, Batch& batch);

struct HistoryStart {
  uint64_t epoch = 0;
  postgres::Lsn lsn;     // Commits that end behind it belong to this history.
  std::string identity;  // Of the database: another one is another history.
};
std::string EncodeStart(const HistoryStart& start);
Result<HistoryStart> ParseStart(std::string_view payload);
std::string EncodeMark(postgres::Lsn lsn);
Result<postgres::Lsn> ParseMark(std::string_view payload);

}  // namespace tw::capture
