// Groups of conditions: or=(a.eq.1,and(b.gt.2,c.is.null)), as PostgREST writes them.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "policy/filter.h"
#include "policy/filter_condition.h"
#include "policy/program.h"

namespace tw::policy {
namespace {

std::unexpected<Error> Refuse(std::string message) {
  return Fail(ErrorCode::kInvalidArgument, std::move(message));
}

// "or", "and", "not.or" or "not.and".
struct GroupName {
  Condition::Kind kind = Condition::Kind::kAny;
  bool negated = false;
};

std::optional<GroupName> GroupNameOf(std::string_view name) {
  GroupName group;
  if (name.starts_with("not.")) {
    group.negated = true;
    name.remove_prefix(4);
  }
  if (name == "or") return group;
  group.kind = Condition::Kind::kAll;
  if (name == "and") return group;
  return std::nullopt;
}

Condition::Kind Opposite(Condition::Kind kind) {
  return kind == Condition::Kind::kAny ? Condition::Kind::kAll : Condition::Kind::kAny;
}

// A group as an element of another: its name and the parenthesis that ends the text.
std::optional<std::pair<GroupName, std::string_view>> NestedGroup(std::string_view element) {
  const size_t open = element.find('(');
  if (open == element.npos || !element.ends_with(')')) return std::nullopt;
  const auto name = GroupNameOf(element.substr(0, open));
  if (!name) return std::nullopt;
  return std::pair{*name, element.substr(open)};
}

class GroupParser {
 public:
  explicit GroupParser(const Relation& relation) : relation_(relation) {}

  // `text` is "(…)". NOT is moved inwards (De Morgan), so that every group asks only which of its
  // parts are TRUE, and NULL stays "not TRUE" at every depth.
  Result<std::shared_ptr<const Condition>> Parse(GroupName name, std::string_view text,
                                                 int depth) {
    if (depth > kFilterDepthMax) {
      return Fail(ErrorCode::kResourceExhausted,
                  "filter groups nest deeper than " + std::to_string(kFilterDepthMax));
    }
    auto group = std::make_shared<Condition>();
    group->kind = name.negated ? Opposite(name.kind) : name.kind;
    for (std::string_view element : SplitConditions(text.substr(1, text.size() - 2))) {
      element = Trim(element);
      if (element.empty()) {
        return Refuse("filter must not contain empty segments (check for extra commas)");
      }
      if (++conditions_ > kFilterConditionsMax) {
        return Fail(ErrorCode::kResourceExhausted,
                    "more than " + std::to_string(kFilterConditionsMax) + " filter conditions");
      }
      TW_ASSIGN_OR_RETURN(auto part, ParseElement(element, name.negated, depth));
      group->parts.push_back(std::move(part));
    }
    Settle(*group);
    return group;
  }

 private:
  Result<std::shared_ptr<const Condition>> ParseElement(std::string_view element, bool negated,
                                                        int depth) {
    if (auto nested = NestedGroup(element)) {
      nested->first.negated = nested->first.negated != negated;
      return Parse(nested->first, nested->second, depth + 1);
    }
    const size_t dot = element.find('.');
    if (dot == element.npos || dot == 0) {
      return Refuse("Error parsing `filter` params: [\"" + std::string(element) + "\"]");
    }
    TW_ASSIGN_OR_RETURN(ConditionText condition,
                        ParseOperation(element.substr(0, dot), element.substr(dot + 1)));
    condition.negated = condition.negated != negated;
    return BindCondition(condition, relation_);
  }

  static void Settle(Condition& group) {
    std::ranges::sort(group.parts, {}, [](const auto& part) { return part->canonical; });
    const bool any = group.kind == Condition::Kind::kAny;
    group.canonical = any ? "or=(" : "and=(";
    group.anchors = any ? std::optional(std::vector<Anchor>{}) : std::nullopt;
    for (const auto& part : group.parts) {
      if (part != group.parts.front()) group.canonical += ',';
      // An element has no '=': "a=eq.1" becomes "a.eq.1" and "or=(…)" becomes "or(…)".
      const size_t equals = part->canonical.find('=');
      group.canonical += part->canonical.substr(0, equals);
      if (part->kind == Condition::Kind::kLeaf) group.canonical += '.';
      group.canonical += part->canonical.substr(equals + 1);
      group.anchors = any ? JoinAnchors(std::move(group.anchors), part->anchors)
                          : BetterAnchors(std::move(group.anchors), part->anchors);
    }
    group.canonical += ')';
  }

  const Relation& relation_;
  size_t conditions_ = 0;
};

}  // namespace

bool IsGroup(std::string_view column, std::string_view operation) {
  return GroupNameOf(column).has_value() && operation.starts_with('(') &&
         operation.ends_with(')');
}

Result<std::shared_ptr<const Condition>> BindGroup(std::string_view name, std::string_view text,
                                                   const Relation& relation) {
  return GroupParser(relation).Parse(*GroupNameOf(name), text, 1);
}

bool Condition::MatchesRow(const Row& row) const {
  const auto matches = [&](const auto& part) { return part->MatchesRow(row); };
  switch (kind) {
    case Kind::kLeaf:
      TW_CHECK(column < row.size());
      return Matches(row[column]);
    case Kind::kAny:
      return std::ranges::any_of(parts, matches);
    case Kind::kAll:
      return std::ranges::all_of(parts, matches);
  }
  TW_UNREACHABLE();
}

}  // namespace tw::policy
