#include "bench/common/flags.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tw::bench {

Flags::Flags(std::string_view purpose, std::vector<Flag> flags)
    : purpose_(purpose), flags_(std::move(flags)) {}

void Flags::Parse(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help") {
      std::printf("%.*s\n\n", static_cast<int>(purpose_.size()), purpose_.data());
      for (const Flag& flag : flags_) {
        std::printf("  --%-20.*s %.*s [%s]\n", static_cast<int>(flag.name.size()), flag.name.data(),
                    static_cast<int>(flag.help.size()), flag.help.data(), flag.value.c_str());
      }
      std::exit(0);
    }
    bool known = false;
    for (Flag& flag : flags_) {
      if (argument.substr(0, 2) != "--" || argument.substr(2) != flag.name) continue;
      if (i + 1 == argc) break;
      flag.value = argv[++i];
      known = true;
      break;
    }
    if (!known) {
      std::fprintf(stderr, "bench: unknown flag or missing value: %s (--help lists them)\n",
                   argv[i]);
      std::exit(2);
    }
  }
}

const std::string& Flags::Text(std::string_view name) const {
  for (const Flag& flag : flags_) {
    if (flag.name == name) return flag.value;
  }
  std::abort();
}

uint64_t Flags::Count(std::string_view name) const {
  const std::string& text = Text(name);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    std::fprintf(stderr, "bench: --%.*s needs a whole number, not '%s'\n",
                 static_cast<int>(name.size()), name.data(), text.c_str());
    std::exit(2);
  }
  return value;
}

double Flags::Number(std::string_view name) const {
  const std::string& text = Text(name);
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0') {
    std::fprintf(stderr, "bench: --%.*s needs a number, not '%s'\n", static_cast<int>(name.size()),
                 name.data(), text.c_str());
    std::exit(2);
  }
  return value;
}

void Die(const std::string& message) {
  std::fprintf(stderr, "bench: %s\n", message.c_str());
  std::exit(1);
}

void DieErrno(const std::string& message) {
  Die(message + ": " + std::strerror(errno));
}

}  // namespace tw::bench
