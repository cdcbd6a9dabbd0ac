// `tidewire dev`: what a newcomer gets without any set-up. Nothing here is used by `serve`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/configuration.h"
#include "base/clock.h"
#include "base/result.h"
#include "gateway/assets.h"

namespace tw::app {

inline constexpr std::string_view kDevJwtSecret = "tidewire-development-secret-do-not-deploy";
inline constexpr std::string_view kDevHookToken = "dev";
inline constexpr std::string_view kDevHookSecret = "whsec_dGlkZXdpcmUtZGV2ZWxvcG1lbnQtaG9vay1zZWNyZXQ=";

// Values that `dev` gives to TIDEWIRE_JWT_SECRET, TIDEWIRE_HOOK_TOKEN and TIDEWIRE_HOOK_SECRET when
// they are not set.
StringMap<std::string> DevEnvironment();

// The example inside the program (examples/outreach).
std::unique_ptr<FileSet> EmbeddedExample();
// Its page, built; empty when the program was built without it.
std::vector<gateway::Asset> EmbeddedPage();

// A claim of a development user's token; `json` is its value as JSON text.
struct DevClaim {
  std::string name;
  std::string json;
};

struct DevUser {
  std::string name;
  std::string sub;
  std::string role = "authenticated";
  std::vector<DevClaim> claims;
  std::string token;
};

// Users of the built-in example: Northwind (workspace 37) and Contoso (38).
std::vector<DevUser> BuiltInUsers();

// The keys that `dev` prints: signed with the secret in force, valid for a year.
struct DevKeys {
  std::string anon_key;
  std::string service_key;
  std::vector<DevUser> users;
};
Result<DevKeys> MintDevKeys(std::string_view jwt_secret, WallTime now,
                            std::vector<DevUser> users);

// JSON of GET /demo/config.json.
std::string DemoConfigJson(const DevKeys& keys);

}  // namespace tw::app
