#include "capture/postgres/assembler.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tw::capture {
namespace {

constexpr size_t kLengthBytes = 4;
constexpr size_t kWindowBytes = 4u << 20;

uint32_t ReadLength(const char* at) {
  uint32_t length = 0;
  std::memcpy(&length, at, kLengthBytes);
  return length;
}

// The message at `at` of `bytes`, if it is there whole.
std::optional<std::string_view> MessageAt(std::string_view bytes, size_t at) {
  if (bytes.size() - at < kLengthBytes) return std::nullopt;
  const uint32_t length = ReadLength(bytes.data() + at);
  if (bytes.size() - at - kLengthBytes < length) return std::nullopt;
  return bytes.substr(at + kLengthBytes, length);
}

}  // namespace

Result<std::optional<std::string_view>> Transaction::Next() {
  while (file_read_ < file_bytes_ || window_read_ < window_.size()) {
    if (const auto message = MessageAt(window_, window_read_)) {
      window_read_ += kLengthBytes + message->size();
      return message;
    }
    TW_RETURN_IF_ERROR(Refill());
  }
  const auto message = MessageAt(memory_, read_);
  if (message) read_ += kLengthBytes + message->size();
  return message;
}

Status Transaction::Refill() {
  window_.erase(0, window_read_);
  window_read_ = 0;
  // A message longer than the window needs it all at once.
  size_t wanted = kWindowBytes;
  if (window_.size() >= kLengthBytes) {
    wanted = std::max<size_t>(wanted, ReadLength(window_.data()) + kLengthBytes - window_.size());
  }
  TW_ASSIGN_OR_RETURN(const std::string more, file_->ReadAt(file_read_, wanted));
  if (more.empty()) return Fail(ErrorCode::kDataLoss, "the spilled transaction ends too soon");
  file_read_ += more.size();
  window_ += more;
  return {};
}

Assembler::~Assembler() { (void)files_.Remove(path_); }

void Assembler::Reset() { open_.reset(); }

Result<std::optional<Transaction>> Assembler::Add(std::string_view message) {
  if (message.empty()) return Fail(ErrorCode::kDataLoss, "an empty replication message");
  switch (message.front()) {
    case 'B': {
      TW_ASSIGN_OR_RETURN(const auto decoded, postgres::DecodeMessage(message));
      if (open_) return Fail(ErrorCode::kDataLoss, "a transaction begins inside of another");
      open_.emplace();
      open_->begin = std::get<postgres::Begin>(decoded);
      return std::nullopt;
    }
    case 'C': {
      TW_ASSIGN_OR_RETURN(const auto decoded, postgres::DecodeMessage(message));
      if (!open_) return Fail(ErrorCode::kDataLoss, "a commit without a transaction");
      open_->commit = std::get<postgres::Commit>(decoded);
      return std::exchange(open_, std::nullopt);
    }
    case 'I':
    case 'U':
    case 'D':
      if (!open_) return Fail(ErrorCode::kDataLoss, "a change without a transaction");
      ++open_->changes;
      TW_RETURN_IF_ERROR(Keep(message));
      return std::nullopt;
    case 'M': {
      TW_ASSIGN_OR_RETURN(const auto decoded, postgres::DecodeMessage(message));
      if (!open_) return std::nullopt;
      open_->has_ddl |= std::get<postgres::LogicalMessage>(decoded).prefix == kDdlPrefix;
      TW_RETURN_IF_ERROR(Keep(message));
      return std::nullopt;
    }
    default:
      // A message outside of a transaction has no place in the order of commits: it is nobody's.
      if (open_) TW_RETURN_IF_ERROR(Keep(message));
      return std::nullopt;
  }
}

Status Assembler::Keep(std::string_view message) {
  ++open_->messages;
  const auto length = static_cast<uint32_t>(message.size());
  open_->memory_.append(reinterpret_cast<const char*>(&length), kLengthBytes);
  open_->memory_.append(message);
  return open_->memory_.size() > limits_.memory_bytes_max ? Spill() : Status();
}

Status Assembler::Spill() {
  if (open_->file_ == nullptr) {
    (void)files_.Remove(path_);
    TW_ASSIGN_OR_RETURN(open_->file_, files_.Open(path_, io::FileSystem::OpenMode::kCreate));
  }
  if (open_->file_bytes_ + open_->memory_.size() > limits_.disk_bytes_max) {
    return Fail(ErrorCode::kResourceExhausted,
                "a transaction is larger than disk_bytes_max " +
                    std::to_string(limits_.disk_bytes_max));
  }
  TW_RETURN_IF_ERROR(open_->file_->WriteAt(open_->file_bytes_, open_->memory_));
  open_->file_bytes_ += open_->memory_.size();
  open_->memory_.clear();
  return {};
}

}  // namespace tw::capture
