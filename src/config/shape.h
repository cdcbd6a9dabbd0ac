// What a described struct looks like, as data: for the generators and for environment overrides.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "config/describe.h"
#include "config/write.h"

namespace tw::config {

struct FieldShape;

// A kind of value. Plain data, built once per described struct.
struct Shape {
  enum class Kind : uint8_t {
    kBool,
    kInteger,
    kNumber,
    kText,
    kEnum,
    kDuration,
    kByteSize,
    kPercent,
    kSecret,
    kList,
    kOneOrList,
    kMap,
    kStruct,
    kAny,
    kCustom,
  };
  Kind kind = Kind::kAny;
  bool optional = false;  // null is allowed
  std::string name;       // kCustom: its kName; kCustom's schema is in `schema`.
  std::string schema;
  std::string min, max;              // Text of the bounds; empty when there are none.
  std::vector<std::string> choices;  // kEnum
  std::vector<Shape> element;        // One for kList, kOneOrList, kMap; else empty.
  std::vector<FieldShape> fields;    // kStruct; kMap: keys that are not like the others.
};

struct FieldShape {
  std::string key;
  std::string help;
  bool required = false;
  bool expands = false;
  std::optional<Node> default_value;  // Absent for required fields, structs, empty optionals.
  Shape shape;
};

// "a duration", "a list of texts": for documentation.
std::string KindName(const Shape& shape);

template <Described T>
Shape ShapeOf();

namespace internal {

template <typename T, typename B>
Shape MakeShape(const B& bounds);

template <typename T, typename B>
void SetBounds(Shape& shape, const B& bounds) {
  if constexpr (!std::is_same_v<B, Unbounded>) {
    shape.min = ToNode(static_cast<T>(bounds.min), Secrets::kMasked).text();
    shape.max = ToNode(static_cast<T>(bounds.max), Secrets::kMasked).text();
  } else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    shape.min = std::to_string(std::numeric_limits<T>::min());
    shape.max = std::to_string(std::numeric_limits<T>::max());
  }
}

template <typename T>
constexpr Shape::Kind ScalarKind() {
  using enum Shape::Kind;
  if constexpr (std::is_same_v<T, bool>)
    return kBool;
  else if constexpr (std::is_integral_v<T>)
    return kInteger;
  else if constexpr (std::is_floating_point_v<T>)
    return kNumber;
  else if constexpr (kIsDuration<T>)
    return kDuration;
  else if constexpr (std::is_same_v<T, ByteSize>)
    return kByteSize;
  else if constexpr (std::is_same_v<T, Percent>)
    return kPercent;
  else if constexpr (std::is_same_v<T, std::string>)
    return kText;
  else if constexpr (std::is_same_v<T, Secret>)
    return kSecret;
  else if constexpr (std::is_same_v<T, Node>)
    return kAny;
  else
    static_assert(NamedEnum<T>, "no such kind of field: see describe.h");
  return kEnum;
}

template <typename T, typename B>
Shape MakeScalar(const B& bounds) {
  Shape shape;
  shape.kind = ScalarKind<T>();
  if constexpr (NamedEnum<T>) {
    for (const auto& named : ConfigNames(T{})) shape.choices.emplace_back(named.name);
  }
  SetBounds<T>(shape, bounds);
  return shape;
}

template <typename T, typename B>
Shape MakeOuter(Shape::Kind kind, const B& bounds) {
  Shape shape;
  shape.kind = kind;
  shape.element.push_back(MakeShape<T>(bounds));
  return shape;
}

template <typename T>
struct Inner {
  using Type = void;
};
template <template <typename...> typename Outer, typename T, typename... Rest>
struct Inner<Outer<T, Rest...>> {
  using Type = T;
};
template <typename T>
using InnerOf = typename Inner<T>::Type;

template <typename T, typename B>
Shape MakeShape(const B& bounds) {
  if constexpr (HasCodec<T>) {
    Shape shape;
    shape.kind = Shape::Kind::kCustom;
    shape.name = Codec<T>::kName;
    shape.schema = Codec<T>::kSchema;
    return shape;
  } else if constexpr (kIsA<T, Located>) {
    return MakeShape<InnerOf<T>>(bounds);
  } else if constexpr (kIsA<T, std::optional>) {
    Shape shape = MakeShape<InnerOf<T>>(bounds);
    shape.optional = true;
    return shape;
  } else if constexpr (kIsA<T, std::vector>) {
    return MakeOuter<InnerOf<T>>(Shape::Kind::kList, bounds);
  } else if constexpr (kIsA<T, OneOrList>) {
    return MakeOuter<InnerOf<T>>(Shape::Kind::kOneOrList, bounds);
  } else if constexpr (kIsA<T, OrderedMap>) {
    return MakeOuter<InnerOf<T>>(Shape::Kind::kMap, bounds);
  } else if constexpr (Described<T>) {
    return ShapeOf<T>();
  } else {
    return MakeScalar<T>(bounds);
  }
}

struct ShapeVisitor {
  std::vector<FieldShape>& fields;

  template <typename T>
  void operator()(Key key, const T& member, std::string_view help) const {
    Add(key, member, Unbounded{}, help);
  }
  template <typename T, typename Min, typename Max>
  void operator()(Key key, const T& member, const Min& min, const Max& max,
                  std::string_view help) const {
    Add(key, member, Bounds<Min, Max>{min, max}, help);
  }

 private:
  template <typename T, typename B>
  void Add(Key key, const T& member, const B& bounds, std::string_view help) const {
    FieldShape field;
    field.key = key.name;
    field.help = help;
    field.required = key.required;
    field.expands = key.expands;
    field.shape = MakeShape<T>(bounds);
    Node value = ToNode(member, Secrets::kMasked);
    if (!key.required && !value.is_null() && field.shape.kind != Shape::Kind::kStruct) {
      field.default_value = std::move(value);
    }
    fields.push_back(std::move(field));
  }
};

}  // namespace internal

template <Described T>
Shape ShapeOf() {
  Shape shape;
  shape.kind = Shape::Kind::kStruct;
  const T defaults{};
  Describe(defaults, internal::ShapeVisitor{shape.fields});
  return shape;
}

}  // namespace tw::config
