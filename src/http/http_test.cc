#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "http/response.h"
#include "http/response_parser.h"
#include "http/url.h"
#include "testing/matchers.h"

namespace tw::http {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::tw::testing::FailsWith;
using ::tw::testing::IsOkAndHolds;

TEST(ParseQueryTest, KeepsOrderAndRepetition) {
  EXPECT_THAT(ParseQuery("a=1&b=x+y%2B&c&a=2&=v&d=="),
              IsOkAndHolds(ElementsAre(Pair("a", "1"), Pair("b", "x y+"), Pair("c", ""),
                                       Pair("a", "2"), Pair("", "v"), Pair("d", "="))));
  EXPECT_THAT(ParseQuery(""), IsOkAndHolds(ElementsAre()));
  EXPECT_THAT(ParseQuery("&&a&"), IsOkAndHolds(ElementsAre(Pair("a", ""))));
  const auto parameters = *ParseQuery("vsn=2.0.0&vsn=1.0.0");
  EXPECT_EQ(FindParameter(parameters, "vsn"), "2.0.0");
  EXPECT_EQ(FindParameter(parameters, "VSN"), std::nullopt);
}

TEST(ParseQueryTest, RefusesBadEscapesAndFloods) {
  EXPECT_THAT(ParseQuery("a=%"), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(ParseQuery("%zz=1"), FailsWith(ErrorCode::kInvalidArgument));
  std::string flood;
  for (size_t i = 0; i < kQueryParametersMax; ++i) flood += "a&";
  EXPECT_TRUE(ParseQuery(flood).ok());
  EXPECT_THAT(ParseQuery(flood + "a"), FailsWith(ErrorCode::kResourceExhausted));
}

TEST(DecodePathTest, DecodesWhatIsPlain) {
  EXPECT_THAT(DecodePath("/"), IsOkAndHolds("/"));
  EXPECT_THAT(DecodePath("/api/room%3A1/events/a%20b/"), IsOkAndHolds("/api/room:1/events/a b/"));
  EXPECT_THAT(DecodePath("/a.b/.well-known/c..d/é"), IsOkAndHolds("/a.b/.well-known/c..d/é"));
}

TEST(DecodePathTest, RefusesTricks) {
  for (const char* path :
       {"",       "a",      "*",     "//",       "//a",     "/a//b",     "/.",          "/./a",
        "/..",    "/../a",  "/a/..", "/%2e%2e/", "/%2E./a", "/.%2e",     "/admin/..;/", "/...",
        "/a%2fb", "/a%2Fb", "/a\\b", "/a%5cb",   "/%00",    "/a%0d%0ab", "/%7f",        "/%",
        "/%4",    "/%zz",   "/%ff",  "/%c0%af"}) {
    EXPECT_THAT(DecodePath(path), FailsWith(ErrorCode::kInvalidArgument)) << path;
  }
}

TEST(AppendResponseTest, WritesAWholeResponse) {
  std::string out;
  const HeaderView headers[] = {{"Content-Type", "text/plain"}, {"X-Request-Id", "7"}};
  AppendResponse(out, 200, headers, "hello", KeepAlive::kYes);
  EXPECT_EQ(out,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Request-Id: 7\r\n"
            "Content-Length: 5\r\n\r\nhello");
  out.clear();
  AppendResponse(out, 404, {}, "", KeepAlive::kNo);
  EXPECT_EQ(out, "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}

TEST(AppendResponseTest, SomeStatusesHaveNoBody) {
  for (const int status : {101, 204, 304}) {
    std::string out;
    AppendResponse(out, status, {}, "dropped", KeepAlive::kYes);
    EXPECT_THAT(out, Not(HasSubstr("Content-Length")));
    EXPECT_TRUE(out.ends_with("\r\n\r\n"));
  }
}

TEST(AppendResponseTest, NoValueBeginsANewLine) {
  std::string out;
  const HeaderView headers[] = {{"X", std::string_view("a\r\nSet-Cookie: b\0\x7f", 18)}};
  AppendResponse(out, 200, headers, "", KeepAlive::kYes);
  EXPECT_THAT(out, HasSubstr("\r\nX: a  Set-Cookie: b  \r\nContent-Length: 0\r\n\r\n"));
}

TEST(AppendErrorResponseTest, EscapesTheMessage) {
  std::string out;
  AppendErrorResponse(out, 401, "no \"key\"", KeepAlive::kYes);
  EXPECT_THAT(out, HasSubstr("HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n"
                             "Access-Control-Allow-Origin: *\r\n"));
  EXPECT_THAT(out, HasSubstr("\r\n\r\n{\"error\":\"no \\\"key\\\"\"}"));
}

TEST(ReasonPhraseTest, KnowsTheOnesWeSend) {
  for (const int status : {101, 200, 204, 400, 401, 403, 404, 405, 408, 409, 413,
                           414, 415, 421, 426, 429, 431, 500, 501, 503, 505}) {
    EXPECT_NE(ReasonPhrase(status), "Unknown") << status;
  }
  EXPECT_EQ(ReasonPhrase(299), "Unknown");
}

// RFC 9110 §5.6.7.
TEST(FormatHttpDateTest, ExampleOfTheRfc) {
  EXPECT_EQ(FormatHttpDate(WallTime{std::chrono::seconds{784'111'777}}),
            "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(FormatHttpDate(WallTime{}), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(CorsTest, PreflightsAreToldApartAndAnswered) {
  const HeaderView headers[] = {{"origin", "https://app.example.com"},
                                {"access-control-request-method", "POST"}};
  EXPECT_TRUE(IsPreflight("OPTIONS", headers));
  EXPECT_FALSE(IsPreflight("GET", headers));
  EXPECT_FALSE(IsPreflight("OPTIONS", std::span(headers).first(1)));
  std::string out;
  AppendPreflightResponse(out, KeepAlive::kYes);
  EXPECT_THAT(out, HasSubstr("HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\n"));
  EXPECT_THAT(out, HasSubstr("Access-Control-Allow-Headers: authorization, apikey, content-type, "
                             "x-client-info, prefer, range, accept-profile, content-profile, "
                             "if-none-match, min-position, tidewire-mutation, idempotency-key\r\n"));
}

TEST(ResponseParserTest, ReadsWhatAppendResponseWrites) {
  std::string stream;
  const HeaderView headers[] = {{"X", "1"}};
  AppendResponse(stream, 201, headers, "hello", KeepAlive::kYes);
  AppendResponse(stream, 204, {}, "", KeepAlive::kNo);
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    ResponseParser parser;
    std::vector<std::string> seen;
    for (size_t at = 0; at < stream.size(); at += piece) {
      std::string_view input = std::string_view(stream).substr(at, piece);
      while (parser.Feed(input) == Progress::kDone) {
        seen.push_back(std::to_string(parser.status()) + std::string(parser.Header("x")) +
                       std::string(parser.body()) + (parser.keep_alive() ? "" : " close"));
        parser.Reset();
      }
    }
    EXPECT_THAT(seen, ElementsAre("2011hello", "204 close")) << piece;
  }
}

TEST(ResponseParserTest, ReadsChunksAndLeavesTheRest) {
  ResponseParser parser;
  std::string_view input =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nHTTP/1.1";
  EXPECT_EQ(parser.Feed(input), Progress::kDone);
  EXPECT_EQ(parser.body(), "abc");
  EXPECT_EQ(input, "HTTP/1.1");
}

TEST(ResponseParserTest, UpgradesHaveNoBody) {
  ResponseParser parser;
  std::string_view input =
      "HTTP/1.1 101 Switching Protocols\r\nContent-Length: 9\r\nUpgrade: websocket\r\n\r\n\x81\x00";
  EXPECT_EQ(parser.Feed(input), Progress::kDone);
  EXPECT_EQ(parser.status(), 101);
  EXPECT_EQ(input.front(), '\x81');
}

TEST(ResponseParserTest, RefusesWhatIsBrokenOrTooLarge) {
  for (const char* text :
       {"HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "hello\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", "HTTP/1.1 200 OK\n\n"}) {
    ResponseParser parser(10);
    std::string_view input = text;
    EXPECT_EQ(parser.Feed(input), Progress::kFailed) << text;
    EXPECT_FALSE(parser.failure().reason.empty());
  }
}

}  // namespace
}  // namespace tw::http
