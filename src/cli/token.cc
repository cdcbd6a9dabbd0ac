#include "cli/token.h"

#include <cstdio>

#include "app/configuration.h"
#include "app/dev.h"
#include "auth/jwt.h"
#include "config/types.h"
#include "json/json.h"

namespace tw::cli {
namespace {

// A hundred years, either way: past tokens serve tests.
constexpr std::chrono::days kTtlMax{36'500};

Result<std::chrono::microseconds> ParseTtl(std::string_view text) {
  TW_ASSIGN_OR_RETURN(const auto ttl, config::ParseDuration(text));
  if (ttl > kTtlMax || ttl < -kTtlMax) {
    return Fail(ErrorCode::kInvalidArgument,
                "--ttl: more than " + std::to_string(kTtlMax.count()) + "d");
  }
  return ttl;
}

// Signs as the server verifies: with a secret that it would take.
Result<std::string> Sign(std::string_view claims, std::string_view secret) {
  constexpr auth::Algorithm kAlgorithm = auth::Algorithm::kHs256;
  if (const auto key = auth::JwtKey::Create(secret, {&kAlgorithm, 1}); !key.ok()) {
    return Annotate(key.error(), "TIDEWIRE_JWT_SECRET");
  }
  return auth::MintToken(claims, secret, kAlgorithm);
}

Result<std::string> ClaimsJson(const MintArguments& arguments, std::chrono::microseconds ttl) {
  const auto seconds = [](WallTime time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  };
  const WallTime now = SystemClock().Wall();
  json::Writer writer;
  writer.Object().Key("role").String(arguments.role);
  if (!arguments.sub.empty()) writer.Key("sub").String(arguments.sub);
  for (const std::string& claim : arguments.claims) {
    const size_t equals = claim.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Fail(ErrorCode::kInvalidArgument, "--claim '" + claim + "' is not KEY=VALUE");
    }
    const std::string name = claim.substr(0, equals);
    const std::string value = claim.substr(equals + 1);
    if (name == "role" || name == "sub" || name == "exp" || name == "iat") {
      return Fail(ErrorCode::kInvalidArgument,
                  "--claim " + name + ": use --role, --sub and --ttl for it");
    }
    writer.Key(name);
    if (const auto document = json::Parse(value); document.ok()) {
      writer.Json(document->root());
    } else {
      writer.String(value);
    }
  }
  writer.Key("iat").Int(seconds(now)).Key("exp").Int(seconds(now + ttl)).End();
  return writer.Take();
}

}  // namespace

ExitCode RunTokenMint(const MintArguments& arguments) {
  const auto ttl = ParseTtl(arguments.ttl);
  if (!ttl.ok()) return PrintError(arguments.format, ttl.error(), ExitCode::kUsage);
  const app::ProcessEnvironment environment;
  const auto secret = environment.Variable("TIDEWIRE_JWT_SECRET");
  if (!secret && arguments.format == Format::kText) {
    std::fprintf(stderr,
                 "tidewire: TIDEWIRE_JWT_SECRET is not set; signed with the development secret\n");
  }
  const auto claims = ClaimsJson(arguments, *ttl);
  if (!claims.ok()) return PrintError(arguments.format, claims.error(), ExitCode::kUsage);
  const auto token = Sign(*claims, secret.value_or(std::string(app::kDevJwtSecret)));
  if (!token.ok()) return PrintError(arguments.format, token.error(), ExitCode::kAuth);
  if (arguments.format == Format::kJson) {
    json::Writer writer;
    writer.Object().Key("token").String(*token).Key("claims").Raw(*claims).End();
    std::printf("%s\n", writer.Take().c_str());
  } else {
    std::printf("%s\n", token->c_str());
  }
  return ExitCode::kOk;
}

}  // namespace tw::cli
