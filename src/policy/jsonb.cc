#include "policy/jsonb.h"

#include <algorithm>

#include "base/strings.h"
#include "policy/cast.h"
#include "policy/decimal.h"

namespace tw::policy {
namespace {

bool IsNumber(const json::Value& value) {
  return value.kind() == json::Kind::kInt || value.kind() == json::Kind::kNumber;
}

bool NumbersEqual(const json::Value& a, const json::Value& b) {
  if (a.kind() == json::Kind::kInt && b.kind() == json::Kind::kInt) return a.GetInt() == b.GetInt();
  const auto left = CanonicalDecimal(a.NumberText());
  const auto right = CanonicalDecimal(b.NumberText());
  return left.ok() && right.ok() && CompareDecimals(*left, *right) == 0;
}

// The member is the one that counts: of duplicate keys the last.
bool Counts(const json::Value& object, const json::Member& member) {
  return object.Find(member.key) == &member.value;
}

bool ObjectIn(const json::Value& a, const json::Value& b,
              bool (*holds)(const json::Value&, const json::Value&)) {
  return std::ranges::all_of(b.members(), [&](const json::Member& member) {
    if (!Counts(b, member)) return true;
    const json::Value* found = a.Find(member.key);
    return found != nullptr && holds(*found, member.value);
  });
}

size_t CountKeys(const json::Value& object) {
  return static_cast<size_t>(std::ranges::count_if(
      object.members(), [&](const json::Member& member) { return Counts(object, member); }));
}

bool IsContainer(const json::Value& value) {
  return value.is_array() || value.is_object();
}

// Containment below the top level: scalars must be equal, containers of one kind.
bool ContainsNested(const json::Value& a, const json::Value& b) {
  if (!IsContainer(b)) return JsonbEqual(a, b);
  return a.kind() == b.kind() && JsonbContains(a, b);
}

}  // namespace

bool JsonbEqual(const json::Value& a, const json::Value& b) {
  if (IsNumber(a) && IsNumber(b)) return NumbersEqual(a, b);
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case json::Kind::kNull:
      return true;
    case json::Kind::kBool:
      return a.GetBool() == b.GetBool();
    case json::Kind::kString:
      return a.GetString() == b.GetString();
    case json::Kind::kArray:
      return std::ranges::equal(a.items(), b.items(), JsonbEqual);
    case json::Kind::kObject:
      return CountKeys(a) == CountKeys(b) && ObjectIn(a, b, JsonbEqual);
    case json::Kind::kInt:
    case json::Kind::kNumber:
      return false;  // Handled above.
  }
  return false;
}

bool JsonbContains(const json::Value& a, const json::Value& b) {
  if (a.is_object() && b.is_object()) return ObjectIn(a, b, ContainsNested);
  if (a.is_array() && !IsContainer(b)) {
    return std::ranges::any_of(a.items(), [&](const auto& item) { return JsonbEqual(item, b); });
  }
  if (a.is_array() && b.is_array()) {
    return std::ranges::all_of(b.items(), [&](const json::Value& wanted) {
      return std::ranges::any_of(a.items(),
                                 [&](const auto& item) { return ContainsNested(item, wanted); });
    });
  }
  return !IsContainer(a) && !IsContainer(b) && JsonbEqual(a, b);
}

bool JsonbExists(const json::Value& a, std::string_view key) {
  if (a.is_object()) return a.Find(key) != nullptr;
  const auto is_key = [&](const json::Value& v) { return v.is_string() && v.GetString() == key; };
  return a.is_array() ? std::ranges::any_of(a.items(), is_key) : is_key(a);
}

const json::Value* JsonbItem(const json::Value& a, int64_t index) {
  const auto items = a.items();
  const auto size = static_cast<int64_t>(items.size());
  if (index < 0) index += size;
  return index < 0 || index >= size ? nullptr : &items[static_cast<size_t>(index)];
}

const json::Value* JsonbPath(const json::Value& a, const std::vector<Datum>& path) {
  const json::Value* at = &a;
  for (const Datum& step : path) {
    if (step.is_null() || !IsContainer(*at)) return nullptr;
    if (at->is_object()) {
      at = at->Find(step.text);
    } else {
      const auto index = ParseInt64(step.text);
      at = index ? JsonbItem(*at, *index) : nullptr;
    }
    if (at == nullptr) return nullptr;
  }
  return at;
}

Datum JsonbText(const json::Value* value, Scratch& scratch) {
  if (value == nullptr || value->is_null()) return {};
  if (value->is_string()) return Datum::Text(value->GetString());
  std::string text;
  AppendJsonb(text, *value);
  return scratch.Keep(std::move(text));
}

}  // namespace tw::policy
