#include "postgres/pgoutput.h"

#include <string>

namespace tw::postgres {
namespace {

constexpr std::chrono::microseconds kPostgresEpoch{946'684'800'000'000};
// A table has at most 1600 columns, and a message cannot name more relations than fit into it.
constexpr uint16_t kColumnsMax = 1664;

// Reads from the front; after a failure every read gives zero and ok() is false.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}
  bool ok() const { return ok_; }
  bool done() const { return rest_.empty(); }

  uint8_t Byte() { return static_cast<uint8_t>(Number(1)); }
  uint16_t Uint16() { return static_cast<uint16_t>(Number(2)); }
  uint32_t Uint32() { return static_cast<uint32_t>(Number(4)); }
  uint64_t Uint64() { return Number(8); }

  std::string_view Bytes(size_t size) {
    if (size > rest_.size()) {
      Fail();
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  // Up to a zero byte.
  std::string_view Text() {
    const size_t end = rest_.find('\0');
    if (end == std::string_view::npos) {
      Fail();
      return {};
    }
    const std::string_view taken = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return taken;
  }
  void Fail() {
    ok_ = false;
    rest_ = {};
  }

 private:
  uint64_t Number(size_t size) {
    uint64_t value = 0;
    for (const char c : Bytes(size)) value = value << 8 | static_cast<uint8_t>(c);
    return value;
  }
  std::string_view rest_;
  bool ok_ = true;
};

std::string_view SchemaName(std::string_view sent) { return sent.empty() ? "pg_catalog" : sent; }

Tuple ReadTuple(Cursor& in) {
  const uint16_t columns = in.Uint16();
  if (columns > kColumnsMax) in.Fail();
  Tuple tuple;
  tuple.reserve(in.ok() ? columns : 0);
  for (uint16_t i = 0; i < columns && in.ok(); ++i) {
    switch (const char kind = static_cast<char>(in.Byte())) {
      case 'n': tuple.push_back({TupleValue::Kind::kNull, {}}); break;
      case 'u': tuple.push_back({TupleValue::Kind::kUnchanged, {}}); break;
      case 't': tuple.push_back({TupleValue::Kind::kText, in.Bytes(in.Uint32())}); break;
      // 'b' is binary, which is never asked for.
      default:
        (void)kind;
        in.Fail();
    }
  }
  return tuple;
}

Begin ReadBegin(Cursor& in) {
  Begin begin;
  begin.final_lsn = {in.Uint64()};
  begin.committed_at = FromPostgresTime(static_cast<int64_t>(in.Uint64()));
  begin.xid = in.Uint32();
  return begin;
}

Commit ReadCommit(Cursor& in) {
  (void)in.Byte();  // Flags, unused.
  Commit commit;
  commit.commit_lsn = {in.Uint64()};
  commit.end_lsn = {in.Uint64()};
  commit.committed_at = FromPostgresTime(static_cast<int64_t>(in.Uint64()));
  return commit;
}

RelationMessage ReadRelation(Cursor& in) {
  RelationMessage relation;
  relation.oid = in.Uint32();
  relation.schema = SchemaName(in.Text());
  relation.table = in.Text();
  const char identity = static_cast<char>(in.Byte());
  if (std::string_view("dnfi").find(identity) == std::string_view::npos) in.Fail();
  relation.identity = static_cast<ReplicaIdentity>(identity);
  const uint16_t columns = in.Uint16();
  if (columns > kColumnsMax) in.Fail();
  for (uint16_t i = 0; i < columns && in.ok(); ++i) {
    RelationColumn column;
    column.identity = (in.Byte() & 1) != 0;
    column.name = in.Text();
    column.type_oid = in.Uint32();
    column.type_modifier = static_cast<int32_t>(in.Uint32());
    relation.columns.push_back(column);
  }
  return relation;
}

Update ReadUpdate(Cursor& in) {
  Update update;
  update.relation = in.Uint32();
  char kind = static_cast<char>(in.Byte());
  if (kind == 'K' || kind == 'O') {
    update.old_kind = kind == 'K' ? OldTuple::kKey : OldTuple::kFull;
    update.old_tuple = ReadTuple(in);
    kind = static_cast<char>(in.Byte());
  }
  if (kind != 'N') in.Fail();
  update.new_tuple = ReadTuple(in);
  return update;
}

Delete ReadDelete(Cursor& in) {
  Delete deleted;
  deleted.relation = in.Uint32();
  const char kind = static_cast<char>(in.Byte());
  if (kind != 'K' && kind != 'O') in.Fail();
  deleted.old_kind = kind == 'K' ? OldTuple::kKey : OldTuple::kFull;
  deleted.old_tuple = ReadTuple(in);
  return deleted;
}

Insert ReadInsert(Cursor& in) {
  Insert insert;
  insert.relation = in.Uint32();
  if (in.Byte() != 'N') in.Fail();
  insert.new_tuple = ReadTuple(in);
  return insert;
}

Truncate ReadTruncate(Cursor& in) {
  Truncate truncate;
  const uint32_t relations = in.Uint32();
  const uint8_t options = in.Byte();
  truncate.cascade = (options & 1) != 0;
  truncate.restart_identity = (options & 2) != 0;
  for (uint32_t i = 0; i < relations && in.ok(); ++i) truncate.relations.push_back(in.Uint32());
  return truncate;
}

LogicalMessage ReadLogicalMessage(Cursor& in) {
  LogicalMessage message;
  message.transactional = (in.Byte() & 1) != 0;
  message.lsn = {in.Uint64()};
  message.prefix = in.Text();
  message.content = in.Bytes(in.Uint32());
  return message;
}

Message ReadMessage(char kind, Cursor& in) {
  switch (kind) {
    case 'B': return ReadBegin(in);
    case 'C': return ReadCommit(in);
    case 'R': return ReadRelation(in);
    case 'I': return ReadInsert(in);
    case 'U': return ReadUpdate(in);
    case 'D': return ReadDelete(in);
    case 'T': return ReadTruncate(in);
    case 'Y': {
      const uint32_t oid = in.Uint32();
      const std::string_view schema = SchemaName(in.Text());
      return TypeMessage{oid, schema, in.Text()};
    }
    case 'O': {
      const Lsn lsn{in.Uint64()};
      return Origin{lsn, in.Text()};
    }
    case 'M': return ReadLogicalMessage(in);
    default: return UnknownMessage{kind};
  }
}

}  // namespace

Result<Message> DecodeMessage(std::string_view bytes) {
  if (bytes.empty()) return Fail(ErrorCode::kDataLoss, "an empty replication message");
  const char kind = bytes.front();
  Cursor in(bytes.substr(1));
  Message message = ReadMessage(kind, in);
  const bool whole = in.ok() && (in.done() || std::holds_alternative<UnknownMessage>(message));
  if (whole) return message;
  return Fail(ErrorCode::kDataLoss, "a malformed replication message of kind " +
                                        std::to_string(static_cast<unsigned char>(kind)) + ", " +
                                        std::to_string(bytes.size()) + " bytes");
}

WallTime FromPostgresTime(int64_t microseconds) {
  return WallTime{std::chrono::microseconds{microseconds} + kPostgresEpoch};
}

int64_t ToPostgresTime(WallTime time) {
  return (time.time_since_epoch() - kPostgresEpoch).count();
}

}  // namespace tw::postgres
