// Errors as values. World → Result<T>; our bug → TW_CHECK (check.h); `throw` → never.
#pragma once

#include <cstdint>
#include <expected>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace tw {

// What went wrong, for the caller's decision. Names follow the canonical status codes that gRPC
// and Abseil use, so that their meanings need no learning.
enum class ErrorCode : uint8_t {
  kInvalidArgument,    // The input is wrong, whatever the state.
  kNotFound,           // A named thing does not exist.
  kAlreadyExists,      // A named thing exists and must not.
  kPermissionDenied,   // The caller is known and may not.
  kUnauthenticated,    // The caller is not known: no, wrong or expired credentials.
  kResourceExhausted,  // A named limit was reached.
  kFailedPrecondition, // The state forbids it; retrying without a change is useless.
  kOutOfRange,         // Past the end, or outside the kept history.
  kUnavailable,        // Transient; retry with back-off.
  kDataLoss,           // Stored bytes are damaged.
  kInternal,           // The environment broke a promise (disk, library).
};

// Lower-case words with underscores: "invalid_argument". Stable: used in logs and metrics.
std::string_view ToString(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  // A sentence without final period: what, where, what to do.

  bool operator==(const Error&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Error& error);

// A value or an Error. Never silently dropped.
template <typename T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
  bool ok() const { return this->has_value(); }
};

template <>
class [[nodiscard]] Result<void> : public std::expected<void, Error> {
 public:
  using std::expected<void, Error>::expected;
  bool ok() const { return this->has_value(); }
};

using Status = Result<void>;

inline std::unexpected<Error> Fail(ErrorCode code, std::string message) {
  return std::unexpected<Error>(Error{code, std::move(message)});
}

// The same error with "<context>: " in front of its message.
std::unexpected<Error> Annotate(Error error, std::string_view context);

}  // namespace tw

#define TW_CONCAT_INNER(a, b) a##b
#define TW_CONCAT(a, b) TW_CONCAT_INNER(a, b)

// TW_ASSIGN_OR_RETURN(auto row, ReadRow()); returns the error to our caller.
#define TW_ASSIGN_OR_RETURN(lhs, expression) \
  TW_ASSIGN_OR_RETURN_INNER(TW_CONCAT(tw_result_, __LINE__), lhs, expression)
#define TW_ASSIGN_OR_RETURN_INNER(result, lhs, expression)                      \
  auto result = (expression);                                                   \
  if (!result.has_value()) return std::unexpected(std::move(result).error());   \
  lhs = std::move(result).value()

#define TW_RETURN_IF_ERROR(expression) \
  TW_RETURN_IF_ERROR_INNER(TW_CONCAT(tw_status_, __LINE__), expression)
#define TW_RETURN_IF_ERROR_INNER(status, expression)         \
  do {                                                       \
    if (auto status = (expression); !status.has_value()) {   \
      return std::unexpected(std::move(status).error());     \
    }                                                        \
  } while (false)
