// Any bytes are a message or an error; views stay inside of them.
#include <cstdlib>
#include <string_view>

#include "postgres/pgoutput.h"

namespace {

void CheckInside(std::string_view bytes, std::string_view part) {
  if (part.empty() || part == "pg_catalog") return;
  if (part.data() < bytes.data() || part.data() + part.size() > bytes.data() + bytes.size()) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tw::postgres;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto message = DecodeMessage(bytes);
  if (!message.ok()) return 0;
  const auto check = [&](const Tuple& tuple) {
    for (const TupleValue& value : tuple) CheckInside(bytes, value.text);
  };
  if (const auto* update = std::get_if<Update>(&*message)) {
    check(update->old_tuple);
    check(update->new_tuple);
  } else if (const auto* insert = std::get_if<Insert>(&*message)) {
    check(insert->new_tuple);
  } else if (const auto* deleted = std::get_if<Delete>(&*message)) {
    check(deleted->old_tuple);
  } else if (const auto* relation = std::get_if<RelationMessage>(&*message)) {
    for (const RelationColumn& column : relation->columns) CheckInside(bytes, column.name);
  } else if (const auto* text = std::get_if<LogicalMessage>(&*message)) {
    CheckInside(bytes, text->prefix);
    CheckInside(bytes, text->content);
  }
  return 0;
}
