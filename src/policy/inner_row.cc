#include "policy/inner_row.h"

#include <cmath>
#include <cstring>
#include <new>
#include <string>

#include "base/strings.h"
#include "policy/cast.h"
#include "policy/decimal.h"
#include "policy/jsonb.h"

namespace tw::policy {
namespace {

enum class CellState : uint8_t { kValue, kNull, kMisfit };

struct TextPlace {
  uint32_t offset;
  uint32_t bytes;
};

bool IsTextual(ColumnType type) {
  switch (type) {
    case ColumnType::kBool:
    case ColumnType::kInt2:
    case ColumnType::kInt4:
    case ColumnType::kInt8:
    case ColumnType::kFloat8:
    case ColumnType::kTimestamptz:
    case ColumnType::kTimestamp:
    case ColumnType::kDate:
      return false;
    case ColumnType::kNumeric:
    case ColumnType::kText:
    case ColumnType::kBytea:
    case ColumnType::kJson:
    case ColumnType::kUuid:
    case ColumnType::kOther:
    case ColumnType::kEncoded:
      return true;
  }
  return true;
}

// 64-bit mixing in the manner of FNV-1a over words, finished by a multiply-shift.
uint64_t HashBytes(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325 ^ bytes.size();
  while (bytes.size() >= 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    hash = (hash ^ word) * 0x9E3779B97F4A7C15;
    hash ^= hash >> 32;
    bytes.remove_prefix(8);
  }
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash ^ (hash >> 29);
}

uint64_t HashInteger(int64_t value) {
  uint64_t x = static_cast<uint64_t>(value) + 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

uint64_t HashNumeric(const Datum& value) {
  if (value.kind == Datum::Kind::kInt) return HashInteger(value.integer);
  std::string_view text = value.text;
  if (text.find('.') != text.npos) {
    while (text.ends_with('0')) text.remove_suffix(1);
    if (text.ends_with('.')) text.remove_suffix(1);
  }
  if (text == "-0" || text.empty() || text == "-") text = "0";
  if (const auto integer = ParseInt64(text)) return HashInteger(*integer);
  return HashBytes(text);
}

}  // namespace

uint64_t CombineHash(uint64_t a, uint64_t b) {
  return HashInteger(static_cast<int64_t>(a ^ (b + 0x9E3779B97F4A7C15 + (a << 6) + (a >> 2))));
}

uint64_t HashDatum(Base base, const Datum& value) {
  switch (base) {
    case Base::kBool:
      return HashInteger(value.boolean ? 1 : 0);
    case Base::kInt2:
    case Base::kInt4:
    case Base::kInt8:
    case Base::kDate:
    case Base::kTimestamp:
    case Base::kTimestamptz:
      return HashInteger(value.integer);
    case Base::kNumeric:
      return HashNumeric(value);
    case Base::kFloat8: {
      if (std::isnan(value.real)) return 1;
      const double real = value.real == 0 ? 0 : value.real;
      int64_t bits;
      std::memcpy(&bits, &real, sizeof bits);
      return HashInteger(bits);
    }
    case Base::kUuid: {
      char lower[64];
      const size_t size = std::min(value.text.size(), sizeof lower);
      for (size_t i = 0; i < size; ++i) {
        const char c = value.text[i];
        lower[i] = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
      }
      return HashBytes({lower, size});
    }
    case Base::kJsonb:
      return 2;  // Equal values may be written differently: all in one place, found by comparing.
    case Base::kUnknown:
    case Base::kText:
    case Base::kBytea:
    case Base::kOther:
      return HashBytes(value.text);
  }
  return 0;
}

void InnerRowDelete::operator()(InnerRow* row) const {
  row->~InnerRow();
  ::operator delete(static_cast<void*>(row));
}

InnerLayout::InnerLayout(const InnerTablePlan& plan)
    : source_(plan.columns),
      identity_columns_(plan.indexes.front().columns.size()),
      links_(plan.indexes.size() + 1) {
  for (const uint16_t column : plan.columns) types_.push_back(plan.relation->columns[column].type);
  cells_offset_ = sizeof(InnerRow) + links_ * sizeof(Link);
  states_offset_ = cells_offset_ + types_.size() * 8;
  texts_offset_ = states_offset_ + types_.size();
}

InnerLayout::Link& InnerLayout::LinkOf(InnerRow& row, size_t index) const {
  char* const block = reinterpret_cast<char*>(&row);
  return *reinterpret_cast<Link*>(block + sizeof(InnerRow) + index * sizeof(Link));
}

InnerRowPtr InnerLayout::Make(const Row& values) const {
  Scratch scratch;
  std::vector<Datum> cells;
  std::vector<CellState> states;
  cells.reserve(types_.size());
  size_t texts = 0;
  for (size_t i = 0; i < types_.size(); ++i) {
    const Value& value = values[source_[i]];
    Datum datum;
    CellState state = CellState::kValue;
    if (types_[i] == ColumnType::kJson) {
      // Kept as text and parsed when it is read.
      const std::string* const text = value.AsText();
      datum = text != nullptr ? Datum::Text(*text) : Datum{};
      if (!value.is_null() && text == nullptr) state = CellState::kMisfit;
    } else {
      datum = ReadColumn(value, types_[i], scratch);
      if (datum.is_error()) state = CellState::kMisfit;
    }
    if (types_[i] == ColumnType::kNumeric && datum.kind == Datum::Kind::kInt) {
      datum = scratch.Keep(std::to_string(datum.integer));
    }
    if (datum.is_null()) state = CellState::kNull;
    if (state == CellState::kValue && IsTextual(types_[i])) texts += datum.text.size();
    cells.push_back(datum);
    states.push_back(state);
  }
  const size_t bytes = texts_offset_ + texts;
  char* const block = static_cast<char*>(::operator new(bytes));
  auto* const row = new (block) InnerRow;
  row->block_bytes = static_cast<uint32_t>(bytes);
  for (size_t i = 0; i < links_; ++i) new (&LinkOf(*row, i)) Link;
  size_t text_at = texts_offset_;
  for (size_t i = 0; i < types_.size(); ++i) {
    block[states_offset_ + i] = static_cast<char>(states[i]);
    uint64_t cell = 0;
    if (states[i] != CellState::kValue) {
      // Nothing to keep.
    } else if (IsTextual(types_[i])) {
      const TextPlace place{static_cast<uint32_t>(text_at),
                            static_cast<uint32_t>(cells[i].text.size())};
      std::memcpy(&cell, &place, sizeof cell);
      std::memcpy(block + text_at, cells[i].text.data(), cells[i].text.size());
      text_at += cells[i].text.size();
    } else if (types_[i] == ColumnType::kFloat8) {
      std::memcpy(&cell, &cells[i].real, sizeof cell);
    } else if (types_[i] == ColumnType::kBool) {
      cell = cells[i].boolean ? 1 : 0;
    } else {
      cell = static_cast<uint64_t>(cells[i].integer);
    }
    std::memcpy(block + cells_offset_ + i * 8, &cell, sizeof cell);
  }
  return InnerRowPtr(row);
}

Datum InnerLayout::Read(const InnerRow& row, size_t column, Scratch& scratch) const {
  const char* const block = reinterpret_cast<const char*>(&row);
  const auto state = static_cast<CellState>(block[states_offset_ + column]);
  if (state == CellState::kNull) return {};
  if (state == CellState::kMisfit) {
    return scratch.Fail("stored value does not fit its column's type");
  }
  uint64_t cell;
  std::memcpy(&cell, block + cells_offset_ + column * 8, sizeof cell);
  if (IsTextual(types_[column])) {
    TextPlace place;
    std::memcpy(&place, &cell, sizeof place);
    const std::string_view text(block + place.offset, place.bytes);
    if (types_[column] != ColumnType::kJson) return Datum::Text(text);
    auto document = json::Parse(text);
    if (document.ok()) return scratch.Keep(std::move(*document));
    return scratch.Fail("stored value does not fit its column's type");
  }
  if (types_[column] == ColumnType::kFloat8) {
    double real;
    std::memcpy(&real, &cell, sizeof real);
    return Datum::Real(real);
  }
  if (types_[column] == ColumnType::kBool) return Datum::Bool(cell != 0);
  return Datum::Int(static_cast<int64_t>(cell));
}

bool InnerLayout::SameCell(const InnerRow& a, const InnerRow& b, size_t column) const {
  const char* const left = reinterpret_cast<const char*>(&a);
  const char* const right = reinterpret_cast<const char*>(&b);
  const char state = left[states_offset_ + column];
  if (state != right[states_offset_ + column]) return false;
  if (static_cast<CellState>(state) != CellState::kValue) return true;
  uint64_t cells[2];
  std::memcpy(&cells[0], left + cells_offset_ + column * 8, 8);
  std::memcpy(&cells[1], right + cells_offset_ + column * 8, 8);
  if (!IsTextual(types_[column])) return cells[0] == cells[1];
  TextPlace places[2];
  std::memcpy(places, cells, sizeof places);
  return std::string_view(left + places[0].offset, places[0].bytes) ==
         std::string_view(right + places[1].offset, places[1].bytes);
}

bool InnerLayout::SameIdentity(const InnerRow& a, const InnerRow& b) const {
  for (size_t i = 0; i < identity_columns_; ++i) {
    if (!SameCell(a, b, i)) return false;
  }
  return true;
}

bool InnerLayout::SameContent(const InnerRow& a, const InnerRow& b) const {
  for (size_t i = 0; i < types_.size(); ++i) {
    if (!SameCell(a, b, i)) return false;
  }
  return true;
}

}  // namespace tw::policy
