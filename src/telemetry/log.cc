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

// What ends a line, or steers a terminal, beyond ASCII: U+0080 to U+009F (C1 controls), U+2028 and
// U+2029. Its size in UTF-8 and its four hex digits; size 0: not such a character.
struct Control {
  size_t size = 0;
  char hex[5] = {};
};

Control ControlAt(std::string_view text) {
  Control control;
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.size() >= 2 && byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) <= 0x9f) {
    control.size = 2;
    std::snprintf(control.hex, sizeof control.hex, "00%02x", byte(1));
  } else if (text.starts_with("\xe2\x80\xa8") || text.starts_with("\xe2\x80\xa9")) {
    control.size = 3;
    std::snprintf(control.hex, sizeof control.hex, "20%02x", byte(2) == 0xa8 ? 0x28 : 0x29);
  }
  return control;
}

// JSON string escaping; also makes terminal output safe. Telemetry stands beside json on floor 2
// and so cannot use it.
void AppendQuoted(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out.push_back('"');
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (const Control control = byte < 0xc2 ? Control{} : ControlAt(text.substr(i));
        control.size > 0) {
      out.append("\\u").append(control.hex);
      i += control.size - 1;
    } else if (c == '"' || c == '\\') {
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
