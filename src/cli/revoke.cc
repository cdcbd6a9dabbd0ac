#include "cli/revoke.h"

#include <cstdio>

#include "app/revocation_book.h"
#include "auth/revocations.h"
#include "cli/database.h"
#include "config/types.h"
#include "json/json.h"

namespace tw::cli {
namespace {

constexpr std::chrono::days kKeepMax{366};

Result<auth::Revocation> RevocationOf(const RevokeArguments& arguments, WallTime now) {
  auth::Revocation revocation{.value = {},
                              .revoked_at = now,
                              .expires_at = now + auth::kRevokedForDefault};
  if (!arguments.subject.empty()) {
    revocation.by = auth::RevokedBy::kSubject;
    revocation.value = arguments.subject;
  } else if (!arguments.session.empty()) {
    revocation.by = auth::RevokedBy::kSession;
    revocation.value = arguments.session;
  } else {
    revocation.by = auth::RevokedBy::kToken;
    revocation.value = arguments.token;
  }
  if (arguments.keep.empty()) return revocation;
  TW_ASSIGN_OR_RETURN(const auto keep, config::ParseDuration(arguments.keep));
  if (keep <= std::chrono::seconds{0} || keep > kKeepMax) {
    return Fail(ErrorCode::kInvalidArgument, "--for: more than 0s and at most 366d");
  }
  revocation.expires_at = now + keep;
  return revocation;
}

Status Do(const RevokeArguments& arguments) {
  TW_ASSIGN_OR_RETURN(const auth::Revocation revocation,
                      RevocationOf(arguments, SystemClock().Wall()));
  TW_ASSIGN_OR_RETURN(auto database, OpenBeside(arguments.data_directory));
  TW_RETURN_IF_ERROR(app::RevocationBook::Add(database, revocation));
  const std::string claim(auth::ToString(revocation.by));
  const std::string until = FormatTimestampMs(revocation.expires_at);
  if (arguments.format == Format::kJson) {
    json::Writer writer;
    writer.Object().Key(claim).String(revocation.value);
    writer.Key("expires_at").String(until).End();
    std::printf("%s\n", writer.Take().c_str());
  } else {
    std::printf("revoked: tokens with %s '%s', until %s\n", claim.c_str(),
                revocation.value.c_str(), until.c_str());
  }
  return {};
}

}  // namespace

ExitCode RunRevoke(const RevokeArguments& arguments) {
  const Status done = Do(arguments);
  if (done.ok()) return ExitCode::kOk;
  return PrintError(arguments.format, done.error(), ExitCodeOf(done.error()));
}

}  // namespace tw::cli
