// The values of columns: bindings evaluated for one event, and made to fit the column's type.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ingest/apply/records.h"
#include "ingest/source.h"

namespace date {
class time_zone;
}

namespace tw::ingest {

inline constexpr std::string_view kWebhookChannel = "webhook";
// Nothing was received: time alone made the change.
inline constexpr std::string_view kRolloverChannel = "rollover";
// The source's own total of a closed day was taken over.
inline constexpr std::string_view kAdjustmentChannel = "adjustment";

// A tenant and the zone that its days are counted in.
struct TenantContext {
  Tenant tenant;
  const date::time_zone* zone = nullptr;
};

// What bindings see. Everything is borrowed.
struct BindingInput {
  const Source* source = nullptr;
  const TenantContext* tenant = nullptr;
  std::span<const Value> fields;  // By FieldIndex; empty for counters.
  std::string_view channel;
  WallTime now;
  std::optional<WallTime> at;  // The variable `at`.
  // The payload's piece that paths begin at, and the columns of a CSV row.
  json::Value record;
  json::Value parent;
  const mapping::Variables* columns = nullptr;
};

// The value for `binding`'s column; null where there is none.
// Errors: kInvalidArgument naming the column: the value does not fit its type.
Result<Value> Evaluate(const ColumnBinding& binding, const BindingInput& input);

// `value` as a column of `type` stores it: integers from integral text, timestamps in UTC with
// milliseconds, JSON columns hold JSON. Errors: kInvalidArgument.
Result<Value> Coerce(Value value, ColumnType type);

// What `expression` gives for the payload's piece `record` (inside `parent`). Names are as in
// Binding::kExpression.
mapping::Outcome EvaluateOn(const mapping::Expression& expression, const json::Value& record,
                            const json::Value& parent, const BindingInput& input);

// For hashes and keys: the same text whether a provider sends 5 or "5". nullopt for null.
std::optional<std::string> NormalText(const Value& value);

}  // namespace tw::ingest
