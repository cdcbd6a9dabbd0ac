#include "sqlite/sim_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/check.h"

namespace tw::sqlite {

using testing::SimStorage;

// The callbacks; a struct so that SimVfs needs only one friend.
struct SimVfsMethods {
  // What we know of an open file; SQLite's own structure only points to it.
  struct State {
    SimVfs& vfs;
    SimStorage::Handle handle;
    std::string path;
    int level = SQLITE_LOCK_NONE;
    bool sync_directory = false;
    bool delete_on_close = false;
  };
  struct OpenFile {
    sqlite3_file base;
    State* state;
  };

  static State& Of(sqlite3_file* file) { return *reinterpret_cast<OpenFile*>(file)->state; }
  static SimVfs& Of(sqlite3_vfs* vfs) { return *static_cast<SimVfs*>(vfs->pAppData); }

  static int CodeOf(const Error& error, int otherwise) {
    return error.code == ErrorCode::kResourceExhausted ? SQLITE_FULL : otherwise;
  }

  static std::string DirectoryOf(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? std::string() : path.substr(0, slash);
  }

  static int Close(sqlite3_file* file) {
    State& state = Of(file);
    Unlock(file, SQLITE_LOCK_NONE);
    if (state.delete_on_close) (void)state.vfs.storage_.Remove(state.path);
    delete &state;
    return SQLITE_OK;
  }

  static int Read(sqlite3_file* file, void* into, int size, sqlite3_int64 offset) {
    State& state = Of(file);
    const auto bytes = state.vfs.storage_.Read(state.handle, static_cast<uint64_t>(offset),
                                               static_cast<size_t>(size));
    if (!bytes.ok()) return SQLITE_IOERR_READ;
    std::memcpy(into, bytes->data(), bytes->size());
    const size_t short_by = static_cast<size_t>(size) - bytes->size();
    if (short_by == 0) return SQLITE_OK;
    std::memset(static_cast<char*>(into) + bytes->size(), 0, short_by);
    return SQLITE_IOERR_SHORT_READ;
  }

  static int Write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
    State& state = Of(file);
    const Status written = state.vfs.storage_.Write(
        state.handle, static_cast<uint64_t>(offset),
        std::string_view(static_cast<const char*>(from), static_cast<size_t>(size)));
    return written.ok() ? SQLITE_OK : CodeOf(written.error(), SQLITE_IOERR_WRITE);
  }

  static int Truncate(sqlite3_file* file, sqlite3_int64 size) {
    State& state = Of(file);
    const Status done = state.vfs.storage_.Truncate(state.handle, static_cast<uint64_t>(size));
    return done.ok() ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
  }

  // Like SQLite's own VFS for Unix, the first sync of a new journal also syncs its directory.
  static int Sync(sqlite3_file* file, int) {
    State& state = Of(file);
    if (!state.vfs.storage_.Sync(state.handle).ok()) return SQLITE_IOERR_FSYNC;
    if (!state.sync_directory) return SQLITE_OK;
    if (!state.vfs.storage_.SyncDirectory(DirectoryOf(state.path)).ok()) {
      return SQLITE_IOERR_DIR_FSYNC;
    }
    state.sync_directory = false;
    return SQLITE_OK;
  }

  static int FileSize(sqlite3_file* file, sqlite3_int64* size) {
    State& state = Of(file);
    const auto bytes = state.vfs.storage_.Size(state.handle);
    if (!bytes.ok()) return SQLITE_IOERR_FSTAT;
    *size = static_cast<sqlite3_int64>(*bytes);
    return SQLITE_OK;
  }

  // The five-state lock of https://sqlite.org/lockingv3.html, within the process.
  static int LockFile(sqlite3_file* file, int level) {
    State& state = Of(file);
    if (level <= state.level) return SQLITE_OK;
    SimVfs::Lock& lock = state.vfs.locks_[state.path];
    const bool others_write = lock.writer != nullptr && lock.writer != &state;
    if (level == SQLITE_LOCK_SHARED) {
      if (others_write && lock.writer_level >= SQLITE_LOCK_PENDING) return SQLITE_BUSY;
      ++lock.shared;
    } else {
      if (others_write) return SQLITE_BUSY;
      lock.writer = &state;
      const bool blocked = level == SQLITE_LOCK_EXCLUSIVE && lock.shared > 1;
      lock.writer_level = blocked ? SQLITE_LOCK_PENDING : level;
      if (blocked) {
        state.level = SQLITE_LOCK_PENDING;
        return SQLITE_BUSY;
      }
    }
    state.level = level;
    return SQLITE_OK;
  }

  static int Unlock(sqlite3_file* file, int level) {
    State& state = Of(file);
    if (level >= state.level) return SQLITE_OK;
    SimVfs::Lock& lock = state.vfs.locks_[state.path];
    if (lock.writer == &state) lock = {lock.shared, nullptr, 0};
    if (level == SQLITE_LOCK_NONE) --lock.shared;
    state.level = level;
    return SQLITE_OK;
  }

  static int CheckReservedLock(sqlite3_file* file, int* reserved) {
    State& state = Of(file);
    *reserved = state.vfs.locks_[state.path].writer != nullptr ? 1 : 0;
    return SQLITE_OK;
  }

