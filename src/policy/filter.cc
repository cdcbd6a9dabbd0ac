#include "policy/filter.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "policy/filter_condition.h"
#include "policy/program.h"

namespace tw::policy {
namespace {

constexpr std::array<std::pair<std::string_view, FilterOp>, 13> kOps = {{
    {"eq", FilterOp::kEqual},
    {"neq", FilterOp::kNotEqual},
    {"lt", FilterOp::kLess},
    {"lte", FilterOp::kLessEqual},
    {"gt", FilterOp::kGreater},
    {"gte", FilterOp::kGreaterEqual},
    {"in", FilterOp::kIn},
    {"like", FilterOp::kLike},
    {"ilike", FilterOp::kILike},
    {"is", FilterOp::kIs},
    {"match", FilterOp::kMatch},
    {"imatch", FilterOp::kIMatch},
    {"isdistinct", FilterOp::kIsDistinct},
}};

// The upstream message shows the parts as an Elixir list: ["foo", "hey"].
std::unexpected<Error> Unparsable(std::initializer_list<std::string_view> parts) {
  std::string message = "Error parsing `filter` params: [";
  const char* separator = "";
  for (const std::string_view part : parts) {
    message += separator;
    message += '"';
    for (const char c : part) {
      if (c == '"' || c == '\\') message += '\\';
      message += c;
    }
    message += '"';
    separator = ", ";
  }
  return Fail(ErrorCode::kInvalidArgument, message + "]");
}

// Removes a quoted text from the front of `text`; nullopt when none starts there or it never ends.
std::optional<std::string> TakeQuoted(std::string_view& text) {
  if (!text.starts_with('"')) return std::nullopt;
  std::string value;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return value;
    }
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    value += text[i];
  }
  return std::nullopt;
}

// The whole text quoted, or as it stands.
std::string Unquoted(std::string_view text) {
  std::string_view rest = text;
  auto quoted = TakeQuoted(rest);
  return quoted && rest.empty() ? *std::move(quoted) : std::string(text);
}

// "(a,\"b,c\")" → a · b,c
std::optional<std::vector<std::string>> ParseList(std::string_view text) {
  if (text.size() < 2 || !text.starts_with('(') || !text.ends_with(')')) return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::vector<std::string> items;
  if (Trim(text).empty()) return items;
  while (true) {
    std::string_view rest = text;
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    auto quoted = TakeQuoted(rest);
    const bool whole = quoted && (Trim(rest).empty() || Trim(rest).starts_with(','));
    if (!whole) rest = text;
    const size_t comma = rest.find(',');
    items.push_back(whole ? *std::move(quoted) : std::string(rest.substr(0, comma)));
    if (comma == rest.npos) return items;
    text = rest.substr(comma + 1);
  }
}

}  // namespace

std::optional<FilterOp> FilterOpByName(std::string_view name) {
  for (const auto& [known, op] : kOps) {
    if (known == name) return op;
  }
  return std::nullopt;
}

std::string_view FilterOpName(FilterOp op) {
  for (const auto& [name, known] : kOps) {
    if (known == op) return name;
  }
  TW_UNREACHABLE();
}

std::vector<std::string_view> SplitConditions(std::string_view text) {
  std::vector<std::string_view> parts;
  size_t start = 0;
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        quoted = false;
      }
      continue;
    }
    if (c == '"') quoted = true;
    if (c == '(') ++depth;
    if (c == ')' && depth > 0) --depth;
    if (c == ',' && depth == 0) {
      parts.push_back(text.substr(start, i - start));
      start = i + 1;
    }
  }
  parts.push_back(text.substr(start));
  return parts;
}

Result<ConditionText> ParseOperation(std::string_view column, std::string_view operation) {
  ConditionText condition;
  condition.column = std::string(column);
  if (operation.starts_with("not.")) {
    condition.negated = true;
    operation.remove_prefix(4);
  }
  const size_t dot = operation.find('.');
  if (dot == operation.npos) return Unparsable({operation});
  const std::string_view name = operation.substr(0, dot);
  const std::string_view value = operation.substr(dot + 1);
  const auto op = FilterOpByName(name);
  if (!op) return Unparsable({name, value});
  condition.op = *op;
  if (*op == FilterOp::kIn) {
    auto items = ParseList(value);
    if (!items) {
      return Fail(ErrorCode::kInvalidArgument, "`in` filter value must be wrapped by parentheses");
    }
    condition.values = *std::move(items);
    return condition;
  }
  condition.values.push_back(Unquoted(value));
  if (*op == FilterOp::kIs) {
    std::string& word = condition.values[0];
    word = ToLower(word);
    if (word != "null" && word != "true" && word != "false" && word != "unknown") {
      return Unparsable({name, value});
    }
  }
  return condition;
}

