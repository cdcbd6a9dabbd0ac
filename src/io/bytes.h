// Immutable bytes shared by many outboxes of one loop: encoded once, framed once, sent to all.
#pragma once

#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <string_view>
#include <utility>

namespace tw::io {

// A counted reference to immutable bytes; one pointer wide. The count is not atomic: a SharedBytes
// and all its copies live on one loop. Bytes that cross loops travel as the value they encode.
class SharedBytes {
 public:
  SharedBytes() = default;
  SharedBytes(const SharedBytes& other) : block_(other.block_) {
    if (block_ != nullptr) ++block_->references;
  }
  SharedBytes(SharedBytes&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  SharedBytes& operator=(SharedBytes other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~SharedBytes() {
    if (block_ != nullptr && --block_->references == 0) ::operator delete(block_);
  }

  // One allocation holding head and body one after the other.
  static SharedBytes Join(std::string_view head, std::string_view body) {
    SharedBytes bytes;
    bytes.block_ = static_cast<Block*>(::operator new(sizeof(Block) + head.size() + body.size()));
    bytes.block_->references = 1;
    bytes.block_->size = static_cast<uint32_t>(head.size() + body.size());
    if (!head.empty()) std::memcpy(bytes.block_->data(), head.data(), head.size());
    if (!body.empty()) std::memcpy(bytes.block_->data() + head.size(), body.data(), body.size());
    return bytes;
  }
  static SharedBytes Copy(std::string_view text) { return Join({}, text); }

  std::string_view view() const {
    return block_ == nullptr ? std::string_view() : std::string_view(block_->data(), block_->size);
  }
  size_t size() const { return block_ == nullptr ? 0 : block_->size; }
  explicit operator bool() const { return block_ != nullptr; }

 private:
  struct Block {
    uint32_t references;
    uint32_t size;
    char* data() { return reinterpret_cast<char*>(this + 1); }
  };
  Block* block_ = nullptr;
};

}  // namespace tw::io
