// The bytes of a segment file. All integers are little-endian.
//
//   file   = header (64 bytes), records, then zeros or remains of an earlier use
//   header = magic "TWSEGLOG", version u32, zero u32, salt u64, first sequence u64, zeros, crc u32
//   record = crc u32, length u32, sequence u64, chain u32, nonce u32, group index u32, kind u16,
//            flags u16, payload (length bytes), zeros up to a multiple of 8
//
// crc     CRC32C, seeded with the segment's salt, of the record after the crc field, padding
//         excluded. A recycled file gets a new salt, so that nothing of its earlier use is
//         accepted.
// chain   the crc of the record before; of the header for the first. With `nonce`, which is random
//         per open of the log and per failed write, it rejects what is left of an unfinished group
//         behind records that were written later.
// group   the record's place in its group, from 0. A group is synced before the next one is
// written: index   a valid record of a later group proves that a bad one before it was once
// durable.
//
// A sector (512 bytes or more) is assumed to be written whole or not at all, as SQLite's "powersafe
// overwrite" does: a group may share its first sector with acknowledged records.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "changelog/record.h"

namespace tw::changelog {

inline constexpr uint64_t kSegmentHeaderBytes = 64;
inline constexpr uint64_t kRecordHeaderBytes = 32;

struct SegmentHeader {
  uint64_t salt = 0;
  uint64_t first_sequence = 0;
  uint32_t crc = 0;  // Of the encoded header: the first record's chain.
};

// What the record before leaves to the next.
struct RecordLink {
  uint64_t sequence = 0;
  uint32_t chain = 0;
  uint32_t nonce = 0;
  uint32_t group_index = 0;
};

struct ParsedRecord {
  RecordView view;
  uint32_t crc = 0;
  uint32_t chain = 0;
  uint32_t group_index = 0;
  uint64_t stored_bytes = 0;  // Header, payload and padding.

  uint64_t group_first() const { return view.sequence - group_index; }
};

// Stored size of a record with this payload.
constexpr uint64_t RecordBytes(uint64_t payload_bytes) {
  return (kRecordHeaderBytes + payload_bytes + 7) / 8 * 8;
}

// Encodes the header and sets its crc.
std::string EncodeSegmentHeader(SegmentHeader& header);
// nullopt unless `bytes` begins with an intact header of a known version.
std::optional<SegmentHeader> ParseSegmentHeader(std::string_view bytes);

// Appends the encoded record to `out`; returns its crc, the next record's chain.
uint32_t AppendRecord(std::string& out, const SegmentHeader& segment, const RecordLink& link,
                      const Payload& payload);

// How a record begins, unchecked: enough to know how many bytes to fetch.
struct RecordPrefix {
  uint32_t length = 0;
  uint64_t sequence = 0;
};
// `bytes` has at least kRecordHeaderBytes.
RecordPrefix PeekRecord(std::string_view bytes);
// nullopt unless a whole record with the right crc begins at bytes[0].
std::optional<ParsedRecord> ParseRecord(std::string_view bytes, const SegmentHeader& segment,
                                        uint32_t record_bytes_max);

// "<first, 20 digits>.seg" and its inverse; names sort by sequence. Quarantined files keep the
// digits.
std::string SegmentName(uint64_t first);
std::optional<uint64_t> ParseSegmentName(std::string_view name);
std::string QuarantinedName(uint64_t first);
std::optional<uint64_t> ParseQuarantinedName(std::string_view name);

}  // namespace tw::changelog
