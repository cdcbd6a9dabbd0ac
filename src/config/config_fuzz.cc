// Any bytes: ParseYaml returns, and what it accepts it reads back the same from ToYaml.
#include <cstdint>

#include "base/check.h"
#include "config/node.h"

namespace {

bool Same(const tw::config::Node& a, const tw::config::Node& b) {
  if (a.kind() != b.kind() || a.items().size() != b.items().size() ||
      a.entries().size() != b.entries().size()) {
    return false;
  }
  if (!a.is_null() && a.text() != b.text()) return false;
  for (size_t i = 0; i < a.items().size(); ++i) {
    if (!Same(a.items()[i], b.items()[i])) return false;
  }
  for (size_t i = 0; i < a.entries().size(); ++i) {
    if (a.entries()[i].key != b.entries()[i].key) return false;
    if (!Same(a.entries()[i].value, b.entries()[i].value)) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto node = tw::config::ParseYaml(text, "fuzz.yaml");
  if (!node.ok()) return 0;
  const auto again = tw::config::ParseYaml(tw::config::ToYaml(*node), "again.yaml");
  TW_CHECK(again.ok());
  TW_CHECK(Same(*node, *again));
  return 0;
}
