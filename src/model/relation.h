// The shape of a table at a point of the change stream.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/value.h"

namespace tw {

struct Column {
  std::string name;
  ColumnType type = ColumnType::kText;
  // pg_type.typname as clients see it; differs from TypeName(type) only for kOther.
  std::string type_name;
  bool operator==(const Column&) const = default;
};

struct Relation {
  // Unique per shape: a change of columns makes a new id.
  uint32_t id = 0;
  std::string schema = "public";
  std::string table;
  std::vector<Column> columns;
  // Indices into `columns` of the primary key, in key order; empty when there is none.
  std::vector<uint16_t> key;

  // Index of the column with exactly this name.
  std::optional<size_t> Find(std::string_view name) const;
  bool IsKey(size_t column) const;
  bool operator==(const Relation&) const = default;
};

using RelationPtr = std::shared_ptr<const Relation>;

}  // namespace tw
