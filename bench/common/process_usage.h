// What a server process uses, read from /proc (proc(5)).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>
#include <vector>

namespace tw::bench {

// Reads a comma-separated list of process ids; an empty text gives an empty list. Dies on others.
std::vector<pid_t> ParsePids(std::string_view text);

// CPU time used so far by the processes and all their descendants, all threads, in nanoseconds.
// From /proc/<pid>/task/<tid>/schedstat; where the kernel lacks it, utime + stime of
// /proc/<pid>/stat, in ticks. Threads and children that have ended meanwhile are not seen, so the
// servers under test must keep theirs over a run. Dies when a named process is gone.
uint64_t CpuNs(const std::vector<pid_t>& pids);

// Bytes resident in the processes and their descendants; pages shared between them count for each.
uint64_t ResidentBytes(const std::vector<pid_t>& pids);

}  // namespace tw::bench
