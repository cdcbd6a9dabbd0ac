// TW_CHECK: a condition that only a bug of ours can break. Active in every build; prints file, line
// and condition to standard error and aborts, so that a broken state is never written anywhere.
#pragma once

namespace tw {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);
}  // namespace tw

#define TW_CHECK(condition)                                                   \
  do {                                                                        \
    if (!(condition)) [[unlikely]] ::tw::CheckFailed(__FILE__, __LINE__, #condition); \
  } while (false)
#define TW_UNREACHABLE() ::tw::CheckFailed(__FILE__, __LINE__, "unreachable")
