// What was committed, kept for ever, and who should have been told.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/change.h"

namespace tw::sim {

// One reader's subscription, judged without the product's policies, filters or router.
struct Sight {
  enum class Rows : uint8_t { kNone, kWorkspace, kAll };
  Rows rows = Rows::kNone;
  int64_t workspace = 0;  // kWorkspace: the reader's claim.
  std::string table;
  std::string filter_column;  // Empty: no filter. Else column = value.
  std::string filter_value;
  bool leave = false;

  bool MaySee(const Relation& relation, const Row& row) const;
  // In the subscription's result: seen and passed by the filter.
  bool Holds(const Relation& relation, const Row& row) const;
  // The type of the message that `change` must cause; nullopt for none.
  std::optional<std::string_view> Due(const Change& change) const;
};

// The value of `column` as text; empty for null or an unknown column.
std::string TextOf(const Relation& relation, const Row& row, std::string_view column);

class Journal {
 public:
  // Changes come in order; one that was told before must be the same. Errors: kFailedPrecondition
  // when it is not: a position has changed its meaning, or one is missing.
  Status Append(uint64_t epoch, const Change& change);
  uint64_t head(uint64_t epoch) const;
  // The first change after `after`, up to and including `last`, that is due to `sight`.
  const Change* NextDue(const Sight& sight, uint64_t epoch, uint64_t after, uint64_t last) const;

 private:
  std::map<uint64_t, std::vector<Change>> epochs_;  // Offset n at n - 1.
};

}  // namespace tw::sim
