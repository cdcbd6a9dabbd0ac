#include "ingest/inbox/inbox.h"

#include "base/check.h"

namespace tw::ingest {

Result<DeliveryView> DeliveryBatch::Get(size_t index) const {
  const changelog::RecordView record = records_[index];
  return DecodeDelivery(record.sequence, record.payload);
}

Result<std::unique_ptr<Inbox>> Inbox::Open(io::FileSystem& files, std::string directory,
                                           Random& random, telemetry::Registry& metrics,
                                           changelog::SegmentLogOptions options) {
  TW_ASSIGN_OR_RETURN(
      auto log, changelog::SegmentLog::Open(files, std::move(directory), random, metrics, options));
  return std::unique_ptr<Inbox>(new Inbox(std::move(log)));
}

Result<uint64_t> Inbox::Append(std::span<Delivery> group) {
  TW_CHECK(!group.empty());
  encoded_.clear();
  std::vector<size_t> ends;
  ends.reserve(group.size());
  for (const Delivery& delivery : group) {
    EncodeDelivery(delivery, encoded_);
    ends.push_back(encoded_.size());
  }
  payloads_.clear();
  size_t start = 0;
  for (const size_t end : ends) {
    payloads_.push_back({std::string_view(encoded_).substr(start, end - start)});
    start = end;
  }
  TW_ASSIGN_OR_RETURN(const uint64_t last, log_->Append(payloads_));
  uint64_t sequence = last - group.size();
  for (Delivery& delivery : group) delivery.sequence = ++sequence;
  return last;
}

Result<DeliveryBatch> Inbox::Read(uint64_t from, size_t bytes_max) {
  TW_ASSIGN_OR_RETURN(changelog::RecordBatch records, log_->Read(from, bytes_max));
  return DeliveryBatch(std::move(records));
}

InboxReader::InboxReader(io::FileSystem& files, const Inbox& inbox)
    : reader_(files, inbox.log().directory(), inbox.log().options().record_bytes_max) {}

Result<DeliveryBatch> InboxReader::Read(uint64_t from, uint64_t head, size_t bytes_max) {
  TW_ASSIGN_OR_RETURN(changelog::RecordBatch records, reader_.Read(from, head, bytes_max));
  return DeliveryBatch(std::move(records));
}

}  // namespace tw::ingest
