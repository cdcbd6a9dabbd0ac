// Input: an expression, a zero byte, a JSON text. Compile and Evaluate return, whatever they get.
#include <cstdint>

#include "base/check.h"
#include "ingest/mapping/expression.h"

namespace {

// Every name has a value: its own text.
class Names final : public tw::ingest::mapping::Variables {
 public:
  tw::ingest::mapping::Datum Variable(std::string_view name) const override {
    return tw::Value(name);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using tw::ingest::mapping::Expression;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const size_t split = bytes.find('\0');
  const auto expression = Expression::Compile(bytes.substr(0, split));
  if (!expression.ok()) return 0;
  TW_CHECK(Expression::Compile(expression->ToNode()).ok());

  const auto text = split == bytes.npos ? std::string_view("null") : bytes.substr(split + 1);
  const auto document = tw::json::Parse(text);
  const Names names;
  tw::ingest::mapping::Input input;
  input.variables = &names;
  if (document.ok()) input.record = input.parent = document->root();
  const auto outcome = expression->Evaluate(input);
  std::string json;
  outcome.value.AppendJson(json);
  TW_CHECK(tw::json::Parse(json).ok());
  (void)outcome.value.ToValue();
  (void)expression->Test(input);
  (void)expression->Select(input.record);
  return 0;
}
