#include "io/sim_file_system.h"

namespace tw::io {
namespace {

using testing::SimStorage;

class SimFile final : public File {
 public:
  SimFile(SimStorage& storage, SimStorage::Handle handle) : storage_(storage), handle_(handle) {}

  Status WriteAt(uint64_t offset, std::string_view bytes) override {
    return storage_.Write(handle_, offset, bytes);
  }
  Status WriteAt(uint64_t offset, std::span<const std::string_view> parts) override {
    std::string bytes;
    for (const std::string_view part : parts) bytes += part;
    return storage_.Write(handle_, offset, bytes);
  }
  Result<std::string> ReadAt(uint64_t offset, size_t size) override {
    return storage_.Read(handle_, offset, size);
  }
  Result<uint64_t> Size() override { return storage_.Size(handle_); }
  Status Sync() override { return storage_.Sync(handle_); }
  Status Allocate(uint64_t size) override { return storage_.Allocate(handle_, size); }
  Status Truncate(uint64_t size) override { return storage_.Truncate(handle_, size); }

 private:
  SimStorage& storage_;
  const SimStorage::Handle handle_;
};

class SimFileSystem final : public FileSystem {
 public:
  explicit SimFileSystem(SimStorage& storage) : storage_(storage) {}

  Result<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) override {
    TW_ASSIGN_OR_RETURN(
        const SimStorage::Handle handle,
        storage_.Open(path, mode == OpenMode::kCreate ? SimStorage::OpenMode::kCreateNew
                                                      : SimStorage::OpenMode::kExisting));
    return std::make_unique<SimFile>(storage_, handle);
  }
  Status CreateDirectory(std::string_view path) override { return storage_.CreateDirectory(path); }
  Result<std::vector<std::string>> List(std::string_view directory) override {
    return storage_.List(directory);
  }
  Status Rename(std::string_view from, std::string_view to) override {
    return storage_.Rename(from, to);
  }
  Status Remove(std::string_view path) override { return storage_.Remove(path); }
  Status SyncDirectory(std::string_view directory) override {
    return storage_.SyncDirectory(directory);
  }
  Result<DiskSpace> Space() override {
    const uint64_t used = storage_.used_bytes();
    const uint64_t total = storage_.capacity();
    return DiskSpace{total > used ? total - used : 0, total};
  }

 private:
  SimStorage& storage_;
};

}  // namespace

std::unique_ptr<FileSystem> MakeSimFileSystem(SimStorage& storage) {
  return std::make_unique<SimFileSystem>(storage);
}

uint64_t FailEveryCallInTurn(uint64_t seed, ErrorCode code,
                             Function<void(SimStorage&, uint64_t)> scenario) {
  for (uint64_t nth = 1;; ++nth) {
    SeededRandom random(seed + nth);
    SimStorage storage(random);
    storage.FailCall(nth, code);
    scenario(storage, nth);
    if (!storage.fault_hit()) return nth;
  }
}

}  // namespace tw::io