  static int FileControl(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
  static int SectorSize(sqlite3_file*) { return 512; }
  // A torn write harms nothing outside its own range; the storage's model keeps to that.
  static int DeviceCharacteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

  static constexpr sqlite3_io_methods kFileMethods = {
      .iVersion = 1,
      .xClose = Close,
      .xRead = Read,
      .xWrite = Write,
      .xTruncate = Truncate,
      .xSync = Sync,
      .xFileSize = FileSize,
      .xLock = LockFile,
      .xUnlock = Unlock,
      .xCheckReservedLock = CheckReservedLock,
      .xFileControl = FileControl,
      .xSectorSize = SectorSize,
      .xDeviceCharacteristics = DeviceCharacteristics,
  };

  static int Open(sqlite3_vfs* raw, const char* name, sqlite3_file* file, int flags,
                  int* flags_out) {
    SimVfs& vfs = Of(raw);
    file->pMethods = nullptr;
    const std::string path =
        name != nullptr ? name : "temporary-" + std::to_string(++vfs.temporary_number_);
    const auto handle = vfs.storage_.Open(path, (flags & SQLITE_OPEN_CREATE) != 0
                                                    ? SimStorage::OpenMode::kCreateOrOpen
                                                    : SimStorage::OpenMode::kExisting);
    if (!handle.ok()) return CodeOf(handle.error(), SQLITE_CANTOPEN);
    constexpr int kJournals =
        SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
    reinterpret_cast<OpenFile*>(file)->state =
        new State{.vfs = vfs,
                  .handle = *handle,
                  .path = path,
                  .sync_directory = handle->created && (flags & kJournals) != 0,
                  .delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0};
    file->pMethods = &kFileMethods;
    if (flags_out != nullptr) *flags_out = flags;
    return SQLITE_OK;
  }

  static int Delete(sqlite3_vfs* raw, const char* name, int sync_directory) {
    SimStorage& storage = Of(raw).storage_;
    const Status removed = storage.Remove(name);
    if (!removed.ok()) {
      return removed.error().code == ErrorCode::kNotFound ? SQLITE_IOERR_DELETE_NOENT
                                                          : SQLITE_IOERR_DELETE;
    }
    if (sync_directory != 0 && !storage.SyncDirectory(DirectoryOf(name)).ok()) {
      return SQLITE_IOERR_DIR_FSYNC;
    }
    return SQLITE_OK;
  }

  static int Access(sqlite3_vfs* raw, const char* name, int, int* answer) {
    *answer = Of(raw).storage_.Exists(name) ? 1 : 0;
    return SQLITE_OK;
  }

  static int FullPathname(sqlite3_vfs*, const char* name, int size, char* into) {
    const std::string_view text = name;
    if (text.size() + 1 > static_cast<size_t>(size)) return SQLITE_CANTOPEN;
    std::memcpy(into, text.data(), text.size() + 1);
    return SQLITE_OK;
  }

  static int Randomness(sqlite3_vfs* raw, int size, char* into) {
    Random& random = Of(raw).random_;
    for (int i = 0; i < size; ++i) into[i] = static_cast<char>(random.Next());
    return size;
  }

  static int Sleep(sqlite3_vfs*, int microseconds) { return microseconds; }

  static int CurrentTimeInt64(sqlite3_vfs* raw, sqlite3_int64* time) {
    // 1970-01-01 as a Julian day number times the 86 400 000 milliseconds of a day.
    constexpr sqlite3_int64 kUnixEpoch = 210'866'760'000'000;
    *time = kUnixEpoch + std::chrono::duration_cast<std::chrono::milliseconds>(
                             Of(raw).clock_.Wall().time_since_epoch())
                             .count();
    return SQLITE_OK;
  }

  static int CurrentTime(sqlite3_vfs* raw, double* days) {
    sqlite3_int64 milliseconds = 0;
    CurrentTimeInt64(raw, &milliseconds);
    *days = static_cast<double>(milliseconds) / 86'400'000.0;
    return SQLITE_OK;
  }

  static int GetLastError(sqlite3_vfs*, int, char*) { return 0; }
};

namespace {

std::string UniqueName() {
  static std::atomic<uint64_t> number{0};
  return "tidewire-sim-" + std::to_string(++number);
}

}  // namespace

SimVfs::SimVfs(SimStorage& storage, Clock& clock, Random& random)
    : storage_(storage),
      clock_(clock),
      random_(random),
      name_(UniqueName()),
      vfs_(std::make_unique<sqlite3_vfs>()) {
  vfs_->iVersion = 2;
  vfs_->szOsFile = sizeof(SimVfsMethods::OpenFile);
  vfs_->mxPathname = 512;
  vfs_->zName = name_.c_str();
  vfs_->pAppData = this;
  vfs_->xOpen = SimVfsMethods::Open;
  vfs_->xDelete = SimVfsMethods::Delete;
  vfs_->xAccess = SimVfsMethods::Access;
  vfs_->xFullPathname = SimVfsMethods::FullPathname;
  vfs_->xRandomness = SimVfsMethods::Randomness;
  vfs_->xSleep = SimVfsMethods::Sleep;
  vfs_->xCurrentTime = SimVfsMethods::CurrentTime;
  vfs_->xGetLastError = SimVfsMethods::GetLastError;
  vfs_->xCurrentTimeInt64 = SimVfsMethods::CurrentTimeInt64;
  TW_CHECK(sqlite3_vfs_register(vfs_.get(), 0) == SQLITE_OK);
}

SimVfs::~SimVfs() {
  TW_CHECK(sqlite3_vfs_unregister(vfs_.get()) == SQLITE_OK);
}

}  // namespace tw::sqlite
