// Filter::Parse over any bytes: no crash; the canonical text parses back to itself; equalities are
// necessary.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "policy/filter.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tw;
  static const Relation* const relation = [] {
    auto* made = new Relation;
    made->table = "t";
    made->columns = {
        {"i", ColumnType::kInt4, "int4"},     {"t", ColumnType::kText, "text"},
        {"b", ColumnType::kBool, "bool"},     {"n", ColumnType::kNumeric, "numeric"},
        {"u", ColumnType::kUuid, "uuid"},     {"j", ColumnType::kJson, "jsonb"},
        {"d", ColumnType::kDate, "date"},     {"z", ColumnType::kTimestamptz, "timestamptz"},
        {"f", ColumnType::kFloat8, "float8"}, {"x", ColumnType::kBytea, "bytea"}};
    return made;
  }();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto filter = policy::Filter::Parse(text, *relation);
  if (!filter.ok()) return 0;
  const auto again = policy::Filter::Parse(filter->canonical(), *relation);
  TW_CHECK(again.ok() && again->canonical() == filter->canonical());
  const Row row = {1,
                   "a",
                   true,
                   "1.5",
                   "5f0c2a4e-9d1b-4c3a-8e7f-0123456789ab",
                   "{}",
                   "2026-01-02",
                   "2026-01-02T03:04:05Z",
                   1.5,
                   Bytes{"\x01"}};
  const bool matches = filter->Matches(row);
  TW_CHECK(matches == again->Matches(row));
  const auto anchors = filter->equalities();
  TW_CHECK(!matches || anchors.empty() || std::ranges::any_of(anchors, [&](const auto& anchor) {
    return row[anchor.column] == anchor.value;
  }));
  return 0;
}
