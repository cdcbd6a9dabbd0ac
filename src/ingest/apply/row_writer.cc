#include "ingest/apply/row_writer.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "base/strings.h"
#include "ingest/apply/stage.h"
#include "json/json.h"

namespace tw::ingest {
namespace {

// Versions of columns that are older than their row's, as JSON: {"phone":[at,rank,sequence]}; null
// for a column that no event has had a value for.
class OlderColumns {
 public:
  static OlderColumns Decode(std::string_view text) {
    OlderColumns columns;
    if (text.empty()) return columns;
    const auto document = json::Parse(text);
    if (!document.ok()) return columns;
    for (const json::Member& member : document->root().members()) {
      std::optional<Version> version;
      if (const auto parts = member.value.items(); parts.size() == 3) {
        version = Version{WallTime(std::chrono::microseconds(parts[0].AsInt().value_or(0))),
                          parts[1].AsInt().value_or(0),
                          static_cast<uint64_t>(parts[2].AsInt().value_or(0))};
      }
      columns.entries_.push_back({std::string(member.key), version});
    }
    return columns;
  }

  std::string Encode() const {
    if (entries_.empty()) return {};
    json::Writer writer;
    writer.Object();
    for (const auto& [column, version] : entries_) {
      writer.Key(column);
      if (!version) {
        writer.Null();
        continue;
      }
      writer.Array()
          .Int(version->at.time_since_epoch().count())
          .Int(version->rank)
          .Int(static_cast<int64_t>(version->sequence))
          .End();
    }
    writer.End();
    return writer.Take();
  }

  // nullopt: never written.
  std::optional<Version> Of(std::string_view column, const Version& row) const {
    for (const auto& [name, version] : entries_) {
      if (name == column) return version;
    }
    return row;
  }

  void Set(std::string_view column, std::optional<Version> version) {
    Remove(column);
    entries_.push_back({std::string(column), version});
    std::ranges::sort(entries_, {}, &Entry::column);
  }
  void Remove(std::string_view column) {
    std::erase_if(entries_, [&](const Entry& entry) { return entry.column == column; });
  }

 private:
  struct Entry {
    std::string column;
    std::optional<Version> version;
  };
  std::vector<Entry> entries_;
};

Result<std::vector<Value>> KeyOf(const RowWrite& write) {
  std::vector<Value> key;
  key.reserve(write.plan->key.size());
  for (const ColumnBinding& column : write.plan->key) {
    TW_ASSIGN_OR_RETURN(key.emplace_back(), Evaluate(column, write.input));
    const std::string* text = key.back().AsText();
    if (key.back().is_null() || (text != nullptr && text->empty())) {
      return Fail(ErrorCode::kInvalidArgument,
                  "column " + column.column + " of the key of " + write.plan->name + " is empty");
    }
  }
  return key;
}

// Equal but for white space and the order of keys, which jsonb does not keep.
bool SameJson(const json::Value& a, const json::Value& b) {
  if (a.is_object() && b.is_object()) {
    return a.members().size() == b.members().size() &&
           std::ranges::all_of(a.members(), [&](const json::Member& member) {
             const json::Value* other = b.Find(member.key);
             return other != nullptr && SameJson(member.value, *other);
           });
  }
  if (a.is_array() && b.is_array()) {
    return std::ranges::equal(a.items(), b.items(), SameJson);
  }
  return a.kind() == b.kind() && a.ToText() == b.ToText();
}

// Equal as the database would store them: it has no booleans of its own, and a column's affinity
// makes numbers of texts.
bool SameStored(const Value& stored, const Value& wanted, ColumnType type) {
  if (stored == wanted) return true;
  if (type == ColumnType::kJson && stored.AsText() != nullptr && wanted.AsText() != nullptr) {
    const auto before = json::Parse(*stored.AsText());
    const auto after = json::Parse(*wanted.AsText());
    return before.ok() && after.ok() && SameJson(before->root(), after->root());
  }
  if (const bool* flag = wanted.AsBool()) return stored == Value(int64_t{*flag ? 1 : 0});
  // A numeric column gives "12.50" back as 12.5.
  if (const double* number = stored.AsDouble()) {
    const std::string* text = wanted.AsText();
    double parsed = 0;
    if (text == nullptr) return NormalText(stored) == NormalText(wanted);
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), parsed);
    return error == std::errc() && end == text->data() + text->size() && parsed == *number;
  }
  return stored.index() != wanted.index() && NormalText(stored) == NormalText(wanted);
}

std::optional<std::string> TextOf(const Value& value) {
  if (const std::string* text = value.AsText()) return *text;
  return std::nullopt;
}

}  // namespace

std::string RowKeyText(std::span<const Value> key) {
  std::string text = "[";
  for (const Value& part : key) {
    if (text.size() > 1) text += ',';
    json::AppendString(text, NormalText(part).value_or(""));
  }
  text += ']';
  return text;
}

