// One description per struct; loader, checker, JSON Schema and documentation all come from it.
//
//   struct ServerConfig {
//     std::string listen = "127.0.0.1:4000";
//     std::chrono::milliseconds ping_interval{25'000};
//     config::Secret token;
//   };
//   constexpr void Describe(config::Of<ServerConfig> auto& config, auto&& field) {
//     field("listen", config.listen, "Address and port to listen on.");
//     field("ping_interval", config.ping_interval, 1s, 5min, "Idle time before a ping.");
//     field(config::Required("token"), config.token, "Signs the sessions.");
//   }
//
// Describe is found by argument-dependent lookup; `Of` keeps the overloads of one namespace apart.
// A field is (key, member, help) or (key, member, min, max, help); bounds are inclusive and hold
// for each element of a list, map or optional. Kinds of members:
//   bool, integers, double, std::string, enums with names (Named, below), chrono durations,
//   ByteSize, Percent, Secret, std::optional<T>, std::vector<T>, OneOrList<T>, OrderedMap<T>,
//   Located<T>, structs with Describe, Node (anything, for its owner to read), types with a Codec.
// After its fields, a struct may check itself:
//   void Validate(const ServerConfig& config, config::Problems& problems);
// found in the same way; it runs only when every field of the struct was read without an error.
#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"
#include "config/node.h"
#include "config/types.h"

namespace tw::config {

// C is T or const T: constrains the `auto&` of a Describe.
template <typename C, typename T>
concept Of = std::same_as<std::remove_const_t<C>, T>;

// A key with what holds for its field beyond its type.
struct Key {
  std::string_view name;
  bool required = false;  // Absence is an error.
  bool expands = false;   // ${env:…} and ${file:…} are replaced in its texts.

  constexpr Key(const char* key) : name(key) {}  // NOLINT: field("name", …) is the common form.
};
constexpr Key Required(Key key) {
  key.required = true;
  return key;
}
constexpr Key Expands(Key key) {
  key.expands = true;
  return key;
}

// The names of an enum's values, found by argument-dependent lookup:
//   constexpr auto ConfigNames(Overlap) {
//     return std::array{config::Named{Overlap::kSkip, "skip"}, …};
//   }
template <typename E>
struct Named {
  E value;
  std::string_view name;
};
template <typename E>
Named(E, const char*) -> Named<E>;

// Specialise for own kinds:
//   template <> struct config::Codec<CronSpec> {
//     static constexpr std::string_view kName = "a cron schedule";  // "expected …"; in the docs
//     static constexpr std::string_view kSchema = R"({"type":"string"})";
//     static Result<CronSpec> Read(const Node& node);  // Error message without place.
//     static Node Write(const CronSpec& value);
//   };
template <typename T>
struct Codec;

template <typename T>
concept HasCodec = requires {
  Codec<T>::kName;
};

template <typename E>
concept NamedEnum = std::is_enum_v<E> && requires(E e) {
  ConfigNames(e);
};

struct AnyField {
  constexpr void operator()(Key, auto&, auto&&...) const {}
};
template <typename T>
concept Described = std::is_class_v<T> && requires(T& value, AnyField field) {
  Describe(value, field);
};

// Which template a kind is made of.
template <typename T, template <typename...> typename Outer>
inline constexpr bool kIsA = false;
template <template <typename...> typename Outer, typename... Args>
inline constexpr bool kIsA<Outer<Args...>, Outer> = true;
template <typename T>
inline constexpr bool kIsDuration = false;
template <typename Rep, typename Period>
inline constexpr bool kIsDuration<std::chrono::duration<Rep, Period>> = true;

// Bounds of a field; absent when not given.
struct Unbounded {};
template <typename Min, typename Max>
struct Bounds {
  Min min;
  Max max;
};

}  // namespace tw::config