Result<Filter> Filter::Parse(std::string_view text, const Relation& relation) {
  if (text.size() > kFilterBytesMax) {
    return Fail(ErrorCode::kResourceExhausted,
                "filter longer than " + std::to_string(kFilterBytesMax) + " bytes");
  }
  Filter filter;
  if (Trim(text).empty()) return filter;
  if (!IsUtf8(text)) return Fail(ErrorCode::kInvalidArgument, "filter is not valid UTF-8");
  const auto segments = SplitConditions(text);
  if (segments.size() > kFilterConditionsMax) {
    return Fail(ErrorCode::kResourceExhausted,
                "more than " + std::to_string(kFilterConditionsMax) + " filter conditions");
  }
  for (std::string_view segment : segments) {
    if (Trim(segment).empty()) {
      return Fail(ErrorCode::kInvalidArgument,
                  "filter must not contain empty segments (check for extra commas)");
    }
    // "a=eq.1, b=eq.2": the space behind a comma is no part of a name.
    segment.remove_prefix(segment.find_first_not_of(" \t\r\n\v\f"));
    const size_t equals = segment.find('=');
    if (equals == segment.npos) return Unparsable({segment});
    const std::string_view column = segment.substr(0, equals);
    const std::string_view operation = segment.substr(equals + 1);
    if (IsGroup(column, operation)) {
      TW_ASSIGN_OR_RETURN(auto group, BindGroup(column, operation, relation));
      filter.conditions_.push_back(std::move(group));
      continue;
    }
    TW_ASSIGN_OR_RETURN(const ConditionText condition, ParseOperation(column, operation));
    TW_ASSIGN_OR_RETURN(auto bound, BindCondition(condition, relation));
    filter.conditions_.push_back(std::move(bound));
  }
  filter.Settle();
  return filter;
}

Result<Filter> Filter::ParseCondition(std::string_view column, std::string_view operation,
                                      const Relation& relation) {
  if (operation.size() > kFilterBytesMax) {
    return Fail(ErrorCode::kResourceExhausted,
                "filter longer than " + std::to_string(kFilterBytesMax) + " bytes");
  }
  if (!IsUtf8(operation)) return Fail(ErrorCode::kInvalidArgument, "filter is not valid UTF-8");
  if (IsGroup(column, operation)) {
    Filter filter;
    TW_ASSIGN_OR_RETURN(auto group, BindGroup(column, operation, relation));
    filter.conditions_.push_back(std::move(group));
    filter.Settle();
    return filter;
  }
  TW_ASSIGN_OR_RETURN(ConditionText condition, ParseOperation(column, operation));
  if (condition.op == FilterOp::kLike || condition.op == FilterOp::kILike) {
    std::ranges::replace(condition.values[0], '*', '%');
  }
  Filter filter;
  TW_ASSIGN_OR_RETURN(auto bound, BindCondition(condition, relation));
  filter.conditions_.push_back(std::move(bound));
  filter.Settle();
  return filter;
}

Filter Filter::And(const Filter& a, const Filter& b) {
  Filter both = a;
  both.conditions_.insert(both.conditions_.end(), b.conditions_.begin(), b.conditions_.end());
  both.Settle();
  return both;
}

bool Filter::Matches(const Row& row) const {
  return std::ranges::all_of(conditions_,
                             [&](const auto& condition) { return condition->MatchesRow(row); });
}

std::span<const Anchor> Filter::equalities() const {
  if (best_ == nullptr) return {};
  return *best_->anchors;
}

void Filter::Settle() {
  std::ranges::sort(conditions_, {}, [](const auto& held) { return held->canonical; });
  const auto same = [](const auto& a, const auto& b) { return a->canonical == b->canonical; };
  conditions_.erase(std::ranges::unique(conditions_, same).begin(), conditions_.end());
  canonical_.clear();
  best_ = nullptr;
  for (const auto& condition : conditions_) {
    if (!canonical_.empty()) canonical_ += ',';
    canonical_ += condition->canonical;
    if (!condition->anchors) continue;
    if (best_ == nullptr || AnchorsSelectMore(*condition->anchors, *best_->anchors)) {
      best_ = condition.get();
    }
  }
}

}  // namespace tw::policy
