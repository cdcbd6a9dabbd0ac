#include "changelog/segment_format.h"

#include "base/check.h"
#include "base/strings.h"
#include "crypto/crc32c.h"

namespace tw::changelog {
namespace {

constexpr std::string_view kMagic = "TWSEGLOG";
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderCrcAt = kSegmentHeaderBytes - 4;
constexpr size_t kNameDigits = 20;
constexpr std::string_view kSuffix = ".seg";
constexpr std::string_view kAsideSuffix = ".quarantined";

template <typename T>
T Load(std::string_view bytes, size_t at) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value | static_cast<T>(static_cast<unsigned char>(bytes[at + i]))
                                       << (8 * i));
  }
  return value;
}

template <typename T>
void Store(char* at, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) at[i] = static_cast<char>(value >> (8 * i) & 0xff);
}

std::string NameOf(uint64_t first, std::string_view suffix) {
  std::string digits = std::to_string(first);
  digits.insert(0, kNameDigits - digits.size(), '0');
  return digits.append(suffix);
}

std::optional<uint64_t> FirstOf(std::string_view name, std::string_view suffix) {
  if (name.size() != kNameDigits + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
  const std::optional<uint64_t> first = ParseUint64(name.substr(0, kNameDigits));
  if (!first || *first == 0) return std::nullopt;
  return first;
}

}  // namespace

std::string EncodeSegmentHeader(SegmentHeader& header) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  bytes.replace(0, kMagic.size(), kMagic);
  Store<uint32_t>(&bytes[8], kVersion);
  Store<uint64_t>(&bytes[16], header.salt);
  Store<uint64_t>(&bytes[24], header.first_sequence);
  header.crc = crypto::ExtendCrc32c(0, std::string_view(bytes).substr(0, kHeaderCrcAt));
  Store<uint32_t>(&bytes[kHeaderCrcAt], header.crc);
  return bytes;
}

std::optional<SegmentHeader> ParseSegmentHeader(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes || !bytes.starts_with(kMagic)) return std::nullopt;
  SegmentHeader header{Load<uint64_t>(bytes, 16), Load<uint64_t>(bytes, 24),
                       Load<uint32_t>(bytes, kHeaderCrcAt)};
  if (header.crc != crypto::ExtendCrc32c(0, bytes.substr(0, kHeaderCrcAt))) return std::nullopt;
  if (Load<uint32_t>(bytes, 8) != kVersion || header.first_sequence == 0) return std::nullopt;
  return header;
}

// A record's crc continues that of its segment's header, which holds the salt.
uint32_t AppendRecord(std::string& out, const SegmentHeader& segment, const RecordLink& link,
                      const Payload& payload) {
  const size_t start = out.size();
  char header[kRecordHeaderBytes];
  Store<uint32_t>(header + 4, static_cast<uint32_t>(payload.bytes.size()));
  Store<uint64_t>(header + 8, link.sequence);
  Store<uint32_t>(header + 16, link.chain);
  Store<uint32_t>(header + 20, link.nonce);
  Store<uint32_t>(header + 24, link.group_index);
  Store<uint16_t>(header + 28, payload.kind);
  Store<uint16_t>(header + 30, payload.flags);
  uint32_t crc = crypto::ExtendCrc32c(segment.crc, std::string_view(header + 4, sizeof header - 4));
  crc = crypto::ExtendCrc32c(crc, payload.bytes);
  Store<uint32_t>(header, crc);
  out.append(header, sizeof header);
  out.append(payload.bytes);
  out.resize(start + RecordBytes(payload.bytes.size()), '\0');
  return crc;
}

RecordPrefix PeekRecord(std::string_view bytes) {
  TW_CHECK(bytes.size() >= kRecordHeaderBytes);
  return {Load<uint32_t>(bytes, 4), Load<uint64_t>(bytes, 8)};
}

std::optional<ParsedRecord> ParseRecord(std::string_view bytes, const SegmentHeader& segment,
                                        uint32_t record_bytes_max) {
  if (bytes.size() < kRecordHeaderBytes) return std::nullopt;
  const uint32_t length = Load<uint32_t>(bytes, 4);
  if (length > record_bytes_max || RecordBytes(length) > bytes.size()) return std::nullopt;
  ParsedRecord record;
  record.crc = Load<uint32_t>(bytes, 0);
  if (record.crc != crypto::ExtendCrc32c(segment.crc, bytes.substr(4, kRecordHeaderBytes - 4 + length))) {
    return std::nullopt;
  }
  record.chain = Load<uint32_t>(bytes, 16);
  record.group_index = Load<uint32_t>(bytes, 24);
  record.view = {Load<uint64_t>(bytes, 8), Load<uint16_t>(bytes, 28), Load<uint16_t>(bytes, 30),
                 bytes.substr(kRecordHeaderBytes, length)};
  record.stored_bytes = RecordBytes(length);
  if (record.group_index >= record.view.sequence) return std::nullopt;
  return record;
}

std::string SegmentName(uint64_t first) {
  return NameOf(first, kSuffix);
}
std::optional<uint64_t> ParseSegmentName(std::string_view name) {
  return FirstOf(name, kSuffix);
}
std::string QuarantinedName(uint64_t first) {
  return NameOf(first, kAsideSuffix);
}
std::optional<uint64_t> ParseQuarantinedName(std::string_view name) {
  return FirstOf(name, kAsideSuffix);
}

}  // namespace tw::changelog
