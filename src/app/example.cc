#include "app/example.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "json/json.h"

namespace tw::app {
namespace {

namespace fs = std::filesystem;

auto BadUser(size_t index, std::string_view what) {
  return Fail(ErrorCode::kInvalidArgument,
              "dev.json: users[" + std::to_string(index) + "]: " + std::string(what));
}

Result<DevUser> ParseUser(size_t index, const json::Value& value) {
  DevUser user;
  const auto name = value["name"].AsString();
  if (!name || name->empty()) return BadUser(index, "needs a name");
  user.name = *name;
  user.sub = value["sub"].AsString().value_or("");
  user.role = value["role"].AsString().value_or("authenticated");
  const json::Value claims = value["claims"];
  if (!claims.is_null() && !claims.is_object()) return BadUser(index, "claims is no object");
  for (const json::Member& claim : claims.members()) {
    user.claims.push_back({std::string(claim.key), claim.value.ToText()});
  }
  return user;
}

}  // namespace

Result<std::vector<DevUser>> ParseDevUsers(std::string_view text) {
  TW_ASSIGN_OR_RETURN(const json::Document document, json::Parse(text));
  const json::Value users = document.root()["users"];
  if (!users.is_array()) {
    return Fail(ErrorCode::kInvalidArgument, "dev.json needs a list \"users\"");
  }
  if (users.items().size() > kDevUsersMax) {
    return Fail(ErrorCode::kInvalidArgument,
                "dev.json has more than " + std::to_string(kDevUsersMax) + " users");
  }
  std::vector<DevUser> parsed;
  for (const json::Value& value : users.items()) {
    TW_ASSIGN_OR_RETURN(DevUser user, ParseUser(parsed.size(), value));
    parsed.push_back(std::move(user));
  }
  return parsed;
}

Result<ExamplePage> ExamplePage::Read(const std::string& directory) {
  ExamplePage page;
  std::error_code error;
  if (!fs::is_directory(directory, error)) return page;
  size_t bytes = 0;
  for (auto entry = fs::recursive_directory_iterator(directory, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (!entry->is_regular_file(error)) continue;
    std::ifstream in(entry->path(), std::ios::binary);
    auto file = std::make_unique<File>();
    file->path = "/" + fs::relative(entry->path(), directory, error).generic_string();
    file->bytes.assign(std::istreambuf_iterator<char>(in), {});
    if (!in) return Fail(ErrorCode::kInternal, "cannot read " + entry->path().string());
    bytes += file->bytes.size();
    if (bytes > kPageBytesMax) {
      return Fail(ErrorCode::kResourceExhausted, directory + " is larger than 64 MiB");
    }
    page.files_.push_back(std::move(file));
  }
  if (error) return Fail(ErrorCode::kInternal, "cannot read " + directory + ": " + error.message());
  return page;
}

std::vector<gateway::Asset> ExamplePage::assets() const {
  std::vector<gateway::Asset> assets;
  for (const auto& file : files_) assets.push_back({file->path, file->bytes});
  return assets;
}

std::string ConfigurationPath(const std::string& config) {
  std::error_code error;
  if (config.empty() || !fs::is_directory(config, error)) return config;
  return (fs::path(config) / "tidewire.yaml").string();
}

}  // namespace tw::app
