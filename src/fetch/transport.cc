#include "fetch/transport.h"

#include <curl/curl.h>

#include <algorithm>

#include "base/strings.h"

namespace tw::fetch {
namespace {

using std::chrono::seconds;

// A reset that far ahead in seconds is an epoch, not a duration.
constexpr int64_t kEpochSeconds = 1'000'000'000;
constexpr int64_t kEpochMilliseconds = 1'000'000'000'000;

std::optional<seconds> SecondsOrDate(std::string_view text, WallTime now) {
  text = Trim(text);
  if (const auto count = ParseUint64(text)) {
    return seconds(static_cast<int64_t>(std::min<uint64_t>(*count, kEpochSeconds)));
  }
  const time_t date = curl_getdate(std::string(text).c_str(), nullptr);
  if (date < 0) return std::nullopt;
  const auto wait = WallTime(seconds(date)) - now;
  return std::max(std::chrono::ceil<seconds>(wait), seconds(0));
}

std::optional<seconds> Reset(std::string_view text, WallTime now) {
  const auto count = ParseInt64(Trim(text));
  if (!count || *count < 0) return std::nullopt;
  if (*count < kEpochSeconds) return seconds(*count);
  const WallTime at = *count >= kEpochMilliseconds ? WallTime(std::chrono::milliseconds(*count))
                                                   : WallTime(seconds(*count));
  return std::max(std::chrono::ceil<seconds>(at - now), seconds(0));
}

}  // namespace

std::optional<std::string_view> Response::Find(std::string_view name) const {
  for (const Header& header : headers) {
    if (EqualsIgnoreCase(header.name, name)) return header.value;
  }
  return std::nullopt;
}

std::string PublicUrl(std::string_view url) {
  const std::string_view plain = url.substr(0, url.find_first_of("?#"));
  const size_t scheme = plain.find("://");
  if (scheme == std::string_view::npos) return "(no URL)";
  const size_t host = scheme + 3;
  const size_t path = std::min(plain.find('/', host), plain.size());
  const size_t user = plain.substr(0, path).rfind('@');
  const size_t from = user == std::string_view::npos || user < host ? host : user + 1;
  return std::string(plain.substr(0, host)) + std::string(plain.substr(from));
}

std::optional<seconds> RetryAfter(const Response& response, WallTime now) {
  std::optional<seconds> wait;
  if (const auto text = response.Find("retry-after")) wait = SecondsOrDate(*text, now);
  if (const auto text = response.Find("x-ratelimit-reset")) {
    const auto reset = Reset(*text, now);
    if (reset && (!wait || *reset > *wait)) wait = reset;
  }
  return wait;
}

}  // namespace tw::fetch
