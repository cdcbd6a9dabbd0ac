// The outside world as the loader sees it: variables and files, passed in so that loading is pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tw::config {

class Environment {
 public:
  virtual ~Environment() = default;
  // The variable's value; nullopt when it is not set.
  virtual std::optional<std::string> Variable(const std::string& name) const = 0;
  // A whole file. Errors: kNotFound, kResourceExhausted above `bytes_max`, kInternal.
  virtual Result<std::string> ReadFile(const std::string& path, size_t bytes_max) const = 0;
};

// Refused above, with the file's name.
inline constexpr size_t kSecretFileBytesMax = 64 << 10;

// True when `text` has a ${env:…} or ${file:…} in it.
bool HasReference(std::string_view text);
// True when `text` is one such reference and nothing else.
bool IsReference(std::string_view text);

// `text` with each ${env:NAME} and ${file:PATH} replaced; "$${" stands for "${"; other ${…} stay.
// One line feed at a file's end is dropped. What is put in is not searched again.
// Errors: kInvalidArgument naming the variable or file that is missing or empty, or the reference
// that is not closed.
Result<std::string> Substitute(std::string_view text, const Environment& environment);

}  // namespace tw::config
