// Everything that the configuration says, read and checked: the main file and all it names.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"
#include "base/result.h"
#include "base/strings.h"
#include "config/environment.h"
#include "ingest/source_config.h"
#include "io/tls.h"
#include "policy/policy.h"

namespace tw::app {

// Where the files of a configuration are: a directory, or the example inside the program.
class FileSet {
 public:
  virtual ~FileSet() = default;
  // `path` is relative to the set's root. Errors: kNotFound, kInternal.
  virtual Result<std::string> Read(std::string_view path) const = 0;
};

// Files below `directory`; absolute paths are read as they are.
std::unique_ptr<FileSet> MakeDirectoryFiles(std::string directory);

// The process' environment variables over `defaults`; files are read from disk.
class ProcessEnvironment final : public config::Environment {
 public:
  explicit ProcessEnvironment(StringMap<std::string> defaults = {})
      : defaults_(std::move(defaults)) {}
  std::optional<std::string> Variable(const std::string& name) const override;
  Result<std::string> ReadFile(const std::string& path, size_t bytes_max) const override;

 private:
  StringMap<std::string> defaults_;
};

struct SqlFile {
  std::string name;
  std::string text;
};

struct SourceFile {
  std::string name;  // As in `sources:`; part of the hook's path.
  std::string file;
  std::string text;
  ingest::SourceConfig config;
};

struct Configuration {
  MainConfig main;
  std::vector<SqlFile> schema;
  std::vector<SqlFile> seed;
  std::vector<SourceFile> sources;
  io::TlsSlot tls;  // Null: plain.
};

// The certificate and key that `config` names; null when it names none. Errors: kInvalidArgument.
Result<io::TlsSlot> LoadTls(const FileSet& files, const TlsConfig& config);

// Reads `main_file` of `files` and what it names. Errors: kInvalidArgument, one line
// "file:line:column: …" per finding.
Result<Configuration> LoadConfiguration(const FileSet& files, std::string_view main_file,
                                        const config::Environment& environment);

// The policies of a table for one command in the compiler's terms: which rows it touches (`using`)
// or may make (`check`; where a policy has none, its `using`).
enum class PolicySide : uint8_t { kUsing, kCheck };
std::vector<policy::PolicyDefinition> PolicyDefinitions(
    const TableConfig& table, PolicyCommand command = PolicyCommand::kSelect,
    PolicySide side = PolicySide::kUsing);

}  // namespace tw::app
