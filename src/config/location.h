// Where in a file something was said, and what is wrong with it.
#pragma once

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tw::config {

// A place in a configuration file. Lines and columns count from 1, columns in bytes. Line 0 means
// the whole file (or the environment variable) that `file` names.
struct Location {
  std::shared_ptr<const std::string> file;  // Shared by all places of one file; null when unknown.
  uint32_t line = 0;
  uint32_t column = 0;

  std::string_view FileName() const { return file == nullptr ? std::string_view() : *file; }
  bool known() const { return file != nullptr; }
};

// "tidewire.yaml:3:7"; only the file when the line is 0; empty when unknown.
std::string ToString(const Location& where);

// Equal places, whether or not they share the file's name in memory.
bool operator==(const Location& a, const Location& b);

// One finding for the author of a file.
struct Diagnostic {
  std::string file;
  uint32_t line = 0;
  uint32_t column = 0;
  std::string message;

  bool operator==(const Diagnostic&) const = default;
};

// "file:line:column: message", the form that editors and CI systems recognise.
std::string ToString(const Diagnostic& diagnostic);
std::ostream& operator<<(std::ostream& out, const Diagnostic& diagnostic);

// Findings of one run. Keeps the first `kKeptMax` and counts the rest.
class Problems {
 public:
  static constexpr size_t kKeptMax = 20;

  void Add(const Location& where, std::string message);

  bool empty() const { return kept_.empty(); }
  size_t count() const { return count_; }
  const std::vector<Diagnostic>& kept() const { return kept_; }
  // Ok when empty, else kInvalidArgument with one line per finding.
  Status ToStatus() const;

 private:
  std::vector<Diagnostic> kept_;
  size_t count_ = 0;
};

}  // namespace tw::config
