#include "query/named/parameters.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "base/strings.h"

namespace tw::query {
namespace {

std::string_view NameOfType(ParameterType type) {
  for (const auto& named : ConfigNames(ParameterType{})) {
    if (named.value == type) return named.name;
  }
  return "text";
}

std::string_view Article(ParameterType type) {
  switch (type) {
    case ParameterType::kText: return "text";
    case ParameterType::kInt: return "a whole number";
    case ParameterType::kNumber: return "a number";
    case ParameterType::kBool: return "true or false";
    case ParameterType::kUuid: return "a uuid";
    case ParameterType::kDate: return "a date, YYYY-MM-DD";
    case ParameterType::kTimestamptz: return "a time, YYYY-MM-DDThh:mm:ssZ";
  }
  return "text";
}

bool Fits(std::string_view text, std::string_view pattern) {
  if (text.size() != pattern.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool digit = c >= '0' && c <= '9';
    if (pattern[i] == '0' && !digit) return false;
    if (pattern[i] == 'x' && !digit && !(c >= 'a' && c <= 'f')) return false;
    if (pattern[i] != '0' && pattern[i] != 'x' && c != pattern[i]) return false;
  }
  return true;
}

bool IsTimestamp(std::string_view text) {
  if (!Fits(text.substr(0, 19), "0000-00-00T00:00:00")) return false;
  text.remove_prefix(19);
  if (text.starts_with('.')) {
    const size_t digits = std::min(text.find_first_not_of("0123456789", 1), text.size());
    if (digits < 2) return false;
    text.remove_prefix(digits);
  }
  return text == "Z" || Fits(text, "+00:00") || Fits(text, "-00:00");
}

std::optional<double> ParseDouble(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

// A number that is whole is kept as an integer, so that 5 and 5.0 are one argument.
Value NormalNumber(double value) {
  if (value == std::floor(value) && std::abs(value) <= 9'007'199'254'740'992.0) {
    return Value(static_cast<int64_t>(value));
  }
  return Value(value);
}

// A text as a value of `type`; nullopt where it is none.
std::optional<Value> ReadText(ParameterType type, std::string_view text) {
  switch (type) {
    case ParameterType::kText: return IsUtf8(text) && text.find('\0') == text.npos
                                          ? std::optional(Value(text))
                                          : std::nullopt;
    case ParameterType::kInt: {
      const auto value = ParseInt64(text);
      return value ? std::optional(Value(*value)) : std::nullopt;
    }
    case ParameterType::kNumber: {
      if (const auto whole = ParseInt64(text)) return Value(*whole);
      const auto value = ParseDouble(text);
      return value ? std::optional(NormalNumber(*value)) : std::nullopt;
    }
    case ParameterType::kBool:
      if (text == "true") return Value(true);
      if (text == "false") return Value(false);
      return std::nullopt;
    case ParameterType::kUuid: {
      std::string lower = ToLower(text);
      if (!Fits(lower, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")) return std::nullopt;
      return Value(std::move(lower));
    }
    case ParameterType::kDate:
      return Fits(text, "0000-00-00") ? std::optional(Value(text)) : std::nullopt;
    case ParameterType::kTimestamptz:
      return IsTimestamp(text) ? std::optional(Value(text)) : std::nullopt;
  }
  return std::nullopt;
}

std::optional<Value> ReadJson(ParameterType type, const json::Value& given) {
  switch (given.kind()) {
    case json::Kind::kBool:
      return type == ParameterType::kBool ? std::optional(Value(given.GetBool())) : std::nullopt;
    case json::Kind::kInt:
      return type == ParameterType::kInt || type == ParameterType::kNumber
                 ? std::optional(Value(given.GetInt()))
                 : std::nullopt;
    case json::Kind::kNumber: {
      const Value number = NormalNumber(given.GetDouble());
      if (type == ParameterType::kNumber) return number;
      return type == ParameterType::kInt && number.AsInt() != nullptr ? std::optional(number)
                                                                      : std::nullopt;
    }
    case json::Kind::kString: {
      const bool texts = type != ParameterType::kInt && type != ParameterType::kNumber &&
                         type != ParameterType::kBool;
      return texts ? ReadText(type, given.GetString()) : std::nullopt;
    }
    case json::Kind::kNull:
    case json::Kind::kArray:
    case json::Kind::kObject: return std::nullopt;
  }
  return std::nullopt;
}

std::optional<std::string> OutOfBounds(const Parameter& parameter, const Value& value) {
  const auto number = value.AsInt() != nullptr ? std::optional(static_cast<double>(*value.AsInt()))
                      : value.AsDouble() != nullptr ? std::optional(*value.AsDouble())
                                                    : std::nullopt;
  const auto size = value.AsText() != nullptr ? value.AsText()->size() : 0;
  std::string limit;
  if (number && parameter.min && *number < *parameter.min) {
    limit = "at least ";
    json::AppendDouble(limit, *parameter.min);
  } else if (number && parameter.max && *number > *parameter.max) {
    limit = "at most ";
    json::AppendDouble(limit, *parameter.max);
  } else if (value.AsText() != nullptr && parameter.max &&
             static_cast<double>(size) > *parameter.max) {
    limit = "at most ";
    json::AppendDouble(limit, *parameter.max);
    limit += " bytes";
  } else if (size > kArgumentBytesMax) {
    limit = "at most " + std::to_string(kArgumentBytesMax) + " bytes";
  } else {
    return std::nullopt;
  }
  return "must be " + limit;
}

CallError Invalid(const Parameter& parameter, std::string_view reason) {
  return {"invalid_parameter", parameter.name + ": " + std::string(reason), "/" + parameter.name};
}

CallError Unknown(std::span<const Parameter> parameters, std::string_view name) {
  std::vector<std::string_view> names;
  for (const Parameter& parameter : parameters) names.push_back(parameter.name);
  const std::string shown(name.substr(0, 64));
  const auto nearest = Nearest(name, names);
  return {"unknown_parameter",
          "'" + shown + "' is no parameter of this query" +
              (nearest ? "; did you mean '" + std::string(*nearest) + "'?" : ""),
          "/" + shown};
}

class Arguments {
 public:
  explicit Arguments(std::span<const Parameter> parameters)
      : parameters_(parameters), values_(parameters.size()) {}

  CallResult<size_t> Index(std::string_view name) const {
    const auto found = std::ranges::find(parameters_, name, &Parameter::name);
    if (found == parameters_.end()) return std::unexpected(Unknown(parameters_, name));
    return static_cast<size_t>(found - parameters_.begin());
  }

  // `value` is nullopt where the text was no value of the type.
  std::optional<CallError> Set(size_t index, std::optional<Value> value) {
    const Parameter& parameter = parameters_[index];
    if (values_[index]) return Invalid(parameter, "given twice");
    if (!value) return Invalid(parameter, "must be " + std::string(Article(parameter.type)));
    if (!value->is_null()) {
      if (const auto reason = OutOfBounds(parameter, *value)) return Invalid(parameter, *reason);
    }
    values_[index] = std::move(value);
    return std::nullopt;
  }

  CallResult<std::vector<Value>> Take() {
    std::vector<Value> result;
    for (size_t i = 0; i < parameters_.size(); ++i) {
      if (!values_[i]) values_[i] = parameters_[i].default_value;
      if (!values_[i]) {
        return std::unexpected(CallError{
            "missing_parameter", parameters_[i].name + " is missing", "/" + parameters_[i].name});
      }
      result.push_back(*std::move(values_[i]));
    }
    return result;
  }

 private:
  std::span<const Parameter> parameters_;
  std::vector<std::optional<Value>> values_;
};

}  // namespace

Result<std::vector<Parameter>> CompileParameters(const config::OrderedMap<ParameterConfig>& given) {
  std::vector<Parameter> parameters;
  for (const auto& item : given) {
    const auto fail = [&](const std::string& reason) {
      return Fail(ErrorCode::kInvalidArgument,
                  ToString(item.where) + ": params." + item.key + ": " + reason);
    };
    if (parameters.size() >= kParametersMax) return fail("more than 64 parameters");
    Parameter parameter{.name = item.key,
                        .type = *item.value.type,
                        .min = item.value.min,
                        .max = item.value.max,
                        .nullable = item.value.nullable};
    if (parameter.nullable) parameter.default_value = Value();
    if (item.value.default_value && !item.value.default_value->is_null()) {
      auto value = ReadText(parameter.type, item.value.default_value->text());
      if (!value || !item.value.default_value->is_scalar()) {
        return fail("default: must be " + std::string(Article(parameter.type)));
      }
      if (const auto reason = OutOfBounds(parameter, *value)) return fail("default: " + *reason);
      parameter.default_value = std::move(value);
    }
    const bool bounded = parameter.type == ParameterType::kText ||
                         parameter.type == ParameterType::kInt ||
                         parameter.type == ParameterType::kNumber;
    if (!bounded && (parameter.min || parameter.max)) {
      return fail("min and max do not apply to " + std::string(NameOfType(parameter.type)));
    }
    parameters.push_back(std::move(parameter));
  }
  return parameters;
}

CallResult<std::vector<Value>> ReadArguments(
    std::span<const Parameter> parameters,
    std::span<const std::pair<std::string, std::string>> given) {
  Arguments arguments(parameters);
  for (const auto& [name, text] : given) {
    if (name == "apikey") continue;  // A key in the address, as supabase-js may send it.
    const auto index = arguments.Index(name);
    if (!index) return std::unexpected(index.error());
    if (auto error = arguments.Set(*index, ReadText(parameters[*index].type, text))) {
      return std::unexpected(*std::move(error));
    }
  }
  return arguments.Take();
}

CallResult<std::vector<Value>> ReadArguments(std::span<const Parameter> parameters,
                                             const json::Value& given) {
  Arguments arguments(parameters);
  if (!given.is_null() && !given.is_object()) {
    return std::unexpected(CallError{"invalid_parameter", "args must be an object", ""});
  }
  for (const json::Member& member : given.members()) {
    const auto index = arguments.Index(member.key);
    if (!index) return std::unexpected(index.error());
    const Parameter& parameter = parameters[*index];
    auto value = member.value.is_null() && parameter.nullable
                     ? std::optional(Value())
                     : ReadJson(parameter.type, member.value);
    if (auto error = arguments.Set(*index, std::move(value))) {
      return std::unexpected(*std::move(error));
    }
  }
  return arguments.Take();
}

std::string ArgumentsJson(std::span<const Parameter> parameters,
                          std::span<const Value> arguments) {
  std::vector<size_t> order(parameters.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) { return parameters[i].name; });
  std::string out = "{";
  for (const size_t i : order) {
    if (out.size() > 1) out.push_back(',');
    json::AppendString(out, parameters[i].name);
    out.push_back(':');
    AppendJson(out, arguments[i], ColumnType::kText);
  }
  out.push_back('}');
  return out;
}

}  // namespace tw::query
