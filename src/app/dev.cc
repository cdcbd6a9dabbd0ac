#include "app/dev.h"

#include "app/embedded.h"
#include "auth/jwt.h"
#include "json/json.h"

namespace tw::app {
namespace {

constexpr std::chrono::hours kKeyLife{24 * 365};

class EmbeddedFiles final : public FileSet {
 public:
  Result<std::string> Read(std::string_view path) const override {
    for (const EmbeddedFile& file : EmbeddedExampleFiles()) {
      if (file.path == path) return std::string(file.bytes);
    }
    return Fail(ErrorCode::kNotFound, "the built-in example has no file " + std::string(path));
  }
};

Result<std::string> Mint(std::string_view secret, std::string_view role, std::string_view sub,
                         int64_t workspace_id, WallTime now) {
  const auto seconds = [](WallTime time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  };
  json::Writer writer;
  writer.Object().Key("iss").String("tidewire-dev").Key("role").String(role);
  if (!sub.empty()) writer.Key("sub").String(sub);
  if (workspace_id != 0) writer.Key("workspace_id").Int(workspace_id);
  writer.Key("iat").Int(seconds(now)).Key("exp").Int(seconds(now + kKeyLife)).End();
  return auth::MintToken(writer.Take(), secret, auth::Algorithm::kHs256);
}

}  // namespace

StringMap<std::string> DevEnvironment() {
  return {{"TIDEWIRE_JWT_SECRET", std::string(kDevJwtSecret)},
          {"TIDEWIRE_HOOK_TOKEN", std::string(kDevHookToken)},
          {"TIDEWIRE_HOOK_SECRET", std::string(kDevHookSecret)},
          {"TIDEWIRE_OUTREACH_URL", "http://127.0.0.1:4811/api"}};
}

std::unique_ptr<FileSet> EmbeddedExample() { return std::make_unique<EmbeddedFiles>(); }

std::vector<gateway::Asset> EmbeddedPage() {
  std::vector<gateway::Asset> assets;
  for (const EmbeddedFile& file : EmbeddedPageFiles()) assets.push_back({file.path, file.bytes});
  return assets;
}

Result<DevKeys> MintDevKeys(std::string_view jwt_secret, WallTime now) {
  DevKeys keys;
  TW_ASSIGN_OR_RETURN(keys.anon_key, Mint(jwt_secret, "anon", "", 0, now));
  TW_ASSIGN_OR_RETURN(keys.service_key, Mint(jwt_secret, "service_role", "", 0, now));
  keys.users = {{"Northwind", 37, {}}, {"Contoso", 38, {}}};
  for (DevUser& user : keys.users) {
    const std::string sub =
        "00000000-0000-4000-8000-0000000000" + std::to_string(user.workspace_id);
    TW_ASSIGN_OR_RETURN(user.token,
                        Mint(jwt_secret, "authenticated", sub, user.workspace_id, now));
  }
  return keys;
}

std::string DemoConfigJson(const DevKeys& keys) {
  json::Writer writer;
  writer.Object().Key("url").String("").Key("anon_key").String(keys.anon_key);
  writer.Key("users").Array();
  for (const DevUser& user : keys.users) {
    writer.Object().Key("name").String(user.name).Key("workspace_id").Int(user.workspace_id);
    writer.Key("token").String(user.token).End();
  }
  writer.End().End();
  return writer.Take();
}

}  // namespace tw::app
