#include "bench/common/report.h"

#include <cstdio>
#include <fstream>

#include "bench/common/flags.h"

namespace tw::bench {
namespace {

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return quoted + "\"";
}

std::string Formatted(double value) {
  char text[64];
  std::snprintf(text, sizeof text, value < 100 ? "%.3f" : "%.1f", value);
  return text;
}

}  // namespace

void Report::Text(std::string_view name, std::string_view value) {
  entries_.push_back({std::string(name), std::string(value), Quoted(value)});
}

void Report::Count(std::string_view name, uint64_t value) {
  entries_.push_back({std::string(name), std::to_string(value), std::to_string(value)});
}

void Report::Number(std::string_view name, double value) {
  const std::string text = Formatted(value);
  entries_.push_back({std::string(name), text, text});
}

void Report::Latency(std::string_view prefix, const Histogram& histogram) {
  if (histogram.count() == 0) return;
  const auto add = [&](std::string_view suffix, uint64_t nanoseconds) {
    Number(std::string(prefix) + std::string(suffix), static_cast<double>(nanoseconds) / 1e6);
  };
  add("_p50_ms", histogram.Quantile(0.5));
  add("_p99_ms", histogram.Quantile(0.99));
  add("_p999_ms", histogram.Quantile(0.999));
  add("_max_ms", histogram.max());
}

std::string Report::ToJson() const {
  std::string json = "{";
  for (const Entry& entry : entries_) {
    if (json.size() > 1) json += ",";
    json += Quoted(entry.name) + ":" + entry.json;
  }
  return json + "}";
}

void Report::Write(const std::string& json_path) const {
  for (const Entry& entry : entries_) {
    std::printf("%-28s %s\n", entry.name.c_str(), entry.shown.c_str());
  }
  std::fflush(stdout);
  if (json_path.empty()) return;
  std::ofstream file(json_path, std::ios::app);
  file << ToJson() << "\n";
  if (!file.flush()) Die("cannot write " + json_path);
}

}  // namespace tw::bench
