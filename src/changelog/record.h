// What the segment log stores and hands back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tw::changelog {

// One record to append. `kind` and `flags` belong to the log's user; the log keeps them as they
// are.
struct Payload {
  std::string_view bytes;
  uint16_t kind = 0;
  uint16_t flags = 0;
};

// One stored record; the bytes belong to the RecordBatch.
struct RecordView {
  uint64_t sequence = 0;
  uint16_t kind = 0;
  uint16_t flags = 0;
  std::string_view payload;
};

// Records read from the log, in rising sequence. Owns their bytes; movable.
class RecordBatch {
 public:
  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  RecordView operator[](size_t index) const {
    const Entry& entry = entries_[index];
    return {entry.sequence, entry.kind, entry.flags,
            std::string_view(bytes_).substr(entry.offset, entry.length)};
  }
  RecordView front() const { return (*this)[0]; }
  RecordView back() const { return (*this)[size() - 1]; }
  // How many sequences from the one asked for on are no longer readable, because they lie in a
  // quarantined, damaged or missing segment; the first record returned is the next after them. The
  // caller reports it: a gap is never silent.
  uint64_t missing() const { return missing_; }

 private:
  friend class SegmentReader;
  struct Entry {
    uint64_t sequence;
    uint32_t offset;
    uint32_t length;
    uint16_t kind;
    uint16_t flags;
  };
  std::string bytes_;
  std::vector<Entry> entries_;
  uint64_t missing_ = 0;
};

}  // namespace tw::changelog