Result<RowChange> RowWriter::Write(const RowWrite& write) {
  TW_ASSIGN_OR_RETURN(last_key_, KeyOf(write));
  const std::vector<Value>& key = last_key_;
  const std::string key_text = RowKeyText(key);
  TW_ASSIGN_OR_RETURN(const std::optional<Row> stored, effects_.ReadRow(write.table, key));
  if (stored) return Update(write, key, key_text, *stored);
  if (!write.upsert) return RowChange::kNone;
  return Insert(write, key, key_text);
}

Result<RowChange> RowWriter::Insert(const RowWrite& write, std::span<const Value> key,
                                    std::string_view key_text) {
  const TablePlan& plan = *write.plan;
  RowState state{.version = write.version};
  OlderColumns older;
  std::vector<ColumnValue> values;
  for (size_t i = 0; i < key.size(); ++i) values.push_back({plan.key[i].column, key[i]});
  for (const ColumnBinding& column : plan.set) {
    TW_ASSIGN_OR_RETURN(Value value, Evaluate(column, write.input));
    if (!value.is_null()) {
      values.push_back({column.column, std::move(value)});
    } else if (plan.null_never_overwrites) {
      older.Set(column.column, std::nullopt);
    }
  }
  for (const ColumnBinding& column : plan.insert_only) {
    TW_ASSIGN_OR_RETURN(Value value, Evaluate(column, write.input));
    if (!value.is_null()) values.push_back({column.column, std::move(value)});
  }
  if (plan.stage && write.stage) {
    const StageView next = NextStage(*plan.stage, {}, *write.stage, write.stage_version);
    values.push_back({plan.stage->column, next.column});
    state.stage = next.written;
    state.terminal = next.terminal;
    state.terminal_version = next.terminal_version;
  }
  TW_ASSIGN_OR_RETURN(const Value stage, effects_.InsertRow(write.table, values));
  // Without an action the schema's default is what we wrote.
  if (plan.stage && !write.stage) state.stage = TextOf(stage);
  state.older = older.Encode();
  TW_RETURN_IF_ERROR(effects_.WriteRowState(write.table, key_text, state));
  return RowChange::kInserted;
}

Result<RowChange> RowWriter::Update(const RowWrite& write, std::span<const Value> key,
                                    std::string_view key_text, const Row& stored) {
  const TablePlan& plan = *write.plan;
  TW_ASSIGN_OR_RETURN(const std::optional<RowState> known,
                      effects_.ReadRowState(write.table, key_text));
  if (write.yields_to_newer && known && known->version.sequence > write.version.sequence) {
    return RowChange::kNone;
  }
  RowState state = known.value_or(RowState{.version = write.version});
  std::vector<ColumnValue> changed;
  if (write.upsert) {
    OlderColumns older = OlderColumns::Decode(state.older);
    const Version row_before = state.version;
    const bool newest = !known || NotOlder(write.version, row_before);
    for (size_t i = 0; i < plan.set.size(); ++i) {
      const std::string& name = plan.set[i].column;
      TW_ASSIGN_OR_RETURN(Value value, Evaluate(plan.set[i], write.input));
      // Where nothing is known of the row, it is older than any event.
      const auto before = known ? older.Of(name, row_before) : std::nullopt;
      if (value.is_null() && plan.null_never_overwrites) {
        if (newest && before != write.version) older.Set(name, before);
        continue;
      }
      if (before && !NotOlder(write.version, *before)) continue;
      if (newest) {
        older.Remove(name);
      } else {
        older.Set(name, write.version);
      }
      if (!SameStored(stored[i], value, plan.set[i].type)) changed.push_back({name, std::move(value)});
    }
    if (newest) state.version = write.version;
    state.older = older.Encode();
  }
  if (plan.stage && write.stage) {
    const size_t at = plan.set.size();
    StageView view{.column = stored[at],
                   .previous = plan.stage->previous_column.empty() ? Value() : stored[at + 1],
                   .written = state.stage,
                   .terminal = state.terminal,
                   .terminal_version = state.terminal_version};
    const StageView next = NextStage(*plan.stage, view, *write.stage, write.stage_version);
    if (next.column != view.column) changed.push_back({plan.stage->column, next.column});
    if (!plan.stage->previous_column.empty() && next.previous != view.previous) {
      changed.push_back({plan.stage->previous_column, next.previous});
    }
    state.stage = next.written;
    state.terminal = next.terminal;
    state.terminal_version = next.terminal_version;
  }
  if (!changed.empty()) TW_RETURN_IF_ERROR(effects_.UpdateRow(write.table, key, changed));
  if (!known || state != *known) {
    TW_RETURN_IF_ERROR(effects_.WriteRowState(write.table, key_text, state));
  }
  return changed.empty() ? RowChange::kNone : RowChange::kUpdated;
}

}  // namespace tw::ingest
