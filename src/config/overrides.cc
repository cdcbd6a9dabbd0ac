#include "config/load.h"

namespace tw::config {
namespace {

std::string VariablePart(std::string_view key) {
  std::string part;
  for (const char c : key) {
    if (c >= 'a' && c <= 'z') {
      part += static_cast<char>(c - 'a' + 'A');
    } else if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
      part += c;
    } else {
      part += '_';
    }
  }
  return part;
}

struct Override {
  std::vector<std::string> path;
  Node value;
};

// Walks the shape, not the file: a key need not be in the file to be overridden.
class Collector {
 public:
  explicit Collector(const Environment& environment) : environment_(environment) {}

  void Walk(const Shape& shape, const Node* node, const std::string& variable) {
    using enum Shape::Kind;
    if (shape.kind == kStruct) {
      for (const FieldShape& field : shape.fields) {
        Enter(field.shape, node == nullptr ? nullptr : node->Find(field.key), field.key, variable);
      }
    } else if (shape.kind == kMap) {
      if (node == nullptr) return;
      for (const Node::Entry& entry : node->entries()) {
        Enter(shape.element[0], &entry.value, entry.key, variable);
      }
    } else if (shape.kind != kList) {
      const auto text = environment_.Variable(variable);
      if (!text) return;
      const auto file = std::make_shared<const std::string>("environment variable " + variable);
      found.push_back({path_, Node::Scalar(*text, Node::Style::kOverride, {file, 0, 0})});
    }
  }

  std::vector<Override> found;

 private:
  void Enter(const Shape& shape, const Node* node, const std::string& key,
             const std::string& variable) {
    path_.push_back(key);
    Walk(shape, node, variable + '_' + VariablePart(key));
    path_.pop_back();
  }

  const Environment& environment_;
  std::vector<std::string> path_;
};

void Set(Node& root, Override&& override) {
  Node* node = &root;
  for (const std::string& key : override.path) {
    // Something else than a map on the way: the loader reports it.
    if (!node->is_map() && !node->is_null()) return;
    node = &node->At(key);
  }
  *node = std::move(override.value);
}

}  // namespace

void ApplyOverrides(Node& root, const Shape& shape, std::string_view prefix,
                    const Environment& environment) {
  Collector collector(environment);
  collector.Walk(shape, &root, std::string(prefix));
  for (Override& override : collector.found) Set(root, std::move(override));
}

}  // namespace tw::config
