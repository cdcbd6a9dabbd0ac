// The parameters of a named query: what a client may give, and its normal form.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "json/json.h"
#include "model/value.h"
#include "query/query_config.h"

namespace tw::query {

// What is wrong with a call, for the client: stable `code`, the parameter's JSON pointer.
struct CallError {
  std::string code;  // docs/queries.md
  std::string message;
  std::string pointer;  // "/limit"; empty where no parameter is to blame.
};
template <typename T>
using CallResult = std::expected<T, CallError>;

struct Parameter {
  std::string name;
  ParameterType type = ParameterType::kText;
  std::optional<Value> default_value;  // NULL for nullable ones.
  std::optional<double> min;
  std::optional<double> max;
  bool nullable = false;
};

inline constexpr size_t kArgumentBytesMax = 4'096;
inline constexpr size_t kParametersMax = 64;

// Errors: kInvalidArgument "file:line:column: …".
Result<std::vector<Parameter>> CompileParameters(const config::OrderedMap<ParameterConfig>& given);

// One value per parameter, in their order. Errors: unknown_parameter, missing_parameter,
// invalid_parameter (type, bounds, size, given twice).
CallResult<std::vector<Value>> ReadArguments(
    std::span<const Parameter> parameters,
    std::span<const std::pair<std::string, std::string>> given);
CallResult<std::vector<Value>> ReadArguments(std::span<const Parameter> parameters,
                                             const json::Value& given);

// {"a":1,"b":"x"} with the parameters sorted by name: equal text exactly for equal arguments.
std::string ArgumentsJson(std::span<const Parameter> parameters, std::span<const Value> arguments);

}  // namespace tw::query
