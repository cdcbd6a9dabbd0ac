// ingest/inbox: deliveries are durable here before their sender gets its 200.
//
//   gateway ──Submit──▶ InboxWriter (thread) ──group──▶ Inbox ──▶ SegmentLog ──▶ disk
//      ◀──OnDurable── completions ─┘ └──OnGroup──▶ DurableTail ──Take──▶ applier ◀──InboxReader──
//      disk
//
// Start here   delivery.h (the record) → inbox.h (append, read) → inbox_writer.h (the thread) →
//              durable_tail.h (hand-over to the applier).
// Promises     A delivery is completed only after its bytes are synced. Nothing is dropped: over a
//              limit it is refused at once. De-duplication is the applier's, by facts and keys.
// Owns         data/inbox/. The applied position is the applier's, in the database.
// Not here     Authentication (gateway, auth), parsing and applying (ingest/apply).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "changelog/segment_log.h"
#include "changelog/segment_reader.h"
#include "ingest/inbox/delivery.h"
#include "io/file.h"
#include "telemetry/metrics.h"

namespace tw::ingest {

// Deliveries read from disk. Owns their bytes; movable.
class DeliveryBatch {
 public:
  size_t size() const { return records_.size(); }
  bool empty() const { return records_.empty(); }
  uint64_t first_sequence() const { return records_.front().sequence; }
  uint64_t last_sequence() const { return records_.back().sequence; }
  // Sequences before the first one that are no longer readable; see RecordBatch::missing.
  uint64_t missing() const { return records_.missing(); }
  // Errors: DecodeDelivery's. The view lives as long as the batch is neither moved nor destroyed.
  Result<DeliveryView> Get(size_t index) const;

 private:
  friend class InboxReader;
  friend class Inbox;
  explicit DeliveryBatch(changelog::RecordBatch records) : records_(std::move(records)) {}
  changelog::RecordBatch records_;
};

// The durable deliveries. Thread: one at a time; the InboxWriter's, where there is one.
class Inbox {
 public:
  // As SegmentLog::Open; options.next_sequence_min should be the applied position plus one.
  static Result<std::unique_ptr<Inbox>> Open(io::FileSystem& files, std::string directory,
                                             Random& random, telemetry::Registry& metrics,
                                             changelog::SegmentLogOptions options);

  // Makes the group durable and sets each delivery's sequence. Errors: SegmentLog::Append's; after
  // one the sequences are unchanged.
  Result<uint64_t> Append(std::span<Delivery> group);
  // Errors: SegmentLog::Read's.
  Result<DeliveryBatch> Read(uint64_t from, size_t bytes_max);
  Status Reclaim(uint64_t up_to) { return log_->Reclaim(up_to); }

  uint64_t head() const { return log_->head(); }
  uint64_t tail() const { return log_->tail(); }
  const changelog::SegmentLog& log() const { return *log_; }

 private:
  explicit Inbox(std::unique_ptr<changelog::SegmentLog> log) : log_(std::move(log)) {}
  std::unique_ptr<changelog::SegmentLog> log_;
  std::string encoded_;                       // Scratch of Append.
  std::vector<changelog::Payload> payloads_;  // Scratch of Append.
};

// Reads deliveries on another thread than the writer's.
class InboxReader {
 public:
  InboxReader(io::FileSystem& files, const Inbox& inbox);
  // Deliveries `from` … `head` (InboxWriter::durable_head()); see SegmentReader::Read.
  Result<DeliveryBatch> Read(uint64_t from, uint64_t head, size_t bytes_max);

 private:
  changelog::SegmentReader reader_;
};

}  // namespace tw::ingest
