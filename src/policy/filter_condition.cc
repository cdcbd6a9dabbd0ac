#include "policy/filter_condition.h"

#include <algorithm>
#include <utility>

#include "policy/cast.h"
#include "policy/evaluate.h"
#include "policy/filter.h"
#include "policy/program.h"

namespace tw::policy {
namespace {

std::unexpected<Error> Refuse(std::string message) {
  return Fail(ErrorCode::kInvalidArgument, std::move(message));
}

std::string TypeTextOf(const Column& column) {
  return column.type == ColumnType::kOther || column.type == ColumnType::kEncoded ? column.type_name : TypeText({BaseOf(column.type)});
}

bool IsTextual(const Column& column) {
  static constexpr std::string_view kNames[] = {"varchar", "bpchar", "citext", "name", "char"};
  return column.type == ColumnType::kText ||
         (column.type == ColumnType::kOther &&
          std::ranges::find(kNames, column.type_name) != std::end(kNames));
}

bool IsOrdering(FilterOp op) {
  return op == FilterOp::kLess || op == FilterOp::kLessEqual || op == FilterOp::kGreater ||
         op == FilterOp::kGreaterEqual;
}

bool IsPattern(FilterOp op) {
  return op == FilterOp::kLike || op == FilterOp::kILike || op == FilterOp::kMatch ||
         op == FilterOp::kIMatch;
}

// A LIKE pattern ends inside an escape when an odd number of backslashes ends it.
bool EndsInEscape(std::string_view pattern) {
  const size_t last = pattern.find_last_not_of('\\');
  const size_t count = last == pattern.npos ? pattern.size() : pattern.size() - last - 1;
  return count % 2 == 1;
}

Status BindIs(Condition& condition, const std::string& word, const Column& column) {
  if (word != "null" && column.type != ColumnType::kBool) {
    return Refuse("is " + word + " filter requires a boolean column, got " + TypeTextOf(column));
  }
  condition.values.push_back(word == "true" || word == "false" ? Datum::Bool(word == "true")
                                                               : Datum{});
  return {};
}

Status BindPattern(Condition& condition, const std::string& pattern, const Column& column) {
  const std::string name(FilterOpName(condition.op));
  if (!IsTextual(column)) {
    return Refuse("operator " + name + " requires a text-compatible column type, got " +
                  TypeTextOf(column));
  }
  condition.values.push_back(condition.scratch.Keep(pattern));
  if (condition.op == FilterOp::kLike || condition.op == FilterOp::kILike) {
    if (EndsInEscape(pattern)) return Refuse(std::string(kLikeError));
    return {};
  }
  auto regex = CompileRegex(pattern, condition.op == FilterOp::kMatch ? LetterCase::kSensitive
                                                                      : LetterCase::kInsensitive);
  if (!regex.ok()) {
    return Refuse("invalid regular expression for " + name + " filter: " + regex.error().message);
  }
  condition.regex = std::move(*regex);
  return {};
}

Status BindLiterals(Condition& condition, const std::vector<std::string>& texts,
                    const Column& column) {
  if (column.type == ColumnType::kEncoded ||
      (IsOrdering(condition.op) &&
       (column.type == ColumnType::kJson || column.type == ColumnType::kOther))) {
    return Refuse("operator " + std::string(FilterOpName(condition.op)) +
                  " is not supported for column type " + TypeTextOf(column));
  }
  Scratch errors;
  for (const std::string& text : texts) {
    const Datum value = ReadLiteral(text, {BaseOf(column.type)}, errors);
    if (value.is_error()) return Refuse(*errors.error());
    condition.values.push_back(Own(value, condition.scratch));
  }
  return {};
}

void AppendQuoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

std::string CanonicalText(const Condition& condition, const Column& column) {
  std::string text = column.name + (condition.negated ? "=not." : "=");
  text += std::string(FilterOpName(condition.op)) + ".";
  if (condition.op == FilterOp::kIs) {
    const Datum& value = condition.values[0];
    return text + (value.is_null() ? "null" : (value.boolean ? "true" : "false"));
  }
  std::vector<std::string> values;
  for (const Datum& value : condition.values) {
    const Base base = IsPattern(condition.op) ? Base::kText : BaseOf(column.type);
    AppendQuoted(values.emplace_back(), TextOf(value, base));
  }
  if (condition.op != FilterOp::kIn) return text + values[0];
  std::ranges::sort(values);
  values.erase(std::ranges::unique(values).begin(), values.end());
  text += '(';
  for (const std::string& value : values) {
    if (&value != &values.front()) text += ',';
    text += value;
  }
  return text + ')';
}

std::optional<std::vector<Anchor>> AnchorsOfCondition(const Condition& condition) {
  const bool equality = condition.op == FilterOp::kEqual || condition.op == FilterOp::kIn;
  if (!equality || condition.negated) return std::nullopt;
  std::optional<std::vector<Anchor>> all = std::vector<Anchor>{};
  for (const Datum& value : condition.values) {
    all = JoinAnchors(std::move(all), AnchorsFor(condition.column, condition.type, value));
  }
  return all;
}

std::optional<Comparison> ComparisonOf(FilterOp op) {
  switch (op) {
    case FilterOp::kEqual:
      return Comparison::kEqual;
    case FilterOp::kNotEqual:
      return Comparison::kNotEqual;
    case FilterOp::kLess:
      return Comparison::kLess;
    case FilterOp::kLessEqual:
      return Comparison::kLessEqual;
    case FilterOp::kGreater:
      return Comparison::kGreater;
    case FilterOp::kGreaterEqual:
      return Comparison::kGreaterEqual;
    case FilterOp::kIn:
    case FilterOp::kLike:
    case FilterOp::kILike:
    case FilterOp::kIs:
    case FilterOp::kMatch:
    case FilterOp::kIMatch:
    case FilterOp::kIsDistinct:
      return std::nullopt;
  }
  return std::nullopt;
}

// The condition without its `not`, for a value that is not NULL.
bool Holds(const Condition& condition, const Datum& value) {
  const Base base = BaseOf(condition.type);
  if (const auto comparison = ComparisonOf(condition.op)) {
    return Holds(*comparison, Compare(base, value, condition.values[0]));
  }
  if (condition.op == FilterOp::kIn) {
    return std::ranges::any_of(condition.values,
                               [&](const Datum& item) { return Compare(base, value, item) == 0; });
  }
  if (condition.op == FilterOp::kIs) {
    const Datum& wanted = condition.values[0];
    return !wanted.is_null() && wanted.boolean == value.boolean;
  }
  if (condition.op == FilterOp::kIsDistinct) {
    return Compare(base, value, condition.values[0]) != 0;
  }
  if (condition.regex != nullptr) return RegexMatches(*condition.regex, value.text);
  const auto letter_case =
      condition.op == FilterOp::kLike ? LetterCase::kSensitive : LetterCase::kInsensitive;
  return Like(value.text, condition.values[0].text, letter_case).value_or(false);
}

}  // namespace

bool Condition::Matches(const Value& stored) const {
  Scratch evaluation;
  const Datum value = ReadColumn(stored, type, evaluation);
  if (value.is_error()) return false;
  if (!value.is_null()) return Holds(*this, value) != negated;
  if (op == FilterOp::kIs) return values[0].is_null() != negated;
  return op == FilterOp::kIsDistinct && !negated;
}

Result<std::shared_ptr<const Condition>> BindCondition(const ConditionText& text,
                                                       const Relation& relation) {
  const auto index = relation.Find(text.column);
  if (!index) return Refuse("invalid column for filter " + text.column);
  if (text.values.size() > kFilterInValuesMax) {
    return Refuse("too many values for `in` filter. Maximum " + std::to_string(kFilterInValuesMax));
  }
  const Column& column = relation.columns[*index];
  auto condition = std::make_shared<Condition>();
  condition->column = *index;
  condition->type = column.type;
  condition->op = text.op;
  condition->negated = text.negated;
  if (text.op == FilterOp::kIs) {
    TW_RETURN_IF_ERROR(BindIs(*condition, text.values[0], column));
  } else if (IsPattern(text.op)) {
    TW_RETURN_IF_ERROR(BindPattern(*condition, text.values[0], column));
  } else {
    TW_RETURN_IF_ERROR(BindLiterals(*condition, text.values, column));
  }
  condition->canonical = CanonicalText(*condition, column);
  condition->anchors = AnchorsOfCondition(*condition);
  return condition;
}

}  // namespace tw::policy
