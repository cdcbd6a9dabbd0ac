// Test-only gMock matchers for Result<T>.
//   EXPECT_THAT(ParseLsn("0/1"), IsOkAndHolds(Lsn{1}));
//   EXPECT_THAT(ParseLsn(""), FailsWith(ErrorCode::kInvalidArgument));
#pragma once

#include <gmock/gmock.h>

#include "base/result.h"

namespace tw::testing {

MATCHER(IsOk, "is ok") {
  if (arg.has_value()) return true;
  *result_listener << "error " << arg.error();
  return false;
}

MATCHER_P(IsOkAndHolds, matcher, "is ok and holds a matching value") {
  if (!arg.has_value()) {
    *result_listener << "error " << arg.error();
    return false;
  }
  return ::testing::ExplainMatchResult(matcher, *arg, result_listener);
}

MATCHER_P(FailsWith, code, "fails with the code") {
  if (arg.has_value()) {
    *result_listener << "is ok";
    return false;
  }
  *result_listener << "error " << arg.error();
  return arg.error().code == code;
}

// The error's message must match too: FailsWith(code, HasSubstr("line 3")).
MATCHER_P2(FailsWith, code, message, "fails with the code and message") {
  if (arg.has_value()) {
    *result_listener << "is ok";
    return false;
  }
  *result_listener << "error " << arg.error();
  return arg.error().code == code &&
         ::testing::ExplainMatchResult(message, arg.error().message, result_listener);
}

}  // namespace tw::testing
