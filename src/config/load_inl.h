// The templates of load.h.
#pragma once

#include <type_traits>

#include "config/load.h"

namespace tw::config {
namespace internal {

struct ReadVisitor {
  Reader& reader;
  const Node& map;
  std::vector<std::string_view>& known;

  template <typename T>
  void operator()(Key key, T& member, std::string_view) const {
    Field(key, member, Unbounded{});
  }
  template <typename T, typename Min, typename Max>
  void operator()(Key key, T& member, const Min& min, const Max& max, std::string_view) const {
    Field(key, member, Bounds<Min, Max>{min, max});
  }

 private:
  template <typename T, typename B>
  void Field(Key key, T& member, const B& bounds) const {
    known.push_back(key.name);
    const Node* node = map.Find(key.name);
    if (node == nullptr) {
      if (key.required) reader.Missing(map, key.name);
      return;
    }
    const size_t mark = reader.Enter(key.name);
    reader.Read(*node, member, bounds, key);
    reader.Leave(mark);
  }
};

template <typename T>
std::string BoundText(const T& bound) {
  return ToNode(bound, Secrets::kMasked).text();
}

}  // namespace internal

template <typename T, typename B>
void Reader::Read(const Node& node, T& value, const B& bounds, Key key) {
  if constexpr (HasCodec<T>) {
    auto read = Codec<T>::Read(node);
    if (read.ok()) {
      value = std::move(read).value();
    } else {
      Fail(node.where(), read.error().message);
    }
  } else if constexpr (kIsA<T, Located>) {
    value.where = node.where();
    Read(node, value.value, bounds, key);
  } else if constexpr (kIsA<T, std::optional>) {
    if (node.is_null()) {
      value.reset();
    } else {
      Read(node, value ? *value : value.emplace(), bounds, key);
    }
  } else if constexpr (kIsA<T, std::vector>) {
    if (!node.is_list()) return WrongType(node, "a list");
    ReadItems(node.items(), value, bounds, key);
  } else if constexpr (kIsA<T, OneOrList>) {
    ReadItems(node.is_list() ? node.items() : std::span(&node, 1), value.items, bounds, key);
  } else if constexpr (kIsA<T, OrderedMap>) {
    ReadMap(node, value, bounds, key);
  } else if constexpr (Described<T>) {
    ReadStruct(node, value);
  } else {
    ReadScalar(node, value, bounds, key);
  }
}

template <typename T, typename B>
void Reader::ReadItems(std::span<const Node> nodes, std::vector<T>& items, const B& bounds,
                       Key key) {
  items.clear();  // A list replaces its default.
  for (size_t i = 0; i < nodes.size(); ++i) {
    const size_t mark = Enter(i);
    Read(nodes[i], items.emplace_back(), bounds, key);
    Leave(mark);
  }
}

template <typename T, typename B>
void Reader::ReadMap(const Node& node, OrderedMap<T>& map, const B& bounds, Key key) {
  if (!node.is_map() && !node.is_null()) return WrongType(node, "a map");
  map.items.clear();
  for (const Node::Entry& entry : node.entries()) {
    const size_t mark = Enter(entry.key);
    auto& item = map.items.emplace_back();
    item.key = entry.key;
    item.where = entry.where;
    if (entry.key.empty()) Fail(entry.where, "empty key");
    Read(entry.value, item.value, bounds, key);
    Leave(mark);
  }
}

template <typename T>
void Reader::ReadStruct(const Node& node, T& value) {
  if (!node.is_map() && !node.is_null()) return WrongType(node, "a map");
  const size_t problems = problems_.count();
  std::vector<std::string_view> known;
  Describe(value, internal::ReadVisitor{*this, node, known});
  UnknownKeys(node, known);
  if constexpr (requires { Validate(std::as_const(value), problems_); }) {
    if (problems_.count() == problems) Validate(std::as_const(value), problems_);
  }
}

template <typename T, typename B>
void Reader::ReadInteger(const Node& node, T& value, const B& bounds) {
  T min = std::numeric_limits<T>::min();
  T max = std::numeric_limits<T>::max();
  if constexpr (!std::is_same_v<B, Unbounded>) {
    min = static_cast<T>(bounds.min);
    max = static_cast<T>(bounds.max);
  }
  if constexpr (std::is_signed_v<T>) {
    if (const auto read = ReadSigned(node, min, max)) value = static_cast<T>(*read);
  } else {
    if (const auto read = ReadUnsigned(node, min, max)) value = static_cast<T>(*read);
  }
}

template <typename T, typename B>
void Reader::Keep(const Node& node, T& value, const T& read, const B& bounds) {
  if constexpr (!std::is_same_v<B, Unbounded>) {
    if (!(read >= bounds.min && read <= bounds.max)) {  // NaN is out of bounds too.
      return OutOfBounds(node, internal::BoundText(bounds.min), internal::BoundText(bounds.max));
    }
  }
  value = read;
}

template <typename T, typename B>
void Reader::ReadScalar(const Node& node, T& value, const B& bounds, Key key) {
  if constexpr (std::is_same_v<T, bool>) {
    if (const auto read = ReadBool(node)) value = *read;
  } else if constexpr (std::is_integral_v<T>) {
    ReadInteger(node, value, bounds);
  } else if constexpr (std::is_floating_point_v<T>) {
    if (const auto read = ReadDouble(node)) Keep(node, value, static_cast<T>(*read), bounds);
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (auto read = ReadText(node, key)) value = *std::move(read);
  } else if constexpr (std::is_same_v<T, Secret>) {
    if (auto read = ReadSecret(node)) value = *std::move(read);
  } else if constexpr (std::is_same_v<T, ByteSize>) {
    if (const auto read = ReadByteSize(node)) Keep(node, value, *read, bounds);
  } else if constexpr (std::is_same_v<T, Percent>) {
    if (const auto read = ReadPercent(node)) Keep(node, value, *read, bounds);
  } else if constexpr (kIsDuration<T>) {
    const auto read = ReadDuration(node);
    if (!read) return;
    const T cut = std::chrono::duration_cast<T>(*read);
    if (cut != *read) return Fail(node.where(), "must be a multiple of " + DurationText(T{1}));
    if constexpr (std::is_same_v<B, Unbounded>) {
      if (cut < T{0}) return Fail(node.where(), "must not be negative");
    }
    Keep(node, value, cut, bounds);
  } else if constexpr (std::is_same_v<T, Node>) {
    value = node;
  } else {
    static_assert(NamedEnum<T>, "no such kind of field: see describe.h");
    std::vector<std::string_view> names;
    const auto table = ConfigNames(T{});
    for (const auto& named : table) names.push_back(named.name);
    if (const auto choice = ReadChoice(node, names)) value = table[*choice].value;
  }
}

template <Described T>
Checked<T> Check(std::string_view text, std::string_view file, const Environment& environment,
                 const LoadOptions& options) {
  Checked<T> checked;
  Node root = ParseYaml(text, file, checked.problems);
  if (!checked.problems.empty()) return checked;
  if (!options.override_prefix.empty()) {
    ApplyOverrides(root, ShapeOf<T>(), options.override_prefix, environment);
  }
  Reader reader(environment, options, {});
  reader.Read(root, checked.value, Unbounded{}, "");
  checked.problems = std::move(reader.problems());
  return checked;
}

template <Described T>
Result<T> Load(std::string_view text, std::string_view file, const Environment& environment,
               const LoadOptions& options) {
  Checked<T> checked = Check<T>(text, file, environment, options);
  TW_RETURN_IF_ERROR(checked.problems.ToStatus());
  return std::move(checked.value);
}

template <typename T>
Result<T> LoadNode(const Node& node, std::string_view path, const Environment& environment,
                   const LoadOptions& options) {
  Reader reader(environment, options, std::string(path));
  T value{};
  reader.Read(node, value, Unbounded{}, "");
  TW_RETURN_IF_ERROR(reader.problems().ToStatus());
  return value;
}

}  // namespace tw::config
