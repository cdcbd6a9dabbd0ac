// Postgres' types, and its text of a value → Value.
//
// Encoding for clients: realtime-protocol §3.4; char(n) and bit(n) keep their length (upstream cuts
// them to one character).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "model/value.h"
#include "postgres/connection.h"

namespace tw::capture {

struct PostgresType {
  std::string name;       // pg_type.typname.
  char kind = 'b';        // pg_type.typtype: base, composite, domain, enum, pseudo, range, multirange.
  uint32_t element = 0;   // Of an array; 0 for everything else.
  char delimiter = ',';   // Between elements of an array of this type.
  uint32_t base = 0;      // Of a domain.
  struct Field {
    std::string name;
    uint32_t type = 0;
  };
  std::vector<Field> fields;  // Of a composite.
};

class TypeBook {
 public:
  // Reads the catalogue; replaces what was known. Errors: the connection's.
  Status Load(postgres::Connection& connection);

  void Add(uint32_t oid, PostgresType type) { types_[oid] = std::move(type); }
  bool Knows(uint32_t oid) const { return types_.contains(oid); }
  // pg_type.typname; "text" for an unknown type.
  std::string_view Name(uint32_t oid) const;
  // What clients, filters and policies take a column of this type for. A domain is as its base.
  ColumnType TypeOf(uint32_t oid) const;
  // The value that `text` (type output, canonical settings) stands for.
  Value Decode(uint32_t oid, std::string_view text) const;
  // `text` as JSON, arrays and composites nested.
  void AppendJson(std::string& out, uint32_t oid, std::string_view text) const;

 private:
  const PostgresType* Find(uint32_t oid) const;
  uint32_t BaseOf(uint32_t oid) const;
  size_t AppendArray(std::string& out, const PostgresType& array, std::string_view text) const;
  bool AppendComposite(std::string& out, const PostgresType& type, std::string_view text) const;

  std::unordered_map<uint32_t, PostgresType> types_;
};

}  // namespace tw::capture
