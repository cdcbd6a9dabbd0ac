// A YAML file as a tree of values with places, before anyone knows what the keys mean.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/location.h"

namespace tw::config {

// Limits of ParseYaml; each is an error with its place.
inline constexpr size_t kFileBytesMax = 4 << 20;
inline constexpr size_t kNodesMax = 1 << 18;  // After aliases are expanded.
inline constexpr int kDepthMax = 64;
// YAML wants a key's text within 1024 characters; escaped, these are.
inline constexpr size_t kKeyBytesMax = 160;

// A scalar, list or map. A plain value: copying copies the tree.
class Node {
 public:
  enum class Kind : uint8_t { kNull, kBool, kInt, kFloat, kText, kList, kMap };
  // How a scalar was given. An override comes from the environment, where nothing can be quoted:
  // it is taken as whatever type its field has.
  enum class Style : uint8_t { kPlain, kQuoted, kOverride };
  struct Entry;

  Node();  // null, place unknown
  Node(const Node&);
  Node(Node&&) noexcept;
  Node& operator=(const Node&);
  Node& operator=(Node&&) noexcept;
  ~Node();

  // A scalar; a plain one gets its kind by the YAML 1.2 core schema (§10.3.2): only true/false are
  // booleans, `on`, `no` and `12:30` are text, 0o17 and 0x1f are integers, 017 is seventeen.
  static Node Scalar(std::string text, Style style, Location where = {});
  static Node List(std::vector<Node> items, Location where = {});
  static Node Map(std::vector<Entry> entries, Location where = {});

  Kind kind() const { return kind_; }
  Style style() const { return style_; }
  const Location& where() const { return where_; }
  bool is_null() const { return kind_ == Kind::kNull; }
  bool is_map() const { return kind_ == Kind::kMap; }
  bool is_list() const { return kind_ == Kind::kList; }
  bool is_scalar() const { return !is_map() && !is_list(); }

  // A scalar as written, without quotes; empty for lists and maps.
  const std::string& text() const { return text_; }
  // nullopt for any other kind; an integer also when it does not fit.
  std::optional<bool> AsBool() const;
  std::optional<int64_t> AsInt() const;
  std::optional<uint64_t> AsUint() const;
  std::optional<double> AsDouble() const;  // kInt or kFloat

  std::span<const Node> items() const { return items_; }  // Empty unless kList.
  std::span<const Entry> entries() const;                 // In source order; empty unless kMap.
  // The value of a map's key; nullptr when absent or when this is no map.
  const Node* Find(std::string_view key) const;
  // The same to write; adds a null under a key that is absent. A null node becomes a map.
  Node& At(std::string_view key);
  // Nodes in this tree, this one included.
  size_t Count() const;

  // "text 'abc'", "integer 5", "a list": for "expected …, found …".
  std::string Describe() const;

 private:
  Kind kind_ = Kind::kNull;
  Style style_ = Style::kPlain;
  Location where_;
  std::string text_;
  std::vector<Node> items_;
  std::vector<Entry> entries_;
};

struct Node::Entry {
  std::string key;
  Location where;  // Of the key.
  Node value;
};

// Reads one YAML 1.2 document, strictly. An empty text gives a null node. `file` is used in places
// only. Any thread.
// Errors: kInvalidArgument "file:line:column: reason" for bad syntax, bad UTF-8 or control
// characters, duplicate keys, keys that are not scalars, tags, merge keys (<<), directives, a
// second document, aliases inside their own anchor, and the limits above.
Result<Node> ParseYaml(std::string_view text, std::string_view file);
// The same with the error as a finding; the node is then null.
Node ParseYaml(std::string_view text, std::string_view file, Problems& problems);

// Block-style YAML that ParseYaml reads back as the same tree. Ends with a line feed.
std::string ToYaml(const Node& node);

// One line: flow style for lists and maps.
std::string ToYamlLine(const Node& node);

}  // namespace tw::config
