// Command-line flags of the bench tools: `--name value`, every one declared with default and text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tw::bench {

class Flags {
 public:
  struct Flag {
    std::string_view name;
    std::string value;  // The default; Parse replaces it.
    std::string_view help;
  };

  Flags(std::string_view purpose, std::vector<Flag> flags);

  // Reads the arguments. `--help` prints the flags and exits 0; an unknown flag or a flag without
  // its value exits 2.
  void Parse(int argc, char** argv);

  // The value of a declared flag; asking for another is a bug of ours and aborts. Count and Number
  // exit 2 when the value is not a number.
  const std::string& Text(std::string_view name) const;
  uint64_t Count(std::string_view name) const;
  double Number(std::string_view name) const;

 private:
  std::string_view purpose_;
  std::vector<Flag> flags_;
};

// Prints "bench: <message>" to standard error and exits 1: a bench tool has nobody to return to.
[[noreturn]] void Die(const std::string& message);

// The same with the text of errno.
[[noreturn]] void DieErrno(const std::string& message);

}  // namespace tw::bench
