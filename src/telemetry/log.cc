#include "telemetry/log.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <utility>

#include "base/clock.h"
#include "base/strings.h"

namespace tw::telemetry {
namespace {

constexpr uint32_t kLinesPerSecondMax = 20;
constexpr const char* kLevels[] = {"debug", "info", "warning", "error"};

struct Throttle {
  int64_t second = 0;
  uint32_t lines = 0;
  uint64_t dropped = 0;
};

std::atomic<Level> g_level{Level::kInfo};
std::atomic<int> g_format{-1};
std::atomic<void (*)(std::string_view)> g_sink{nullptr};
std::mutex g_mutex;  // Guards the throttle and keeps lines whole.

StringMap<Throttle>& Throttles() {
  static auto* throttles = new StringMap<Throttle>();
  return *throttles;
}

// JSON string escaping; also makes terminal output safe. Telemetry stands beside json on floor 2
// and so cannot use it.
void AppendQuoted(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out.push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

void AppendValue(std::string& out, const Field& field) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    AppendQuoted(out, *text);
  } else if (const auto* integer = std::get_if<int64_t>(&field.value)) {
    out += std::to_string(*integer);
  } else {
    char number[32];
    std::snprintf(number, sizeof number, "%.6g", std::get<double>(field.value));
    out += number;
  }
}

// False when the line is over the limit; `dropped` receives how many were before it.
bool Admit(std::string_view code, uint64_t& dropped) {
  const int64_t second = std::chrono::duration_cast<std::chrono::seconds>(
                             SystemClock().Mono().time_since_epoch())
                             .count();
  auto& throttles = Throttles();
  auto found = throttles.find(code);
  if (found == throttles.end()) found = throttles.emplace(std::string(code), Throttle{}).first;
  Throttle& throttle = found->second;
  if (throttle.second != second) {
    throttle.second = second;
    throttle.lines = 0;
  }
  if (++throttle.lines > kLinesPerSecondMax) {
    ++throttle.dropped;
    return false;
  }
  dropped = std::exchange(throttle.dropped, 0);
  return true;
}

}  // namespace

void Log(Level level, std::string_view code, std::string_view message,
         std::initializer_list<Field> fields) {
  if (level < g_level.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(g_mutex);
  uint64_t dropped = 0;
  if (!Admit(code, dropped)) return;
  int format = g_format.load(std::memory_order_relaxed);
  if (format < 0) format = isatty(STDERR_FILENO) != 0 ? 0 : 1;
  const std::string time = FormatTimestampMs(SystemClock().Wall());
  const char* level_name = kLevels[static_cast<int>(level)];
  std::string line;
  if (format == 0) {
    line = time + " " + level_name + " " + std::string(code) + ": ";
    for (const char c : message) line.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  } else {
    line = "{\"time\":\"" + time + "\",\"level\":\"" + level_name + "\",\"code\":";
    AppendQuoted(line, code);
    line += ",\"message\":";
    AppendQuoted(line, message);
  }
  const auto append = [&](const Field& field) {
    if (format == 0) {
      line += " " + std::string(field.name) + "=";
    } else {
      line += ",\"" + std::string(field.name) + "\":";
    }
    AppendValue(line, field);
  };
  for (const Field& field : fields) append(field);
  if (dropped > 0) append(Field("similar_lines_dropped", dropped));
  line += format == 0 ? "\n" : "}\n";
  if (const auto sink = g_sink.load(); sink != nullptr) {
    sink(line);
  } else {
    std::fwrite(line.data(), 1, line.size(), stderr);
  }
}

void SetLogLevel(Level level) { g_level.store(level); }
void SetLogFormat(LogFormat format) { g_format.store(format == LogFormat::kText ? 0 : 1); }
void SetLogSink(void (*sink)(std::string_view line)) { g_sink.store(sink); }

}  // namespace tw::telemetry
