#include "ingest/poll/template.h"

#include <date/tz.h>

#include <algorithm>
#include <sstream>

#include "ingest/mapping/time_text.h"

namespace tw::ingest {
namespace {

bool IsKnown(std::string_view name) {
  if (name == "cursor" || name == "window.from" || name == "window.to") return true;
  for (const std::string_view prefix : {"tenant.", "secret.", "create."}) {
    if (name.starts_with(prefix) && name.size() > prefix.size()) return true;
  }
  return false;
}

std::string FormatTime(WallTime time, const std::string& format, const date::time_zone* zone) {
  if (format.empty()) return FormatTimestampMs(time);
  std::ostringstream out;
  const auto seconds = date::floor<std::chrono::seconds>(time);
  if (zone == nullptr) {
    out << date::format(format, seconds);
  } else {
    out << date::format(format, date::make_zoned(zone, seconds));
  }
  return out.str();
}

}  // namespace

Result<Template> Template::Compile(std::string_view text) { return CompileWith(text, IsKnown); }

Result<Template> Template::Compile(std::string_view text,
                                   std::span<const std::string_view> names) {
  return CompileWith(text, [&](std::string_view name) {
    return std::ranges::find(names, name) != names.end();
  });
}

std::string Template::Fill(const StringMap<std::string>& names) const {
  std::string missing;
  return Fill({.names = &names}, missing);
}

template <typename Known>
Result<Template> Template::CompileWith(std::string_view text, Known known) {
  Template compiled;
  while (!text.empty()) {
    const size_t open = text.find("${");
    if (open > 0) compiled.parts_.push_back({std::string(text.substr(0, open)), {}, false});
    if (open == std::string_view::npos) break;
    const size_t close = text.find('}', open);
    if (close == std::string_view::npos) {
      return Fail(ErrorCode::kInvalidArgument, "a ${ is not closed");
    }
    const std::string_view inside = text.substr(open + 2, close - open - 2);
    const size_t colon = inside.find(':');
    Part part{std::string(inside.substr(0, colon)), {}, true};
    if (colon != std::string_view::npos) part.format = inside.substr(colon + 1);
    const bool is_time = part.text.starts_with("window.");
    if (!known(part.text) || (!part.format.empty() && !is_time)) {
      return Fail(ErrorCode::kInvalidArgument, "nothing is known as ${" + std::string(inside) + "}");
    }
    if (!part.format.empty() && !mapping::IsTimeFormat(part.format)) {
      return Fail(ErrorCode::kInvalidArgument, "'" + part.format + "' is no format of a time");
    }
    compiled.parts_.push_back(std::move(part));
    text.remove_prefix(close + 1);
  }
  return compiled;
}

std::vector<std::string_view> Template::names() const {
  std::vector<std::string_view> names;
  for (const Part& part : parts_) {
    if (part.is_name) names.push_back(part.text);
  }
  return names;
}

std::string Template::Fill(const TemplateValues& values, std::string& missing,
                           Encode encode) const {
  std::string out;
  for (const Part& part : parts_) {
    if (!part.is_name) {
      out += part.text;
      continue;
    }
    std::optional<std::string> value;
    if (part.text == "window.from" && values.window_from) {
      value = FormatTime(*values.window_from, part.format, values.zone);
    } else if (part.text == "window.to" && values.window_to) {
      value = FormatTime(*values.window_to, part.format, values.zone);
    } else if (const auto found = values.names->find(part.text); found != values.names->end()) {
      value = found->second;
    }
    if (!value) {
      if (missing.empty()) missing = part.text;
      continue;
    }
    out += encode == nullptr ? *value : encode(*value);
  }
  return out;
}

std::string PercentEncode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= 'a' && byte <= 'z') || c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

}  // namespace tw::ingest
