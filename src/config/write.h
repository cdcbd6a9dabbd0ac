// Described structs back to a tree: PrintEffective and the defaults in the documentation.
#pragma once

#include <string>
#include <vector>

#include "config/describe.h"

namespace tw::config {

// What stands where a secret is.
enum class Secrets : uint8_t {
  kMasked,      // ***
  kReferences,  // ${env:NAME} as in the file, so that the result can be loaded; *** for literals
  kRevealed,    // The value: only to compare two trees, never to write one.
};

template <typename T>
Node ToNode(const T& value, Secrets secrets);

// The whole configuration in force, defaults included, as YAML.
template <Described T>
std::string PrintEffective(const T& config, Secrets secrets) {
  return ToYaml(ToNode(config, secrets));
}

namespace internal {

Node SecretNode(const Secret& secret, Secrets secrets);
Node NumberNode(double value);
// `text` gets quotes if plain it would not be text.
Node TextNode(std::string text);

struct WriteVisitor {
  std::vector<Node::Entry>& entries;
  Secrets secrets;

  template <typename T, typename... Rest>
  void operator()(Key key, const T& member, Rest&&...) const {
    entries.push_back({std::string(key.name), {}, ToNode(member, secrets)});
  }
};

template <typename Items>
Node ListNode(const Items& items, Secrets secrets) {
  std::vector<Node> nodes;
  for (const auto& item : items) nodes.push_back(ToNode(item, secrets));
  return Node::List(std::move(nodes));
}

template <typename E>
Node EnumNode(E value) {
  for (const auto& named : ConfigNames(value)) {
    if (named.value == value) return TextNode(std::string(named.name));
  }
  return Node();
}

template <typename T>
Node ScalarNode(const T& value) {
  const auto plain = [](std::string text) {
    return Node::Scalar(std::move(text), Node::Style::kPlain);
  };
  if constexpr (std::is_same_v<T, bool>)
    return plain(value ? "true" : "false");
  else if constexpr (std::is_integral_v<T>)
    return plain(std::to_string(value));
  else if constexpr (std::is_floating_point_v<T>)
    return NumberNode(value);
  else if constexpr (kIsDuration<T>)
    return plain(DurationText(value));
  else if constexpr (std::is_same_v<T, ByteSize> || std::is_same_v<T, Percent>)
    return plain(ToString(value));
  else if constexpr (std::is_same_v<T, std::string>)
    return TextNode(value);
  else if constexpr (std::is_same_v<T, Node>)
    return value;
  else
    return EnumNode(value);
}

}  // namespace internal

template <typename T>
Node ToNode(const T& value, Secrets secrets) {
  if constexpr (HasCodec<T>) {
    return Codec<T>::Write(value);
  } else if constexpr (std::is_same_v<T, Secret>) {
    return internal::SecretNode(value, secrets);
  } else if constexpr (kIsA<T, Located>) {
    return ToNode(value.value, secrets);
  } else if constexpr (kIsA<T, std::optional>) {
    return value ? ToNode(*value, secrets) : Node();
  } else if constexpr (kIsA<T, std::vector> || kIsA<T, OneOrList>) {
    return internal::ListNode(value, secrets);
  } else if constexpr (kIsA<T, OrderedMap>) {
    std::vector<Node::Entry> entries;
    for (const auto& item : value) {
      entries.push_back({item.key, item.where, ToNode(item.value, secrets)});
    }
    return Node::Map(std::move(entries));
  } else if constexpr (Described<T>) {
    std::vector<Node::Entry> entries;
    Describe(value, internal::WriteVisitor{entries, secrets});
    return Node::Map(std::move(entries));
  } else {
    return internal::ScalarNode(value);
  }
}

}  // namespace tw::config
