// Values, rows, facts and states as statements carry them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/apply/effects.h"
#include "ingest/apply/records.h"
#include "ingest/source.h"
#include "model/value.h"
#include "postgres/array.h"
#include "postgres/connection.h"

namespace tw::ingest {

// A parameter's text; nullopt for NULL.
using StoredText = std::optional<std::string>;
StoredText TextOfValue(const Value& value);
// The text of a column as the Value that a source would write: times in RFC 3339, numbers as
// numbers.
Value ValueOfText(std::optional<std::string_view> text, ColumnType type);

// The texts of one statement's parameters, and views of them.
class Parameters {
 public:
  void AddOptional(StoredText text) { texts_.push_back(std::move(text)); }
  void Add(std::string_view text) { texts_.emplace_back(std::string(text)); }
  void Add(int64_t number) { texts_.emplace_back(std::to_string(number)); }
  void Add(std::span<const Value> values) {
    for (const Value& value : values) AddOptional(TextOfValue(value));
  }
  void AddBytes(std::string_view bytes) { texts_.emplace_back(postgres::ByteaText(bytes)); }
  // Valid until the next Add.
  std::span<const postgres::Parameter> views();

 private:
  std::vector<StoredText> texts_;
  std::vector<postgres::Parameter> views_;
};

// Of tidewire.fact as f, in the order that ReadFact reads.
inline constexpr std::string_view kFactColumns =
    "f.id, f.tenant, f.kind, f.match_hash, f.occurred_at, f.time_quality, f.bucket_day, "
    "f.contribution, f.channels, f.config_version, f.merged_into, f.mark";
inline constexpr size_t kFactColumnCount = 12;
Fact ReadFact(const postgres::Rows& rows, size_t row);

// Of tidewire.row_state as s, in the order that ReadState reads.
inline constexpr std::string_view kStateColumns =
    "s.at, s.rank, s.sequence, s.older, s.stage, s.terminal, s.terminal_at, s.terminal_rank, "
    "s.terminal_sequence";
inline constexpr size_t kStateColumnCount = 9;
RowState ReadState(const postgres::Rows& rows, size_t row);

// What Effects::ReadRow gives of a row, with `prefix` before each name.
struct ReadColumns {
  std::string sql;
  std::vector<ColumnType> types;  // May be fewer than columns: of a table that sets none.
};
ReadColumns ColumnsRead(const TablePlan& plan, std::string_view prefix);

// Names of things within a transaction.
std::string AliasKey(uint16_t source, std::string_view tenant, std::string_view kind,
                     const FactAlias& alias);
std::string StateKey(std::string_view table, std::string_view row_key);

}  // namespace tw::ingest
