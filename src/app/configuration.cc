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

// What holds between parts of the main file.
Status CheckStore(const Configuration& configuration) {
  const StoreConfig& store = configuration.main.store;
  if (store.kind == StoreKind::kSqlite) {
    if (store.dsn.empty()) return {};
    return Fail(ErrorCode::kInvalidArgument, "store.dsn is for store.kind: postgres");
  }
  if (store.dsn.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "store.dsn is not set; write dsn: ${env:TIDEWIRE_POSTGRES_DSN}");
  }
  if (!store.schema.empty() || !store.seed.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "store.schema and store.seed are for the embedded store; on PostgreSQL tables are"
                " made by your migrations");
  }
  for (const auto& item : configuration.main.tables) {
    if (item.value.policies.empty()) continue;
    return Fail(ErrorCode::kInvalidArgument,
                ToString(item.where) + ": tables." + item.key +
                    ".policies: on PostgreSQL the policies are the database's own (create policy)");
  }
  return {};
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
  if (const Status checked = CheckStore(configuration); !checked.ok()) {
    return Annotate(checked.error(), main_file);
  }
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
    TW_ASSIGN_OR_RETURN(auto configs, ingest::LoadSourceConfigs(file.text, file.name, environment));
    for (ingest::SourceConfig& config : configs) {
      // Of several sources in one file, each has its own name there.
      SourceFile source{.name = configs.size() == 1 ? item.key : *config.source,
                        .file = file.name,
                        .text = file.text};
      source.config = std::move(config);
      configuration.sources.push_back(std::move(source));
    }
  }
  TW_ASSIGN_OR_RETURN(configuration.tls, LoadTls(files, configuration.main.server.tls));
  return configuration;
}

Result<io::TlsSlot> LoadTls(const FileSet& files, const TlsConfig& config) {
  if (config.certificate.empty() && config.key.empty()) return io::TlsSlot();
  if (config.certificate.empty() || config.key.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "server.tls needs both certificate and key");
  }
  const auto read = [&](const std::string& path) -> Result<std::string> {
    auto text = files.Read(path);
    if (text.ok()) return text;
    return Fail(ErrorCode::kInvalidArgument, "server.tls: " + text.error().message);
  };
  TW_ASSIGN_OR_RETURN(const std::string certificate, read(config.certificate));
  TW_ASSIGN_OR_RETURN(const std::string key, read(config.key));
  auto context = io::TlsContext::Create(certificate, key);
  if (!context.ok()) return Annotate(context.error(), "server.tls");
  return context;
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
