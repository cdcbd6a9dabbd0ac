#include "config/node.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/check.h"
#include "base/strings.h"

namespace tw::config {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

bool AllOf(std::string_view text, std::string_view allowed) {
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

std::string_view WithoutSign(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return text;
}

// [-+]?[0-9]+ | 0o[0-7]+ | 0x[0-9a-fA-F]+
bool IsInteger(std::string_view text) {
  if (text.starts_with("0o")) return AllOf(text.substr(2), "01234567");
  if (text.starts_with("0x")) return AllOf(text.substr(2), "0123456789abcdefABCDEF");
  return AllOf(WithoutSign(text), "0123456789");
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? | [-+]?\.(inf|Inf|INF) | \.(nan|NaN|NAN)
bool IsFloat(std::string_view text) {
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return true;
  text = WithoutSign(text);
  if (text == ".inf" || text == ".Inf" || text == ".INF") return true;
  size_t at = 0;
  const auto digits = [&] {
    const size_t first = at;
    while (at < text.size() && IsDigit(text[at])) ++at;
    return at - first;
  };
  const size_t whole = digits();
  size_t fraction = 0;
  if (at < text.size() && text[at] == '.') {
    ++at;
    fraction = digits();
  }
  if (whole + fraction == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

Node::Kind Resolve(std::string_view text) {
  using enum Node::Kind;
  for (const char* null : {"", "~", "null", "Null", "NULL"}) {
    if (text == null) return kNull;
  }
  for (const char* boolean : {"true", "True", "TRUE", "false", "False", "FALSE"}) {
    if (text == boolean) return kBool;
  }
  if (IsInteger(text)) return kInt;
  return IsFloat(text) ? kFloat : kText;
}

template <typename T>
std::optional<T> ParseInteger(std::string_view text) {
  int base = 10;
  if (text.starts_with("0o")) base = 8, text.remove_prefix(2);
  if (text.starts_with("0x")) base = 16, text.remove_prefix(2);
  if (text.starts_with('+')) text.remove_prefix(1);
  T value{};
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value, base);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return value;
}

}  // namespace

Node::Node() = default;
Node::Node(const Node&) = default;
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(const Node&) = default;
Node& Node::operator=(Node&&) noexcept = default;
Node::~Node() = default;

Node Node::Scalar(std::string text, Style style, Location where) {
  Node node;
  node.kind_ = style == Style::kQuoted ? Kind::kText : Resolve(text);
  node.style_ = style;
  node.text_ = std::move(text);
  node.where_ = std::move(where);
  return node;
}

Node Node::List(std::vector<Node> items, Location where) {
  Node node;
  node.kind_ = Kind::kList;
  node.items_ = std::move(items);
  node.where_ = std::move(where);
  return node;
}

Node Node::Map(std::vector<Entry> entries, Location where) {
  Node node;
  node.kind_ = Kind::kMap;
  node.entries_ = std::move(entries);
  node.where_ = std::move(where);
  return node;
}

std::optional<bool> Node::AsBool() const {
  if (kind_ != Kind::kBool) return std::nullopt;
  return text_[0] == 't' || text_[0] == 'T';
}

std::optional<int64_t> Node::AsInt() const {
  return kind_ == Kind::kInt ? ParseInteger<int64_t>(text_) : std::nullopt;
}

std::optional<uint64_t> Node::AsUint() const {
  return kind_ == Kind::kInt ? ParseInteger<uint64_t>(text_) : std::nullopt;
}

std::optional<double> Node::AsDouble() const {
  if (kind_ == Kind::kInt && (text_.starts_with("0o") || text_.starts_with("0x"))) {
    const auto integer = AsUint();
    return integer ? std::optional(static_cast<double>(*integer)) : std::nullopt;
  }
  if (kind_ != Kind::kInt && kind_ != Kind::kFloat) return std::nullopt;
  const std::string_view body = WithoutSign(text_);
  const double sign = text_.starts_with('-') ? -1 : 1;
  if (body.size() == 4 && ToLower(body) == ".nan") return std::nan("");
  if (body.size() == 4 && ToLower(body) == ".inf") return sign * HUGE_VAL;
  return std::strtod(text_.c_str(), nullptr);  // No locale is ever set: '.' is the point.
}

std::span<const Node::Entry> Node::entries() const {
  return entries_;
}

const Node* Node::Find(std::string_view key) const {
  for (const Entry& entry : entries_) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

Node& Node::At(std::string_view key) {
  if (kind_ == Kind::kNull) kind_ = Kind::kMap;
  TW_CHECK(kind_ == Kind::kMap);
  for (Entry& entry : entries_) {
    if (entry.key == key) return entry.value;
  }
  return entries_.emplace_back(Entry{std::string(key), where_, Node()}).value;
}

size_t Node::Count() const {
  size_t count = 1;
  for (const Node& item : items_) count += item.Count();
  for (const Entry& entry : entries_) count += 1 + entry.value.Count();
  return count;
}

std::string Node::Describe() const {
  constexpr size_t kShownMax = 40;
  std::string shown = text_.substr(0, kShownMax);
  if (shown.size() < text_.size()) shown += "…";
  switch (kind_) {
    case Kind::kNull:
      return "nothing";
    case Kind::kBool:
      return "boolean " + shown;
    case Kind::kInt:
      return "integer " + shown;
    case Kind::kFloat:
      return "number " + shown;
    case Kind::kText:
      return "text '" + shown + "'";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
  }
  TW_UNREACHABLE();
}

}  // namespace tw::config
