// The reference of random_policy.h: SQL's logic once more, written apart, and breakable on purpose.
#include <algorithm>
#include <string_view>

#include "base/strings.h"
#include "policy/random_policy.h"

namespace tw::policy::random {
namespace {

int Order(const Scalar& a, const Scalar& b) {
  if (const auto* text = a.AsText()) return text->compare(*b.AsText());
  if (const auto* number = a.AsInt()) return (*number > *b.AsInt()) - (*number < *b.AsInt());
  return int{*a.AsBool()} - int{*b.AsBool()};
}

class Reference {
 public:
  Reference(const Row& row, const ClaimSet& claims, Mutation mutation)
      : row_(row), claims_(claims), mutation_(mutation) {}

  Scalar Run(const Node& node) const {
    switch (node.kind) {
      case Kind::kLiteral:
        return node.literal;
      case Kind::kColumn:
        return row_[node.column];
      case Kind::kUid:
        return claims_.uid;
      case Kind::kOrg:
        return claims_.org;
      case Kind::kTeam:
        return claims_.team;
      case Kind::kAnd:
        return Join(node, false, Mutation::kAndWithNullIsNull);
      case Kind::kOr:
        return Join(node, true, Mutation::kOrWithNullIsNull);
      case Kind::kNot:
        return Not(Run(node.children[0]));
      case Kind::kIsNull:
        return Run(node.children[0]).is_null();
      case Kind::kIsTrue:
        return Is(Run(node.children[0]), true);
      case Kind::kIsFalse:
        return Is(Run(node.children[0]), false);
      case Kind::kIsNotTrue:
        return !Is(Run(node.children[0]), true);
      case Kind::kIn:
        return In(node);
      case Kind::kNotIn:
        return Not(In(node));
      case Kind::kCase:
        return Run(node.children[Is(Run(node.children[0]), true) ? 1 : 2]);
      case Kind::kCoalesce: {
        const Scalar first = Run(node.children[0]);
        return first.is_null() ? Run(node.children[1]) : first;
      }
      default:
        return Plain(node);
    }
  }

 private:
  static bool Is(const Scalar& value, bool truth) {
    return value.AsBool() != nullptr && *value.AsBool() == truth;
  }
  static Scalar Not(const Scalar& value) {
    if (value.is_null()) return value;
    return !*value.AsBool();
  }
  bool Broken(Mutation mutation) const { return mutation_ == mutation; }

  Scalar Join(const Node& node, bool decisive, Mutation null_wins) const {
    bool unknown = false;
    bool decided = false;
    for (const Node& child : node.children) {
      const Scalar value = Run(child);
      unknown |= value.is_null();
      decided |= Is(value, decisive);
    }
    if (decided && !(unknown && Broken(null_wins))) return decisive;
    return unknown ? Scalar{} : Scalar(!decisive);
  }

  Scalar Equal(const Scalar& a, const Scalar& b) const {
    if (a.is_null() || b.is_null()) {
      return Broken(Mutation::kEqualNullIsFalse) ? Scalar(false) : Scalar{};
    }
    return Order(a, b) == 0;
  }

  Scalar In(const Node& node) const {
    const Scalar value = Run(node.children[0]);
    if (value.is_null()) return value;
    bool unknown = false;
    for (size_t i = 1; i < node.children.size(); ++i) {
      const Scalar item = Run(node.children[i]);
      if (!item.is_null() && Order(value, item) == 0) return true;
      unknown |=
          item.is_null() && !(node.kind == Kind::kNotIn && Broken(Mutation::kNotInIgnoresNull));
    }
    return unknown ? Scalar{} : Scalar(false);
  }

