#include "query/live/reasons.h"

#include <ranges>

#include "json/json.h"

namespace tw::query {

std::string ReasonsJson(const Hub& hub) {
  json::Writer writer;
  writer.Array();
  for (const Hub::Reason& reason : hub.reasons() | std::views::reverse) {
    writer.Object().Key("position").String(ToString(reason.position));
    writer.Key("table").String(reason.table).Key("operation").String(reason.operation);
    writer.Key("row").Raw(reason.row_key).Key("rule").String(reason.rule);
    writer.Key("query").String(reason.query).Key("args").Raw(reason.arguments).End();
  }
  writer.End();
  return writer.Take();
}

}  // namespace tw::query
