// Structured log lines on standard error: one line per event, readable on a terminal, JSON
// elsewhere. Each line has a stable code ("HookUnauthorized"), so that runbooks can name it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace tw::telemetry {

enum class Level : uint8_t { kDebug, kInfo, kWarning, kError };

// A named value of a log line. Texts are escaped: control characters never reach the terminal.
struct Field {
  std::string_view name;
  std::variant<std::string_view, int64_t, double> value;

  Field(std::string_view field, std::string_view text) : name(field), value(text) {}
  Field(std::string_view field, const std::string& text)
      : name(field), value(std::string_view(text)) {}
  Field(std::string_view field, const char* text) : name(field), value(std::string_view(text)) {}
  template <typename T>
    requires std::is_integral_v<T>
  Field(std::string_view field, T number) : name(field), value(static_cast<int64_t>(number)) {}
  Field(std::string_view field, double number) : name(field), value(number) {}
};

// Writes one line. Any thread. Lines of one code beyond 20 per second are dropped and their number
// is told in the next line of that code. Never pass secrets or payloads.
void Log(Level level, std::string_view code, std::string_view message,
         std::initializer_list<Field> fields = {});

// Default kInfo. Set once, at start.
void SetLogLevel(Level level);
// Default: text when standard error is a terminal, else JSON.
enum class LogFormat : uint8_t { kText, kJson };
void SetLogFormat(LogFormat format);
// Sends lines elsewhere (tests, simulation); nullptr restores standard error.
void SetLogSink(void (*sink)(std::string_view line));

}  // namespace tw::telemetry
