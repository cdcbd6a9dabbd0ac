// The messages of the plugin pgoutput, protocol version 1, in text format: bytes in, values out.
// Source: PostgreSQL 15 manual §55.5 "Logical Streaming Replication Protocol" and §55.9 "Logical
// Replication Message Formats".
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "postgres/lsn.h"

namespace tw::postgres {

// All views point into the bytes that were decoded.

struct Begin {
  Lsn final_lsn;  // Where the commit record begins.
  WallTime committed_at;
  uint32_t xid = 0;
};

struct Commit {
  Lsn commit_lsn;  // As Begin::final_lsn.
  Lsn end_lsn;     // Behind the commit record.
  WallTime committed_at;
};

struct RelationColumn {
  bool identity = false;  // Part of the replica identity.
  std::string_view name;
  uint32_t type_oid = 0;
  int32_t type_modifier = -1;
};

// pg_class.relreplident.
enum class ReplicaIdentity : char {
  kDefault = 'd',
  kNothing = 'n',
  kFull = 'f',
  kIndex = 'i',
};

struct RelationMessage {
  uint32_t oid = 0;
  std::string_view schema;  // "pg_catalog" is sent as the empty text, and given here in full.
  std::string_view table;
  ReplicaIdentity identity = ReplicaIdentity::kDefault;
  std::vector<RelationColumn> columns;
};

struct TupleValue {
  enum class Kind : char { kNull = 'n', kUnchanged = 'u', kText = 't' };
  Kind kind = Kind::kNull;
  std::string_view text;
};
using Tuple = std::vector<TupleValue>;

enum class OldTuple : uint8_t {
  kNone,  // The key is unchanged, or the identity is nothing.
  kKey,   // 'K': only identity columns are real; the others are sent as NULL.
  kFull,  // 'O': the whole row.
};

struct Insert {
  uint32_t relation = 0;
  Tuple new_tuple;
};

struct Update {
  uint32_t relation = 0;
  OldTuple old_kind = OldTuple::kNone;
  Tuple old_tuple;
  Tuple new_tuple;
};

struct Delete {
  uint32_t relation = 0;
  OldTuple old_kind = OldTuple::kKey;  // kKey or kFull.
  Tuple old_tuple;
};

struct Truncate {
  bool cascade = false;
  bool restart_identity = false;
  std::vector<uint32_t> relations;
};

struct TypeMessage {
  uint32_t oid = 0;
  std::string_view schema;
  std::string_view name;
};

struct Origin {
  Lsn commit_lsn;
  std::string_view name;
};

// pg_logical_emit_message.
struct LogicalMessage {
  bool transactional = false;
  Lsn lsn;
  std::string_view prefix;
  std::string_view content;
};

// A kind that this version does not know; the caller passes over it.
struct UnknownMessage {
  char kind = 0;
};

using Message = std::variant<Begin, Commit, RelationMessage, Insert, Update, Delete, Truncate,
                             TypeMessage, Origin, LogicalMessage, UnknownMessage>;

// Decodes one message. Errors: kDataLoss for bytes that are no such message: too short, too long,
// an unknown tuple kind.
Result<Message> DecodeMessage(std::string_view bytes);

// Postgres counts microseconds from 2000-01-01.
WallTime FromPostgresTime(int64_t microseconds);
int64_t ToPostgresTime(WallTime time);

}  // namespace tw::postgres
