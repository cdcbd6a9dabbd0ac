// Feeds an arbitrary byte stream to two request parsers, whole to one and cut at the fuzzer's
// choice to the other: both must see the same requests and stop at the same byte.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "http/request_parser.h"
#include "http/url.h"

namespace {

using tw::http::RequestParser;

constexpr uint64_t kBodyBytesMax = 1000;

// What was seen of each request, and the last state.
std::vector<std::string> Run(std::string_view stream, size_t piece) {
  std::vector<std::string> seen;
  RequestParser parser;
  for (size_t at = 0; at < stream.size(); at += piece) {
    std::string_view input = stream.substr(at, piece);
    for (bool go_on = true; go_on;) {
      switch (parser.Feed(input)) {
        case RequestParser::State::kHead:
        case RequestParser::State::kBody:
          TW_CHECK(input.empty());
          go_on = false;
          break;
        case RequestParser::State::kHeadComplete:
          seen.push_back(std::string(parser.head().method) + " " +
                         std::string(parser.head().target));
          for (const auto& [name, value] : parser.head().headers) {
            seen.push_back(std::string(name) + ":" + std::string(value));
          }
          (void)tw::http::ParseQuery(parser.head().query);
          (void)tw::http::DecodePath(parser.head().path);
          parser.AcceptBody(kBodyBytesMax);
          break;
        case RequestParser::State::kComplete:
          TW_CHECK(parser.body().size() <= kBodyBytesMax);
          seen.emplace_back(parser.body());
          parser.Reset();
          go_on = !input.empty();
          break;
        case RequestParser::State::kFailed:
          seen.push_back(std::to_string(parser.failure().status));
          return seen;
      }
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  TW_CHECK(Run(stream, data[0] + size_t{1}) == Run(stream, stream.size() + 1));
  return 0;
}
