// Test-only: a sqlite3_vfs over testing::SimStorage, so that a simulation runs the store without
// real I/O and loses power where it likes.
//
//   SimVfs vfs(disk, clock, random);
//   Database::Open("store.db", {.vfs = vfs.name(), .exclusive = true});
//
// There is no shared memory: a database in WAL mode needs OpenOptions.exclusive.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "testing/sim_storage.h"

struct sqlite3_vfs;

namespace tw::sqlite {

// Registered with SQLite under a name of its own from construction to destruction. Everything given
// must outlive it, and it every Database opened with it. SQLite's time and randomness come from
// `clock` and `random`. One thread.
class SimVfs {
 public:
  SimVfs(testing::SimStorage& storage, Clock& clock, Random& random);
  ~SimVfs();
  SimVfs(const SimVfs&) = delete;
  SimVfs& operator=(const SimVfs&) = delete;

  const std::string& name() const { return name_; }

 private:
  friend struct SimVfsMethods;
  // SQLite's lock states of one file: many readers, one that means to write.
  struct Lock {
    int shared = 0;
    const void* writer = nullptr;
    int writer_level = 0;
  };

  testing::SimStorage& storage_;
  Clock& clock_;
  Random& random_;
  const std::string name_;
  std::map<std::string, Lock> locks_;  // By path.
  uint64_t temporary_number_ = 0;
  std::unique_ptr<sqlite3_vfs> vfs_;
};

}  // namespace tw::sqlite
