#include "ingest/webhook/form.h"

#include "base/strings.h"
#include "json/json.h"

namespace tw::ingest {
namespace {

int DigitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string Decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (const auto byte = DecodePercent(text.substr(i))) {
      decoded += *byte;
      i += 2;
      continue;
    }
    decoded += text[i] == '+' ? ' ' : text[i];
  }
  return decoded;
}

std::string AsUtf8(const std::string& text) {
  if (IsUtf8(text)) return text;
  std::string clean;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x80) {
      clean += c;
    } else {
      clean += "\xEF\xBF\xBD";
    }
  }
  return clean;
}

}  // namespace

std::optional<char> DecodePercent(std::string_view text) {
  if (text.size() < 3 || text[0] != '%') return std::nullopt;
  const int high = DigitOf(text[1]);
  const int low = DigitOf(text[2]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high * 16 + low);
}

bool IsForm(std::string_view content_type) {
  const std::string_view type = Trim(content_type.substr(0, content_type.find(';')));
  return EqualsIgnoreCase(type, "application/x-www-form-urlencoded");
}

std::vector<std::pair<std::string, std::string>> ParseForm(std::string_view body) {
  std::vector<std::pair<std::string, std::string>> fields;
  for (const std::string_view part : Split(body, '&')) {
    if (part.empty()) continue;
    const size_t equals = part.find('=');
    fields.emplace_back(Decode(part.substr(0, equals)), equals == std::string_view::npos
                                                            ? std::string()
                                                            : Decode(part.substr(equals + 1)));
  }
  return fields;
}

std::string JsonOfForm(std::string_view body) {
  const auto fields = ParseForm(body);
  std::vector<std::pair<std::string, std::vector<std::string>>> by_name;
  StringMap<size_t> places;
  for (const auto& [name, value] : fields) {
    std::string key = AsUtf8(name);
    const auto [found, is_new] = places.emplace(key, by_name.size());
    if (is_new) by_name.push_back({std::move(key), {}});
    by_name[found->second].second.push_back(AsUtf8(value));
  }
  json::Writer writer;
  writer.Object();
  for (const auto& [name, values] : by_name) {
    writer.Key(name);
    if (values.size() == 1) {
      writer.String(values.front());
      continue;
    }
    writer.Array();
    for (const std::string& value : values) writer.String(value);
    writer.End();
  }
  writer.End();
  return writer.Take();
}

}  // namespace tw::ingest
