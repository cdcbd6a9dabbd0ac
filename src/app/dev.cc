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

Result<std::string> Mint(std::string_view secret, const DevUser& user, WallTime now) {
  const auto seconds = [](WallTime time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  };
  json::Writer writer;
  writer.Object().Key("iss").String("tidewire-dev").Key("role").String(user.role);
  if (!user.sub.empty()) writer.Key("sub").String(user.sub);
  for (const DevClaim& claim : user.claims) writer.Key(claim.name).Raw(claim.json);
  writer.Key("iat").Int(seconds(now)).Key("exp").Int(seconds(now + kKeyLife)).End();
  return auth::MintToken(writer.Take(), secret, auth::Algorithm::kHs256);
}

}  // namespace

StringMap<std::string> DevEnvironment() {
  return {{"TIDEWIRE_JWT_SECRET", std::string(kDevJwtSecret)},
          {"TIDEWIRE_HOOK_TOKEN", std::string(kDevHookToken)},
          {"TIDEWIRE_HOOK_SECRET", std::string(kDevHookSecret)}};
}

std::unique_ptr<FileSet> EmbeddedExample() { return std::make_unique<EmbeddedFiles>(); }

std::vector<gateway::Asset> EmbeddedPage() {
  std::vector<gateway::Asset> assets;
  for (const EmbeddedFile& file : EmbeddedPageFiles()) assets.push_back({file.path, file.bytes});
  return assets;
}

std::vector<DevUser> BuiltInUsers() {
  const auto user = [](const char* name, const std::string& workspace) {
    return DevUser{.name = name,
                   .sub = "00000000-0000-4000-8000-0000000000" + workspace,
                   .claims = {{"workspace_id", workspace}}};
  };
  return {user("Northwind", "37"), user("Contoso", "38")};
}

Result<DevKeys> MintDevKeys(std::string_view jwt_secret, WallTime now,
                            std::vector<DevUser> users) {
  DevKeys keys;
  TW_ASSIGN_OR_RETURN(keys.anon_key, Mint(jwt_secret, {.role = "anon"}, now));
  TW_ASSIGN_OR_RETURN(keys.service_key, Mint(jwt_secret, {.role = "service_role"}, now));
  keys.users = std::move(users);
  for (DevUser& user : keys.users) {
    TW_ASSIGN_OR_RETURN(user.token, Mint(jwt_secret, user, now));
  }
  return keys;
}

std::string DemoConfigJson(const DevKeys& keys) {
  json::Writer writer;
  writer.Object().Key("url").String("").Key("anon_key").String(keys.anon_key);
  writer.Key("users").Array();
  for (const DevUser& user : keys.users) {
    writer.Object().Key("name").String(user.name).Key("sub").String(user.sub);
    for (const DevClaim& claim : user.claims) writer.Key(claim.name).Raw(claim.json);
    writer.Key("token").String(user.token).End();
  }
  writer.End().End();
  return writer.Take();
}

}  // namespace tw::app
