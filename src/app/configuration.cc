#include "app/configuration.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace tw::app {
namespace {

Result<std::string> ReadWholeFile(const std::string& path, size_t bytes_max) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Fail(ErrorCode::kNotFound, "cannot open " + path);
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad()) return Fail(ErrorCode::kInternal, "cannot read " + path);
  if (static_cast<size_t>(text.tellp()) > bytes_max) {
    return Fail(ErrorCode::kResourceExhausted,
                path + " is larger than " + std::to_string(bytes_max) + " bytes");
  }
  return std::move(text).str();
}

class DirectoryFiles final : public FileSet {
 public:
  explicit DirectoryFiles(std::string directory) : directory_(std::move(directory)) {}

  Result<std::string> Read(std::string_view path) const override {
    constexpr size_t kFileBytesMax = 64u << 20;
    const std::string whole =
        path.starts_with('/') ? std::string(path) : directory_ + "/" + std::string(path);
    return ReadWholeFile(whole, kFileBytesMax);
  }

 private:
  std::string directory_;
};

// A file that the configuration names; its absence is reported where it is named.
Result<SqlFile> ReadNamed(const FileSet& files, const config::Located<std::string>& name) {
  auto text = files.Read(*name);
  if (!text.ok()) {
    return Fail(ErrorCode::kInvalidArgument, ToString(name.where) + ": " + text.error().message);
  }
  return SqlFile{*name, std::move(*text)};
}

}  // namespace

std::unique_ptr<FileSet> MakeDirectoryFiles(std::string directory) {
  return std::make_unique<DirectoryFiles>(std::move(directory));
}

std::optional<std::string> ProcessEnvironment::Variable(const std::string& name) const {
  if (const char* value = std::getenv(name.c_str())) return value;
  const auto found = defaults_.find(name);
  return found == defaults_.end() ? std::nullopt : std::optional(found->second);
}

Result<std::string> ProcessEnvironment::ReadFile(const std::string& path, size_t bytes_max) const {
  return ReadWholeFile(path, bytes_max);
}

Result<Configuration> LoadConfiguration(const FileSet& files, std::string_view main_file,
                                        const config::Environment& environment) {
  Configuration configuration;
  TW_ASSIGN_OR_RETURN(const std::string text, files.Read(main_file));
  TW_ASSIGN_OR_RETURN(configuration.main,
                      config::Load<MainConfig>(text, main_file, environment));
  for (const auto& name : configuration.main.store.schema) {
    TW_ASSIGN_OR_RETURN(auto file, ReadNamed(files, name));
    configuration.schema.push_back(std::move(file));
  }
  for (const auto& name : configuration.main.store.seed) {
    TW_ASSIGN_OR_RETURN(auto file, ReadNamed(files, name));
    configuration.seed.push_back(std::move(file));
  }
  for (const auto& item : configuration.main.sources) {
    TW_ASSIGN_OR_RETURN(auto file, ReadNamed(files, item.value));
    SourceFile source{.name = item.key, .file = file.name, .text = std::move(file.text)};
    TW_ASSIGN_OR_RETURN(source.config,
                        ingest::LoadSourceConfig(source.text, source.file, environment));
    configuration.sources.push_back(std::move(source));
  }
  return configuration;
}

std::vector<policy::PolicyDefinition> PolicyDefinitions(const TableConfig& table,
                                                        PolicyCommand command, PolicySide side) {
  std::vector<policy::PolicyDefinition> definitions;
  for (const PolicyConfig& policy : table.policies) {
    if (std::ranges::find(policy.commands, command) == policy.commands.end()) continue;
    const bool check = side == PolicySide::kCheck && !policy.check_sql->empty();
    const config::Located<std::string>& condition = check ? policy.check_sql : policy.using_sql;
    definitions.push_back({.name = policy.name,
                           .using_sql = *condition,
                           .roles = policy.roles,
                           .kind = policy.kind == PolicyKind::kPermissive
                                       ? policy::PolicyDefinition::Kind::kPermissive
                                       : policy::PolicyDefinition::Kind::kRestrictive,
                           .where = ToString(condition.where)});
  }
  return definitions;
}

}  // namespace tw::app
