#include "bench/common/process_usage.h"

#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "bench/common/flags.h"

namespace tw::bench {
namespace {

std::string ProcPath(pid_t pid, std::string_view name) {
  return "/proc/" + std::to_string(pid) + "/" + std::string(name);
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The processes with their children, grandchildren and so on.
std::vector<pid_t> WithDescendants(std::vector<pid_t> pids) {
  for (size_t i = 0; i < pids.size(); ++i) {
    std::error_code gone;
    for (const auto& task : std::filesystem::directory_iterator(ProcPath(pids[i], "task"), gone)) {
      std::istringstream children(ReadFile(task.path() / "children"));
      for (pid_t child; children >> child;) pids.push_back(child);
    }
  }
  return pids;
}

uint64_t CpuNsFromStat(pid_t pid) {
  const std::string stat = ReadFile(ProcPath(pid, "stat"));
  const size_t name_end = stat.rfind(')');
  if (name_end == stat.npos) return 0;
  std::istringstream fields(stat.substr(name_end + 2));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;  // utime is field 14, counted from 1.
  uint64_t user = 0;
  uint64_t system = 0;
  fields >> user >> system;
  return (user + system) * (1'000'000'000 / static_cast<uint64_t>(sysconf(_SC_CLK_TCK)));
}

uint64_t CpuNsOf(pid_t pid) {
  uint64_t total = 0;
  std::error_code gone;
  for (const auto& task : std::filesystem::directory_iterator(ProcPath(pid, "task"), gone)) {
    std::istringstream schedstat(ReadFile(task.path() / "schedstat"));
    uint64_t on_cpu = 0;
    if (!(schedstat >> on_cpu)) return CpuNsFromStat(pid);
    total += on_cpu;
  }
  return total;
}

void CheckAlive(const std::vector<pid_t>& pids) {
  for (const pid_t pid : pids) {
    if (!std::filesystem::exists(ProcPath(pid, "stat"))) {
      Die("the server process " + std::to_string(pid) + " is gone");
    }
  }
}

}  // namespace

std::vector<pid_t> ParsePids(std::string_view text) {
  std::vector<pid_t> pids;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), pid);
    if (error != std::errc() || end != item.data() + item.size()) {
      Die("not a process id: " + std::string(item));
    }
    pids.push_back(pid);
    text.remove_prefix(std::min(text.size(), item.size() + 1));
  }
  return pids;
}

uint64_t CpuNs(const std::vector<pid_t>& pids) {
  CheckAlive(pids);
  uint64_t total = 0;
  for (const pid_t pid : WithDescendants(pids)) total += CpuNsOf(pid);
  return total;
}

uint64_t ResidentBytes(const std::vector<pid_t>& pids) {
  CheckAlive(pids);
  uint64_t total = 0;
  for (const pid_t pid : WithDescendants(pids)) {
    // smaps_rollup is exact; statm lags by up to 64 pages per thread.
    std::istringstream rollup(ReadFile(ProcPath(pid, "smaps_rollup")));
    for (std::string line; std::getline(rollup, line);) {
      if (line.starts_with("Rss:")) total += std::stoull(line.substr(4)) * 1024;
    }
  }
  return total;
}

}  // namespace tw::bench
