#include "ingest/apply/binding.h"

#include "base/strings.h"
#include "json/json.h"

namespace tw::ingest {
namespace {

// The names that expressions of a source file may use.
class EventVariables final : public mapping::Variables {
 public:
  explicit EventVariables(const BindingInput& input) : input_(input) {}

  mapping::Datum Variable(std::string_view name) const override {
    if (input_.tenant == nullptr && name.starts_with("tenant.")) return {};
    if (name == "source.name") return Value(input_.source->name);
    if (name == "tenant.id") return Value(input_.tenant->tenant.id);
    if (name == "tenant.name") return Value(input_.tenant->tenant.name);
    if (name == "tenant.timezone") return Value(input_.tenant->tenant.timezone);
    if (name == "channel") return Value(input_.channel);
    if (name == "at" || name == "occurred_at") {
      if (!input_.at) return {};
      return Value(mapping::TimeText(*input_.at));
    }
    for (size_t i = 0; i < input_.fields.size(); ++i) {
      if (input_.source->field_names[i] == name) return input_.fields[i];
    }
    return {};
  }
  mapping::Datum Column(std::string_view name) const override {
    return input_.columns == nullptr ? mapping::Datum() : input_.columns->Column(name);
  }

 private:
  const BindingInput& input_;
};

Result<Value> EvaluateExpression(const mapping::Expression& expression, const BindingInput& input) {
  const mapping::Outcome outcome = EvaluateOn(expression, input.record, input.parent, input);
  if (outcome.conversion_failures > 0) {
    return Fail(ErrorCode::kInvalidArgument, "cannot convert in " + expression.text());
  }
  return outcome.value.ToValue();
}

Result<Value> Bound(const Binding& binding, const BindingInput& input) {
  switch (binding.kind) {
    case Binding::Kind::kField:
      return input.fields[binding.field];
    case Binding::Kind::kTenantId:
      return Value(input.tenant->tenant.id);
    case Binding::Kind::kTenantName:
      return Value(input.tenant->tenant.name);
    case Binding::Kind::kSourceName:
      return Value(input.source->name);
    case Binding::Kind::kNow:
      return Value(FormatTimestampMs(input.now));
    case Binding::Kind::kChannel:
      return Value(input.channel);
    case Binding::Kind::kWebhookNow:
      return input.channel == kWebhookChannel ? Value(FormatTimestampMs(input.now)) : Value();
    case Binding::Kind::kPollNow:
      return input.channel != kWebhookChannel && input.channel != kRolloverChannel
                 ? Value(FormatTimestampMs(input.now))
                 : Value();
    case Binding::Kind::kExpression:
      return EvaluateExpression(binding.expression, input);
  }
  return Value();
}

std::unexpected<Error> Unfit(std::string_view wanted) {
  return Fail(ErrorCode::kInvalidArgument, "the value is no " + std::string(wanted));
}

Result<Value> CoerceInteger(Value value) {
  if (const bool* flag = value.AsBool()) return Value(int64_t{*flag ? 1 : 0});
  if (value.AsInt() != nullptr) return value;
  if (const std::string* text = value.AsText()) {
    if (const auto number = ParseInt64(Trim(*text))) return Value(*number);
  }
  return Unfit("integer");
}

Result<Value> CoerceJson(Value value) {
  const std::string* text = value.AsText();
  if (text == nullptr) return value;
  if (json::Parse(*text).ok()) return value;
  std::string quoted;
  json::AppendString(quoted, *text);
  return Value(std::move(quoted));
}

}  // namespace

Result<Value> Coerce(Value value, ColumnType type) {
  if (value.is_null()) return value;
  switch (type) {
    case ColumnType::kInt2:
    case ColumnType::kInt4:
    case ColumnType::kInt8:
      return CoerceInteger(std::move(value));
    case ColumnType::kBool:
      if (value.AsBool() != nullptr) return value;
      if (const int64_t* number = value.AsInt(); number != nullptr && (*number | 1) == 1) {
        return value;
      }
      return Unfit("boolean");
    case ColumnType::kTimestamptz:
    case ColumnType::kTimestamp: {
      const std::string* text = value.AsText();
      if (text == nullptr) return Unfit("time");
      TW_ASSIGN_OR_RETURN(const WallTime time, ParseTimestamp(*text));
      return Value(FormatTimestampMs(time));
    }
    case ColumnType::kJson:
      return CoerceJson(std::move(value));
    case ColumnType::kText:
    case ColumnType::kUuid:
    case ColumnType::kDate:
      if (value.AsText() == nullptr) return Value(NormalText(value).value_or(std::string()));
      return value;
    case ColumnType::kFloat8:
    case ColumnType::kNumeric:
    case ColumnType::kBytea:
    case ColumnType::kOther:
    case ColumnType::kEncoded:
      return value;
  }
  return value;
}

mapping::Outcome EvaluateOn(const mapping::Expression& expression, const json::Value& record,
                            const json::Value& parent, const BindingInput& input) {
  const EventVariables variables(input);
  return expression.Evaluate({.record = record,
                              .parent = parent,
                              .variables = &variables,
                              .now = input.now,
                              .zone = input.tenant == nullptr ? nullptr : input.tenant->zone});
}

Result<Value> Evaluate(const ColumnBinding& binding, const BindingInput& input) {
  auto value = Bound(binding.value, input);
  if (value.ok()) value = Coerce(*std::move(value), binding.type);
  if (!value.ok()) return Annotate(value.error(), "column " + binding.column);
  if (const std::string* text = value->AsText();
      text != nullptr && text->find('\0') != std::string::npos) {
    return Fail(ErrorCode::kInvalidArgument, "column " + binding.column + ": NUL in a text");
  }
  return value;
}

std::optional<std::string> NormalText(const Value& value) {
  if (value.is_null()) return std::nullopt;
  if (const bool* flag = value.AsBool()) return *flag ? "true" : "false";
  if (const int64_t* number = value.AsInt()) return std::to_string(*number);
  if (const std::string* text = value.AsText()) return std::string(Trim(*text));
  if (const Bytes* bytes = value.AsBytes()) return bytes->data;
  std::string text;
  json::AppendDouble(text, *value.AsDouble());
  return text;
}

}  // namespace tw::ingest
