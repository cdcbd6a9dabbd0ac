#include <thread>

#include "io/file.h"

namespace tw::io {
namespace {

class SlowSyncFile final : public File {
 public:
  SlowSyncFile(std::unique_ptr<File> base, std::chrono::milliseconds delay)
      : base_(std::move(base)), delay_(delay) {}

  Status WriteAt(uint64_t offset, std::string_view bytes) override {
    return base_->WriteAt(offset, bytes);
  }
  Status WriteAt(uint64_t offset, std::span<const std::string_view> parts) override {
    return base_->WriteAt(offset, parts);
  }
  Result<std::string> ReadAt(uint64_t offset, size_t size) override {
    return base_->ReadAt(offset, size);
  }
  Result<uint64_t> Size() override { return base_->Size(); }
  Status Sync() override {
    std::this_thread::sleep_for(delay_);
    return base_->Sync();
  }
  Status Allocate(uint64_t size) override { return base_->Allocate(size); }
  Status Truncate(uint64_t size) override { return base_->Truncate(size); }

 private:
  const std::unique_ptr<File> base_;
  const std::chrono::milliseconds delay_;
};

class SlowSyncFileSystem final : public FileSystem {
 public:
  SlowSyncFileSystem(std::unique_ptr<FileSystem> base, std::chrono::milliseconds delay)
      : base_(std::move(base)), delay_(delay) {}

  Result<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) override {
    TW_ASSIGN_OR_RETURN(auto file, base_->Open(path, mode));
    return std::make_unique<SlowSyncFile>(std::move(file), delay_);
  }
  Status CreateDirectory(std::string_view path) override { return base_->CreateDirectory(path); }
  Result<std::vector<std::string>> List(std::string_view directory) override {
    return base_->List(directory);
  }
  Status Rename(std::string_view from, std::string_view to) override {
    return base_->Rename(from, to);
  }
  Status Remove(std::string_view path) override { return base_->Remove(path); }
  Status SyncDirectory(std::string_view directory) override {
    return base_->SyncDirectory(directory);
  }
  Result<DiskSpace> Space() override { return base_->Space(); }

 private:
  const std::unique_ptr<FileSystem> base_;
  const std::chrono::milliseconds delay_;
};

}  // namespace

std::unique_ptr<FileSystem> MakeSlowSyncFileSystem(std::unique_ptr<FileSystem> base,
                                                   std::chrono::milliseconds delay) {
  return std::make_unique<SlowSyncFileSystem>(std::move(base), delay);
}

}  // namespace tw::io
