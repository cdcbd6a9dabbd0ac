#include <cstdio>

#include "config/node.h"
#include "json/json.h"

namespace tw::config {
namespace {

bool IsWordChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '/';
}

// Texts that stay themselves without quotes, in block and in flow style. Narrower than YAML's rule.
bool IsSafePlain(std::string_view text) {
  if (text.empty() || !IsWordChar(text.front()) || !IsWordChar(text.back())) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool inner = c == '-' || c == '+' || c == '@' || c == '%' || c == '=' || c == ';' ||
                       c == '(' || c == ')';
    const bool between_words =
        (c == ' ' || c == ':') && IsWordChar(text[i + 1]) && IsWordChar(text[i - 1]);
    if (!IsWordChar(c) && !inner && !between_words) return false;
  }
  // A document marker or a value of another type must be quoted.
  return text != "..." &&
         Node::Scalar(std::string(text), Node::Style::kPlain).kind() == Node::Kind::kText;
}

void AppendQuoted(std::string& out, std::string_view text) {
  std::string quoted;
  json::AppendString(quoted, text);
  for (const char c : quoted) {
    if (c == '\x7f') {
      out += "\\u007f";
    } else {
      out += c;
    }
  }
}

void AppendScalar(std::string& out, const Node& node) {
  if (node.is_null()) {
    out += "null";
  } else if (node.kind() != Node::Kind::kText || IsSafePlain(node.text())) {
    out += node.text();
  } else {
    AppendQuoted(out, node.text());
  }
}

void AppendKey(std::string& out, std::string_view key) {
  if (IsSafePlain(key)) {
    out += key;
  } else {
    AppendQuoted(out, key);
  }
  out += ':';
}

void AppendFlow(std::string& out, const Node& node) {
  if (node.is_scalar()) return AppendScalar(out, node);
  std::string_view separator;
  out += node.is_map() ? '{' : '[';
  for (const Node& item : node.items()) {
    out += separator;
    AppendFlow(out, item);
    separator = ", ";
  }
  for (const Node::Entry& entry : node.entries()) {
    out += separator;
    AppendKey(out, entry.key);
    out += ' ';
    AppendFlow(out, entry.value);
    separator = ", ";
  }
  out += node.is_map() ? '}' : ']';
}

bool IsInline(const Node& node) {
  return node.is_scalar() || (node.items().empty() && node.entries().empty());
}

void AppendBlock(std::string& out, const Node& node, size_t indent) {
  const auto child = [&](const Node& value) {
    if (IsInline(value)) {
      out += ' ';
      AppendFlow(out, value);
      out += '\n';
    } else {
      out += '\n';
      AppendBlock(out, value, indent + 2);
    }
  };
  for (const Node& item : node.items()) {
    out.append(indent, ' ');
    out += '-';
    child(item);
  }
  for (const Node::Entry& entry : node.entries()) {
    out.append(indent, ' ');
    AppendKey(out, entry.key);
    child(entry.value);
  }
}

}  // namespace

std::string ToYaml(const Node& node) {
  std::string out;
  if (!IsInline(node)) {
    AppendBlock(out, node, 0);
    return out;
  }
  AppendFlow(out, node);
  return out + '\n';
}

std::string ToYamlLine(const Node& node) {
  std::string out;
  AppendFlow(out, node);
  return out;
}

}  // namespace tw::config
