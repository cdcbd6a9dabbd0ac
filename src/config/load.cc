#include "config/load.h"

#include <algorithm>

#include "base/strings.h"

namespace tw::config {
namespace {

constexpr std::string_view kNotHere =
    "${env:…} and ${file:…} are not allowed here, only in secrets and in fields that say so";

}  // namespace

std::string Reader::Named(std::string_view message) const {
  return path_.empty() ? std::string(message) : path_ + ": " + std::string(message);
}

void Reader::Fail(const Location& where, std::string_view message) {
  problems_.Add(where, Named(message));
}

void Reader::WrongType(const Node& node, std::string_view expected) {
  Fail(node.where(), "expected " + std::string(expected) + ", found " + node.Describe());
}

void Reader::OutOfBounds(const Node& node, const std::string& min, const std::string& max) {
  Fail(node.where(), node.text() + " is out of bounds: " + min + " to " + max);
}

void Reader::UnknownKeys(const Node& map, std::span<const std::string_view> known) {
  for (const Node::Entry& entry : map.entries()) {
    if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
    std::string message = "unknown key '" + entry.key + "'";
    if (!path_.empty()) message += " in " + path_;
    if (const auto nearest = Nearest(entry.key, known)) {
      message += "; did you mean '" + std::string(*nearest) + "'?";
    }
    problems_.Add(entry.where, std::move(message));
  }
}

void Reader::Missing(const Node& map, std::string_view key) {
  Fail(map.where(), "required key '" + std::string(key) + "' is missing");
}

size_t Reader::Enter(std::string_view key) {
  const size_t mark = path_.size();
  if (!path_.empty()) path_ += '.';
  path_ += key;
  return mark;
}

size_t Reader::Enter(size_t index) {
  const size_t mark = path_.size();
  path_ += '[' + std::to_string(index) + ']';
  return mark;
}

std::optional<bool> Reader::ReadBool(const Node& node) {
  const auto value = node.AsBool();
  if (!value) WrongType(node, "true or false");
  return value;
}

std::optional<int64_t> Reader::ReadSigned(const Node& node, int64_t min, int64_t max) {
  if (node.kind() != Node::Kind::kInt) {
    WrongType(node, "an integer");
    return std::nullopt;
  }
  const auto value = node.AsInt();
  if (value && *value >= min && *value <= max) return value;
  OutOfBounds(node, std::to_string(min), std::to_string(max));
  return std::nullopt;
}

std::optional<uint64_t> Reader::ReadUnsigned(const Node& node, uint64_t min, uint64_t max) {
  if (node.kind() != Node::Kind::kInt) {
    WrongType(node, "an integer");
    return std::nullopt;
  }
  const auto value = node.AsUint();
  if (value && *value >= min && *value <= max) return value;
  OutOfBounds(node, std::to_string(min), std::to_string(max));
  return std::nullopt;
}

std::optional<double> Reader::ReadDouble(const Node& node) {
  const auto value = node.AsDouble();
  if (!value) WrongType(node, "a number");
  return value;
}

std::optional<std::string> Reader::ReadText(const Node& node, Key key) {
  const bool text = node.kind() == Node::Kind::kText ||
                    (node.is_scalar() && node.style() == Node::Style::kOverride);
  if (!text) {
    const bool quotable = node.is_scalar() && !node.is_null();
    WrongType(node, quotable ? "text (in quotes)" : "text");
    return std::nullopt;
  }
  if (!HasReference(node.text())) return node.text();
  if (!key.expands) {
    Fail(node.where(), kNotHere);
    return std::nullopt;
  }
  auto value = Substitute(node.text(), environment_);
  if (value.ok()) return *std::move(value);
  Fail(node.where(), value.error().message);
  return std::nullopt;
}

std::optional<Secret> Reader::ReadSecret(const Node& node) {
  if (!node.is_scalar() || node.is_null()) {
    Fail(node.where(), "expected ${env:NAME} or ${file:PATH}");
    return std::nullopt;
  }
  if (IsReference(node.text())) {
    auto value = Substitute(node.text(), environment_);
    if (value.ok()) return Secret(*std::move(value), node.text());
    Fail(node.where(), value.error().message);
    return std::nullopt;
  }
  const bool literal =
      options_.literal_secrets == LiteralSecrets::kAllowed && !HasReference(node.text());
  if (literal || node.style() == Node::Style::kOverride) return Secret(node.text());
  // The text is not shown: it may be the secret.
  Fail(node.where(), "a secret must be ${env:NAME} or ${file:PATH}, not the value itself");
  return std::nullopt;
}

std::optional<std::chrono::microseconds> Reader::ReadDuration(const Node& node) {
  if (node.kind() == Node::Kind::kText) {
    const auto value = ParseDuration(node.text());
    if (value.ok()) return *value;
    Fail(node.where(),
         "expected a duration such as '5s', found '" + node.text() + "': " + value.error().message);
  } else {
    WrongType(node, "a duration such as '5s'");
  }
  return std::nullopt;
}

std::optional<ByteSize> Reader::ReadByteSize(const Node& node) {
  if (node.kind() == Node::Kind::kText) {
    const auto value = ParseByteSize(node.text());
    if (value.ok()) return *value;
    Fail(node.where(),
         "expected a size such as '64KiB', found '" + node.text() + "': " + value.error().message);
  } else {
    WrongType(node, "a size such as '64KiB'");
  }
  return std::nullopt;
}

std::optional<Percent> Reader::ReadPercent(const Node& node) {
  if (node.kind() == Node::Kind::kText) {
    const auto value = ParsePercent(node.text());
    if (value.ok()) return *value;
  }
  WrongType(node, "a share such as '5%'");
  return std::nullopt;
}

std::optional<size_t> Reader::ReadChoice(const Node& node,
                                         std::span<const std::string_view> names) {
  if (node.is_scalar()) {
    for (size_t i = 0; i < names.size(); ++i) {
      if (names[i] == node.text()) return i;
    }
  }
  std::string expected = "one of";
  for (size_t i = 0; i < names.size(); ++i) {
    expected += (i == 0 ? " '" : ", '") + std::string(names[i]) + "'";
  }
  std::string message = "expected " + expected + ", found " + node.Describe();
  if (const auto nearest = Nearest(node.text(), names)) {
    message += "; did you mean '" + std::string(*nearest) + "'?";
  }
  Fail(node.where(), message);
  return std::nullopt;
}

}  // namespace tw::config
