// Test-only: a FileSystem over testing::SimStorage, the disk that forgets what was not synced.
//
//   SeededRandom random(seed);
//   testing::SimStorage disk(random);
//   auto files = MakeSimFileSystem(disk);
//   … disk.CutPowerAtCall(40) … disk.Crash() … reopen and check.
#pragma once

#include <cstdint>
#include <memory>

#include "base/function.h"
#include "io/file.h"
#include "testing/sim_storage.h"

namespace tw::io {

// `storage` must outlive the result and every file opened with it.
std::unique_ptr<FileSystem> MakeSimFileSystem(testing::SimStorage& storage);

// Runs `scenario` on a fresh disk with a fault at its first call, then at its second, and so on
// until a run ends without having met its fault. `seed` makes each disk's randomness.
// `scenario` gets the disk and the number of the call that fails. Returns the number of runs.
uint64_t FailEveryCallInTurn(uint64_t seed, ErrorCode code,
                             Function<void(testing::SimStorage&, uint64_t)> scenario);

}  // namespace tw::io
