#include <charconv>
#include <cmath>

#include "base/check.h"
#include "json/json.h"

namespace tw::json {

bool Value::GetBool() const {
  TW_CHECK(kind_ == Kind::kBool);
  return bool_;
}

int64_t Value::GetInt() const {
  TW_CHECK(kind_ == Kind::kInt);
  return int_;
}

double Value::GetDouble() const {
  TW_CHECK(kind_ == Kind::kInt || kind_ == Kind::kNumber);
  return kind_ == Kind::kInt ? static_cast<double>(int_) : double_;
}

std::string_view Value::GetString() const {
  TW_CHECK(kind_ == Kind::kString);
  return {static_cast<const char*>(data_), size_};
}

std::string_view Value::NumberText() const {
  TW_CHECK(kind_ == Kind::kInt || kind_ == Kind::kNumber);
  return {static_cast<const char*>(data_), size_};
}

std::span<const Value> Value::items() const {
  if (kind_ != Kind::kArray) return {};
  return {static_cast<const Value*>(data_), size_};
}

std::span<const Member> Value::members() const {
  if (kind_ != Kind::kObject) return {};
  return {static_cast<const Member*>(data_), size_};
}

std::optional<bool> Value::AsBool() const {
  return kind_ == Kind::kBool ? std::optional(bool_) : std::nullopt;
}

std::optional<int64_t> Value::AsInt() const {
  return kind_ == Kind::kInt ? std::optional(int_) : std::nullopt;
}

std::optional<std::string_view> Value::AsString() const {
  return kind_ == Kind::kString ? std::optional(GetString()) : std::nullopt;
}

Value Value::operator[](std::string_view key) const {
  const Value* found = Find(key);
  return found == nullptr ? Value() : *found;
}

const Value* Value::Find(std::string_view key) const {
  const auto all = members();
  for (size_t i = all.size(); i-- > 0;) {
    if (all[i].key == key) return &all[i].value;
  }
  return nullptr;
}

std::string Value::ToText() const {
  std::string out;
  AppendTo(out);
  return out;
}

void Value::AppendTo(std::string& out) const {
  switch (kind_) {
    case Kind::kNull: out += "null"; return;
    case Kind::kBool: out += bool_ ? "true" : "false"; return;
    case Kind::kInt:
    case Kind::kNumber: out += NumberText(); return;
    case Kind::kString: AppendString(out, GetString()); return;
    case Kind::kArray: {
      char separator = '[';
      for (const Value& item : items()) {
        out.push_back(separator);
        item.AppendTo(out);
        separator = ',';
      }
      out += items().empty() ? "[]" : "]";
      return;
    }
    case Kind::kObject: {
      char separator = '{';
      for (const Member& member : members()) {
        out.push_back(separator);
        AppendString(out, member.key);
        out.push_back(':');
        member.value.AppendTo(out);
        separator = ',';
      }
      out += members().empty() ? "{}" : "}";
      return;
    }
  }
}

}  // namespace tw::json
