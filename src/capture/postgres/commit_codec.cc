#include "capture/postgres/commit_codec.h"

#include <bit>

#include "capture/postgres/relation_book.h"

namespace tw::capture {
namespace {

void PutByte(std::string& out, uint8_t byte) { out.push_back(static_cast<char>(byte)); }

void PutUint64(std::string& out, uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) PutByte(out, static_cast<uint8_t>(value >> shift));
}

void PutNumber(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) PutByte(out, static_cast<uint8_t>(value | 0x80));
  PutByte(out, static_cast<uint8_t>(value));
}

void PutText(std::string& out, std::string_view text) {
  PutNumber(out, text.size());
  out += text;
}

void PutValue(std::string& out, const Value& value) {
  PutByte(out, static_cast<uint8_t>(value.index()));
  switch (value.index()) {
    case 1: PutByte(out, *value.AsBool() ? 1 : 0); return;
    case 2: PutUint64(out, static_cast<uint64_t>(*value.AsInt())); return;
    case 3: PutUint64(out, std::bit_cast<uint64_t>(*value.AsDouble())); return;
    case 4: PutText(out, *value.AsText()); return;
    case 5: PutText(out, value.AsBytes()->data); return;
    default: return;  // NULL and Absent are their number.
  }
}

void PutRow(std::string& out, const Row& row) {
  PutNumber(out, row.size());
  for (const Value& value : row) PutValue(out, value);
}

// After a failure every read gives nothing and ok() is false.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}
  bool ok() const { return ok_; }

  uint8_t Byte() {
    const std::string_view taken = Take(1);
    return taken.empty() ? 0 : static_cast<uint8_t>(taken.front());
  }
  uint64_t Uint64() {
    uint64_t value = 0;
    const std::string_view taken = Take(8);
    for (size_t i = taken.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(taken[i]);
    return value;
  }
  uint64_t Number() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = Byte();
      value |= uint64_t{byte & 0x7fu} << shift;
      if ((byte & 0x80) == 0) return value;
    }
    ok_ = false;
    return 0;
  }
  std::string_view Text() { return Take(Number()); }

  Value ReadValue() {
    switch (Byte()) {
      case 0: return Value();
      case 1: return Value(Byte() != 0);
      case 2: return Value(static_cast<int64_t>(Uint64()));
      case 3: return Value(std::bit_cast<double>(Uint64()));
      case 4: return Value(Text());
      case 5: return Value(Bytes{std::string(Text())});
      case 6: return Value(Absent{});
      default: ok_ = false; return Value();
    }
  }
  Row ReadRow() {
    Row row;
    const uint64_t size = Number();
    if (size > rest_.size()) ok_ = false;
    for (uint64_t i = 0; i < size && ok_; ++i) row.push_back(ReadValue());
    return row;
  }

 private:
  std::string_view Take(uint64_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::string_view rest_;
  bool ok_ = true;
};

std::unexpected<Error> Damaged() {
  return Fail(ErrorCode::kDataLoss, "a record of the change log is damaged");
}

BatchHeader ReadHeader(Cursor& in) {
  BatchHeader header;
  header.info.commit_lsn = {in.Uint64()};
  header.info.end_lsn = {in.Uint64()};
  header.info.xid = static_cast<uint32_t>(in.Number());
  header.info.last_part = in.Byte() != 0;
  header.after = in.Uint64();
  header.last_offset = in.Uint64();
  header.committed_at = WallTime{std::chrono::microseconds{static_cast<int64_t>(in.Uint64())}};
  header.changes = in.Number();
  return header;
}

}  // namespace

void AppendBatch(std::string& out, const Batch& batch, const CommitInfo& info) {
  PutUint64(out, info.commit_lsn.bytes);
  PutUint64(out, info.end_lsn.bytes);
  PutNumber(out, info.xid);
  PutByte(out, info.last_part ? 1 : 0);
  PutUint64(out, batch.after);
  PutUint64(out, batch.position.offset);
  PutUint64(out, static_cast<uint64_t>(
                     batch.changes.front().committed_at.time_since_epoch().count()));
  PutNumber(out, batch.changes.size());
  for (const Change& change : batch.changes) {
    PutNumber(out, change.offset - batch.after);
    PutByte(out, static_cast<uint8_t>(change.op));
    PutNumber(out, change.relation->id);
    PutRow(out, change.old_row);
    PutRow(out, change.new_row);
  }
}

Result<BatchHeader> ParseBatchHeader(std::string_view payload) {
  Cursor in(payload);
  const BatchHeader header = ReadHeader(in);
  if (!in.ok()) return Damaged();
  return header;
}

Status ParseBatch(std::string_view payload, const ShapeRegistry& shapes, uint64_t after,
                  uint64_t changes_max, Batch& batch) {
  Cursor in(payload);
  const BatchHeader header = ReadHeader(in);
  for (uint64_t i = 0; i < header.changes && batch.changes.size() < changes_max; ++i) {
    Change change;
    change.offset = header.after + in.Number();
    const uint8_t op = in.Byte();
    if (op > static_cast<uint8_t>(ChangeOp::kDelete)) return Damaged();
    change.op = static_cast<ChangeOp>(op);
    change.committed_at = header.committed_at;
    change.relation = shapes.Find(static_cast<uint32_t>(in.Number()));
    change.old_row = in.ReadRow();
    change.new_row = in.ReadRow();
    if (!in.ok() || change.relation == nullptr) return Damaged();
    const size_t columns = change.relation->columns.size();
    const auto fits = [&](const Row& row, bool wanted) {
      return row.size() == (wanted ? columns : 0);
    };
    if (!fits(change.old_row, change.op != ChangeOp::kInsert) ||
        !fits(change.new_row, change.op != ChangeOp::kDelete)) {
      return Damaged();
    }
    if (change.offset <= after) continue;
    batch.bytes +=
        sizeof(Change) + ApproximateBytes(change.old_row) + ApproximateBytes(change.new_row);
    batch.changes.push_back(std::move(change));
  }
  return {};
}

std::string EncodeStart(const HistoryStart& start) {
  std::string out;
  PutUint64(out, start.epoch);
  PutUint64(out, start.lsn.bytes);
  PutText(out, start.identity);
  return out;
}

Result<HistoryStart> ParseStart(std::string_view payload) {
  Cursor in(payload);
  HistoryStart start;
  start.epoch = in.Uint64();
  start.lsn = {in.Uint64()};
  start.identity = in.Text();
  if (!in.ok()) return Damaged();
  return start;
}

std::string EncodeMark(postgres::Lsn lsn) {
  std::string out;
  PutUint64(out, lsn.bytes);
  return out;
}

Result<postgres::Lsn> ParseMark(std::string_view payload) {
  Cursor in(payload);
  const postgres::Lsn lsn{in.Uint64()};
  if (!in.ok()) return Damaged();
  return lsn;
}

}  // namespace tw::capture
