// json::Parse over any bytes: it refuses or accepts, and what it accepts can be written and read
// again as the same text.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "json/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tw;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string quoted;
  json::AppendString(quoted, text);
  const auto string = json::Parse(quoted);
  TW_CHECK(string.ok() && string->root().is_string());

  const auto document = json::Parse(text);
  if (!document.ok()) return 0;
  const std::string once = document->root().ToText();
  const auto again = json::Parse(once);
  TW_CHECK(again.ok() && again->root().ToText() == once);
  return 0;
}
