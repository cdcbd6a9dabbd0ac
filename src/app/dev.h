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

struct DevUser {
  std::string name;
  int64_t workspace_id = 0;
  std::string token;
};

// The keys that `dev` prints: signed with the secret in force, valid for a year.
struct DevKeys {
  std::string anon_key;
  std::string service_key;
  std::vector<DevUser> users;  // Northwind (37) and Contoso (38).
};
Result<DevKeys> MintDevKeys(std::string_view jwt_secret, WallTime now);

// JSON of GET /demo/config.json.
std::string DemoConfigJson(const DevKeys& keys);

}  // namespace tw::app