  Scalar Plain(const Node& node) const {
    std::vector<Scalar> values;
    bool any_null = false;
    for (const Node& child : node.children) {
      values.push_back(Run(child));
      any_null |= values.back().is_null();
    }
    if (node.kind == Kind::kEqual) return Equal(values[0], values[1]);
    if (node.kind == Kind::kDistinct && any_null) {
      if (Broken(Mutation::kDistinctLikeNotEqual)) return {};
      return values[0].is_null() != values[1].is_null();
    }
    if (node.kind == Kind::kBetween) return Between(values);
    if (node.kind == Kind::kNullIf) {
      return !any_null && Order(values[0], values[1]) == 0 ? Scalar{} : values[0];
    }
    if (any_null) return {};
    return Strict(node.kind, values);
  }

  Scalar Between(const std::vector<Scalar>& v) const {
    const int least = Broken(Mutation::kBetweenIsExclusive) ? 1 : 0;
    if (!v[0].is_null() && ((!v[1].is_null() && Order(v[0], v[1]) < least) ||
                            (!v[2].is_null() && Order(v[2], v[0]) < least))) {
      return false;
    }
    return v[0].is_null() || v[1].is_null() || v[2].is_null() ? Scalar{} : Scalar(true);
  }

  Scalar Strict(Kind kind, const std::vector<Scalar>& v) const {
    switch (kind) {
      case Kind::kNotEqual:
      case Kind::kDistinct:
        return Order(v[0], v[1]) != 0;
      case Kind::kLess:
        return Order(v[0], v[1]) < 0;
      case Kind::kLessEqual:
        return Order(v[0], v[1]) <= 0;
      case Kind::kLike:
        return LikeOf(*v[0].AsText(), *v[1].AsText());
      case Kind::kConcatenate:
        return *v[0].AsText() + *v[1].AsText();
      case Kind::kLower:
        return ToLower(*v[0].AsText());
      case Kind::kLength:
        return static_cast<int64_t>(v[0].AsText()->size());
      case Kind::kAdd:
        return *v[0].AsInt() + *v[1].AsInt();
      case Kind::kSubtract:
        return *v[0].AsInt() - *v[1].AsInt();
      case Kind::kMultiply:
        return *v[0].AsInt() * *v[1].AsInt();
      case Kind::kRemainder:
        return *v[0].AsInt() % *v[1].AsInt();
      default: {
        const int64_t a = *v[0].AsInt();
        const int64_t b = *v[1].AsInt();
        const bool down = Broken(Mutation::kDivisionRoundsDown) && a % b != 0 && (a < 0) != (b < 0);
        return a / b - (down ? 1 : 0);
      }
    }
  }

  // By recursion: nothing in common with the matcher under test.
  bool LikeOf(std::string_view text, std::string_view pattern) const {
    if (pattern.empty()) return text.empty();
    if (pattern[0] == '%') {
      return LikeOf(text, pattern.substr(1)) || (!text.empty() && LikeOf(text.substr(1), pattern));
    }
    if (text.empty()) return false;
    const bool fold = Broken(Mutation::kLikeFoldsCase);
    const bool same = pattern[0] == '_' || text[0] == pattern[0] ||
                      (fold && ToLower(text.substr(0, 1)) == ToLower(pattern.substr(0, 1)));
    return same && LikeOf(text.substr(1), pattern.substr(1));
  }

  const Row& row_;
  const ClaimSet& claims_;
  Mutation mutation_;
};

}  // namespace

Scalar Run(const Node& node, const Row& row, const ClaimSet& claims, Mutation mutation) {
  return Reference(row, claims, mutation).Run(node);
}

bool Visible(const PolicySet& set, const Row& row, const ClaimSet& claims, Mutation mutation) {
  const auto passes = [&](const Node& node) {
    const Scalar value = Run(node, row, claims, mutation);
    if (value.is_null()) return mutation == Mutation::kNullIsVisible;
    return *value.AsBool();
  };
  const bool permitted = mutation == Mutation::kPermissiveJoinedByAnd
                             ? std::ranges::all_of(set.permissive, passes)
                             : std::ranges::any_of(set.permissive, passes);
  return permitted && (mutation == Mutation::kRestrictiveIgnored ||
                       std::ranges::all_of(set.restrictive, passes));
}

}  // namespace tw::policy::random
