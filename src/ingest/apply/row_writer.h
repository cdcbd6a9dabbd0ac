// Rows of the user's tables under out-of-order, repeated and partial events (ingestion spec §3.4
// "set", "stage", §4.5).
//
// A column is written by the newest event that has a value for it, whatever the order of arrival.
// The stage moves up a ladder that only the source climbs: a stage that differs from what the
// source last wrote is a person's, and stays. A terminal stage overrides any and is never left by
// the source; what would be the stage without it is remembered beside it.
//
//                      stage column          previous column      state.stage   state.terminal
//   before terminal    ladder or a person's  –                    ladder        ""
//   in terminal        terminal              ladder or a person's ladder        terminal
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ingest/apply/binding.h"
#include "ingest/apply/effects.h"
#include "ingest/source.h"

namespace tw::ingest {

// One event's wish for one row.
struct RowWrite {
  TableRef table;
  const TablePlan* plan = nullptr;
  BindingInput input;
  Version version;
  bool upsert = false;  // Write the columns; insert the row when it is missing.
  std::optional<StageAction> stage;
  // Of what moves the stage: the same happening has the same time, whoever reports it again.
  Version stage_version;
  // Leave a row alone whose newest write came later in the inbox than version.sequence.
  bool yields_to_newer = false;
};

enum class RowChange : uint8_t { kNone, kInserted, kUpdated };

// The row's name in tidewire's own tables: its key as a JSON list of texts.
std::string RowKeyText(std::span<const Value> key);

class RowWriter {
 public:
  explicit RowWriter(Effects& effects) : effects_(effects) {}

  // Runs no statement on the row when nothing of it changes, so that triggers stay silent.
  // Errors: those of Effects; kInvalidArgument when a part of the key is null or empty, or a value
  // does not fit its column.
  Result<RowChange> Write(const RowWrite& write);

  // Of the last row that was written or looked at.
  const std::vector<Value>& last_key() const { return last_key_; }

 private:
  Result<RowChange> Insert(const RowWrite& write, std::span<const Value> key,
                           std::string_view key_text);
  Result<RowChange> Update(const RowWrite& write, std::span<const Value> key,
                           std::string_view key_text, const Row& stored);

  Effects& effects_;
  std::vector<Value> last_key_;
};

}  // namespace tw::ingest
