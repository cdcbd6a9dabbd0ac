#include "http/response.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "json/json.h"

namespace tw::http {
namespace {

bool HasBody(int status) {
  return status / 100 != 1 && status != 204 && status != 304;
}

void AppendHeader(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  const size_t start = out.size();
  out += value;
  std::replace_if(
      out.begin() + static_cast<std::ptrdiff_t>(start), out.end(),
      [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }, ' ');
  out += "\r\n";
}

}  // namespace

std::string_view ReasonPhrase(int status) {
  constexpr std::pair<int, std::string_view> kPhrases[] = {
      {100, "Continue"},
      {101, "Switching Protocols"},
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {206, "Partial Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {411, "Length Required"},
      {412, "Precondition Failed"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {416, "Range Not Satisfiable"},
      {417, "Expectation Failed"},
      {421, "Misdirected Request"},
      {422, "Unprocessable Content"},
      {425, "Too Early"},
      {426, "Upgrade Required"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
      {507, "Insufficient Storage"},
  };
  for (const auto& [known, phrase] : kPhrases) {
    if (known == status) return phrase;
  }
  return "Unknown";
}

void AppendResponse(std::string& out, int status, std::span<const HeaderView> headers,
                    std::string_view body, KeepAlive keep_alive) {
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", status, ReasonPhrase(status));
  for (const auto& [name, value] : headers) AppendHeader(out, name, value);
  if (keep_alive == KeepAlive::kNo) out += "Connection: close\r\n";
  if (HasBody(status)) {
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n\r\n", body.size());
    out += body;
  } else {
    out += "\r\n";
  }
}

void AppendErrorResponse(std::string& out, int status, std::string_view message,
                         KeepAlive keep_alive) {
  std::string body;
  json::Writer writer(body);
  writer.Object().Key("error").String(message).End();
  const HeaderView headers[] = {{"Content-Type", "application/json"}, kCorsAnyOrigin};
  AppendResponse(out, status, headers, body, keep_alive);
}

std::string FormatHttpDate(WallTime time) {
  constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{std::chrono::floor<std::chrono::seconds>(time - day)};
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays[std::chrono::weekday{day}.c_encoding()], unsigned{date.day()},
                     kMonths[unsigned{date.month()} - 1], int{date.year()}, clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count());
}

bool IsPreflight(std::string_view method, std::span<const HeaderView> headers) {
  return method == "OPTIONS" && FindHeader(headers, "origin") &&
         FindHeader(headers, "access-control-request-method");
}

void AppendPreflightResponse(std::string& out, KeepAlive keep_alive) {
  const HeaderView headers[] = {
      kCorsAnyOrigin,
      {"Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"},
      {"Access-Control-Allow-Headers", kCorsAllowedHeaders},
      {"Access-Control-Max-Age", "86400"},
  };
  AppendResponse(out, 204, headers, {}, keep_alive);
}

}  // namespace tw::http
