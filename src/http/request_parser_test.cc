#include "http/request_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"

namespace tw::http {
namespace {

using ::testing::ElementsAre;
using State = RequestParser::State;

constexpr std::string_view kHost = "Host: a\r\n";

// Feeds everything; a body of up to `body_bytes_max` is accepted.
State FeedAll(RequestParser& parser, std::string_view& input, uint64_t body_bytes_max = 1000) {
  if (parser.Feed(input) == State::kHeadComplete) parser.AcceptBody(body_bytes_max);
  return parser.Feed(input);
}

// The status that `text` is refused with; 200 when it is a whole request, 0 when more is needed.
int StatusOf(std::string_view text, uint64_t body_bytes_max = 1000) {
  RequestParser parser;
  switch (FeedAll(parser, text, body_bytes_max)) {
    case State::kHead:
    case State::kBody:
      return 0;
    case State::kHeadComplete:
      return -1;
    case State::kComplete:
      return 200;
    case State::kFailed:
      return parser.failure().status;
  }
  return -1;
}

// The status for a POST with these header lines (each with its CRLF) and then `body`.
int StatusOfPost(std::string_view headers, std::string_view body = "",
                 uint64_t body_bytes_max = 1000) {
  return StatusOf(
      "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(headers) + "\r\n" + std::string(body),
      body_bytes_max);
}

int StatusOfChunks(std::string_view body, uint64_t body_bytes_max = 1000) {
  return StatusOfPost("Transfer-Encoding: chunked\r\n", body, body_bytes_max);
}

TEST(RequestParserTest, ReadsAHead) {
  RequestParser parser;
  std::string_view input =
      "GET /realtime/v1/websocket?apikey=a%20b&vsn=2.0.0 HTTP/1.1\r\nHost: localhost:4000\r\n"
      "X-Api-Key:\t key \r\nEmpty:\r\nx-api-key: second\r\n\r\n";
  ASSERT_EQ(parser.Feed(input), State::kHeadComplete);
  const RequestHead& head = parser.head();
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.target, "/realtime/v1/websocket?apikey=a%20b&vsn=2.0.0");
  EXPECT_EQ(head.path, "/realtime/v1/websocket");
  EXPECT_EQ(head.query, "apikey=a%20b&vsn=2.0.0");
  EXPECT_EQ(head.http_version, "1.1");
  EXPECT_EQ(head.Header("x-API-key"), "key");
  EXPECT_EQ(head.Header("empty"), "");
  EXPECT_EQ(head.Header("absent"), "");
  EXPECT_EQ(head.headers.size(), 4u);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_FALSE(head.expects_continue);
  EXPECT_EQ(parser.AcceptBody(0), State::kComplete);
  EXPECT_EQ(parser.body(), "");
}

TEST(RequestParserTest, ReadsABodyByLength) {
  RequestParser parser;
  std::string_view input = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET";
  ASSERT_EQ(FeedAll(parser, input, 5), State::kComplete);
  EXPECT_EQ(parser.body(), "hello");
  EXPECT_EQ(input, "GET");
  EXPECT_EQ(parser.TakeBody(), "hello");
}

TEST(RequestParserTest, ReadsAChunkedBody) {
  RequestParser parser;
  std::string_view input =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "5\r\nhello\r\n1;name=\"v\"\r\n \r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nnext";
  ASSERT_EQ(FeedAll(parser, input), State::kComplete);
  EXPECT_EQ(parser.body(), "hello 0123456789");
  EXPECT_EQ(parser.head().headers.size(), 2u) << "trailers are dropped";
  EXPECT_EQ(input, "next");
}

TEST(RequestParserTest, RequestsFollowEachOther) {
  const std::string one = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
  const std::string two = "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string stream = one + two + "\r\n" + two + one;
  RequestParser parser;
  std::vector<std::string> seen;
  std::string_view input = stream;
  while (!input.empty()) {
    ASSERT_EQ(FeedAll(parser, input), State::kComplete);
    seen.push_back(std::string(parser.head().path) + std::string(parser.body()));
    parser.Reset();
  }
  EXPECT_THAT(seen, ElementsAre("/1abc", "/2", "/2", "/1abc"));
}

TEST(RequestParserTest, EveryCutGivesTheSameRequest) {
  const std::string stream =
      "\r\nPOST /p?q HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;x\r\nabc\r\n0\r\nT: 1\r\n\r\n";
  for (size_t first = 0; first <= stream.size(); ++first) {
    for (const size_t step : {size_t{1}, stream.size()}) {
      RequestParser parser;
      State state = State::kHead;
      for (size_t at = 0; at < stream.size();) {
        const size_t size = at < first ? first : step;
        std::string_view input = std::string_view(stream).substr(at, size);
        at += size;
        state = FeedAll(parser, input);
        ASSERT_TRUE(input.empty());
      }
      ASSERT_EQ(state, State::kComplete) << first << " " << step;
      ASSERT_EQ(parser.body(), "abc");
      ASSERT_EQ(parser.head().path, "/p");
    }
  }
}

TEST(RequestParserTest, LeavesWhatAWebSocketClientSendsEarly) {
  RequestParser parser;
  std::string_view input =
      "GET /socket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: "
      "Upgrade\r\n\r\n\x81\x80";
  ASSERT_EQ(FeedAll(parser, input), State::kComplete);
  EXPECT_EQ(input, "\x81\x80");
}

TEST(RequestParserTest, SmugglingIsRefused) {
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  for (const std::string& headers :
       std::vector<std::string>{"Content-Length: 5\r\n" + chunked,
                                chunked + "Content-Length: 5\r\n",
                                "Content-Length: 0\r\n" + chunked,
                                "Content-Length: 5\r\nContent-Length: 6\r\n",
                                "Content-Length: 5\r\ncontent-length: 5\r\n",
                                "Content-Length: 5, 5\r\n",
                                "Content-Length: +5\r\n",
                                "Content-Length: -5\r\n",
                                "Content-Length: 0x5\r\n",
                                "Content-Length: 5 5\r\n",
                                "Content-Length: \r\n",
                                "Content-Length: 5a\r\n",
                                "Content-Length: 18446744073709551616\r\n",
                                chunked + chunked,
                                "Transfer-Encoding : chunked\r\n",
                                " Transfer-Encoding: chunked\r\n",
                                "X: 1\r\n Transfer-Encoding: chunked\r\n",
                                "X: 1\n" + chunked,
                                "X: 1\r" + chunked,
                                "X: a\rb\r\n",
                                std::string("X: a\0b\r\n", 8),
                                "X: a\x01\r\n",
                                "X\t: a\r\n",
                                ": a\r\n",
                                "no colon\r\n",
                                "X: 1\r\n\tfolded\r\n"}) {
    EXPECT_EQ(StatusOfPost(headers, "0\r\n\r\n"), 400) << headers;
  }
}

TEST(RequestParserTest, OnlyChunkedIsATransferCoding) {
  for (const char* coding : {"chunked, gzip", "gzip, chunked", "xchunked", "chunked chunked",
                             "identity", "", "\"chunked\"", "chunked;q=1", ",chunked"}) {
    EXPECT_EQ(StatusOfPost("Transfer-Encoding: " + std::string(coding) + "\r\n", "0\r\n\r\n"), 501)
        << coding;
  }
}

TEST(RequestParserTest, BrokenChunksAreRefused) {
  EXPECT_EQ(StatusOfChunks("0\r\n\r\n"), 200);
  for (const char* body :
       {"\r\n", ";x\r\n", "g\r\n", "0x5\r\n", "+5\r\n", "-1\r\n", " 5\r\n", "5 \r\n", "5\n", "5\rx",
        "5;a\nb\r\n", "5;a\x01\r\n", "5;\x7f\r\n", "3\r\nabcd\r\n", "3\r\nabc\n", "3\r\nabc\rx",
        "00000000000000005\r\n", "0\r\nbad\nline\r\n\r\n", "0\r\n folded\r\n\r\n"}) {
    EXPECT_EQ(StatusOfChunks(body), 400) << body;
  }
}

TEST(RequestParserTest, BodyLimitIsExact) {
  EXPECT_EQ(StatusOfPost("Content-Length: 10\r\n", "0123456789", 10), 200);
  EXPECT_EQ(StatusOfPost("Content-Length: 11\r\n", "", 10), 413) << "before a byte is read";
  EXPECT_EQ(StatusOfPost("Content-Length: 18446744073709551615\r\n", "", 10), 413);
  EXPECT_EQ(StatusOfChunks("5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n", 10), 200);
  EXPECT_EQ(StatusOfChunks("5\r\n01234\r\n6\r\n", 10), 413) << "at the chunk's size";
  EXPECT_EQ(StatusOfChunks("5\r\n01234\r\nffffffffffffffff\r\n", 10), 413);
  EXPECT_EQ(StatusOfChunks("8000000000000000\r\n", 10), 413);
  EXPECT_EQ(StatusOfChunks("1\r\n", 0), 413);
}

TEST(RequestParserTest, ChunkExtensionsAreBoundedOverTheWholeBody) {
  std::string body;
  for (int i = 0; i < 100; ++i) body += "1;" + std::string(150, 'x') + "\r\na\r\n";
  EXPECT_EQ(StatusOfChunks(body + "0\r\n\r\n"), 200);
  for (int i = 0; i < 10; ++i) body += "1;" + std::string(150, 'x') + "\r\na\r\n";
  EXPECT_EQ(StatusOfChunks(body + "0\r\n\r\n"), 400);
  EXPECT_EQ(StatusOfChunks("1;" + std::string(10 << 20, 'x')), 400);
}

TEST(RequestParserTest, TrailersAreBounded) {
  EXPECT_EQ(StatusOfChunks("0\r\nT: " + std::string(20'000, 'x') + "\r\n\r\n"), 431);
  std::string many = "0\r\n";
  for (int i = 0; i < 101; ++i) many += "T: 1\r\n";
  EXPECT_EQ(StatusOfChunks(many + "\r\n"), 431);
}

TEST(RequestParserTest, HeaderLimitsAreExact) {
  const auto block = [](size_t bytes) {
    return "X: " + std::string(bytes - kHost.size() - 5, 'x') + "\r\n";
  };
  EXPECT_EQ(StatusOfPost(block(kHeaderBytesMax)), 200);
  EXPECT_EQ(StatusOfPost(block(kHeaderBytesMax + 1)), 431);
  EXPECT_EQ(StatusOfPost(std::string(64 << 10, 'x')), 431) << "without waiting for the line's end";
  std::string headers;
  for (size_t i = 1; i < kHeadersMax; ++i) headers += "X: 1\r\n";
  EXPECT_EQ(StatusOfPost(headers), 200);
  EXPECT_EQ(StatusOfPost(headers + "X: 1\r\n"), 431);
}

TEST(RequestParserTest, RequestLineLimitIsExact) {
  const auto line = [](size_t bytes) {
    return "GET /" + std::string(bytes - 16, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  };
  EXPECT_EQ(StatusOf(line(kStartLineBytesMax)), 200);
  EXPECT_EQ(StatusOf(line(kStartLineBytesMax + 1)), 414);
  EXPECT_EQ(StatusOf(std::string(kStartLineBytesMax + 1, 'x')), 414);
}

TEST(RequestParserTest, BadRequestLinesAreRefused) {
  const std::string rest = "\r\nHost: a\r\n\r\n";
  for (const char* line :
       {"GET / HTTP/1.1 ", "GET  / HTTP/1.1", " GET / HTTP/1.1", "GET /", "GET", "G@T / HTTP/1.1",
        "GET / http/1.1", "GET / HTTP/1", "GET / FTP/1.1", "GET /a b HTTP/1.1", "GET\t/ HTTP/1.1",
        "GET index.html HTTP/1.1", "GET * HTTP/1.1", "GET /#x HTTP/1.1", "GET ftp://a/ HTTP/1.1",
        "GET http://a?q HTTP/1.1", "CONNECT a:443 HTTP/1.1", "/ HTTP/1.1"}) {
    EXPECT_EQ(StatusOf(line + rest), 400) << line;
  }
  EXPECT_EQ(StatusOf("GET / HTTP/2.0" + rest), 505);
  EXPECT_EQ(StatusOf("GET / HTTP/1.2" + rest), 505);
  EXPECT_EQ(StatusOf("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
  EXPECT_EQ(StatusOf(std::string("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1") + rest), 400);
  EXPECT_EQ(StatusOf(std::string("\r\n\r\n\r\n\r\nGET / HTTP/1.1") + rest), 200);
}

TEST(RequestParserTest, TargetsMayBeUrls) {
  const auto parse = [](std::string_view line) {
    RequestParser parser;
    const std::string text = std::string(line) + " HTTP/1.1\r\nHost: a\r\n\r\n";
    std::string_view input = text;
    EXPECT_EQ(parser.Feed(input), State::kHeadComplete) << line;
    return std::string(parser.head().path) + "|" + std::string(parser.head().query);
  };
  EXPECT_EQ(parse("GET /a?b=/c?d"), "/a|b=/c?d");
  EXPECT_EQ(parse("GET http://host:1/a?b"), "/a|b");
  EXPECT_EQ(parse("GET HTTPS://host"), "/|");
  EXPECT_EQ(parse("OPTIONS *"), "*|");
  EXPECT_EQ(parse("PATCH /?"), "/|");
}

TEST(RequestParserTest, HostIsRequiredOnce) {
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.0\r\n\r\n"), 200);
}

TEST(RequestParserTest, KeepAliveFollowsVersionAndConnection) {
  const auto keep_alive = [](std::string_view version, std::string_view header) {
    RequestParser parser;
    const std::string text =
        "GET / " + std::string(version) + "\r\nHost: a\r\n" + std::string(header) + "\r\n";
    std::string_view input = text;
    EXPECT_EQ(parser.Feed(input), State::kHeadComplete);
    return parser.head().keep_alive;
  };
  EXPECT_TRUE(keep_alive("HTTP/1.1", ""));
  EXPECT_FALSE(keep_alive("HTTP/1.1", "Connection: foo, Close\r\n"));
  EXPECT_FALSE(keep_alive("HTTP/1.0", ""));
  EXPECT_FALSE(keep_alive("HTTP/1.0", "Connection: keep-alive\r\n"));
}

TEST(RequestParserTest, TransferEncodingNeedsHttp11) {
  EXPECT_EQ(StatusOf("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
}

TEST(RequestParserTest, ExpectsContinueOnlyWithABody) {
  const auto expects = [](std::string_view headers) {
    RequestParser parser;
    const std::string text = "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(headers) + "\r\n";
    std::string_view input = text;
    parser.Feed(input);
    return parser.head().expects_continue;
  };
  EXPECT_TRUE(expects("Expect: 100-Continue\r\nContent-Length: 5\r\n"));
  EXPECT_FALSE(expects("Expect: 100-continue\r\n"));
  EXPECT_FALSE(expects("Expect: coffee\r\nContent-Length: 5\r\n"));
}

TEST(RequestParserTest, AfterAFailureNothingIsTaken) {
  RequestParser parser;
  std::string_view input = "bad\n";
  EXPECT_EQ(parser.Feed(input), State::kFailed);
  EXPECT_EQ(parser.failure(), (Failure{400, "line ends with a bare LF"}));
  input = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const size_t size = input.size();
  EXPECT_EQ(parser.Feed(input), State::kFailed);
  EXPECT_EQ(input.size(), size);
}

// Heads damaged at random are refused or understood, never anything else.
TEST(RequestParserTest, DamagedRequestsNeverCrash) {
  SeededRandom random(5);
  const std::string good =
      "POST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n5;e\r\nhello\r\n0\r\n\r\n";
  for (int round = 0; round < 50'000; ++round) {
    std::string text = good;
    for (uint64_t n = 1 + random.Below(3); n > 0; --n) {
      text[random.Below(text.size())] =
          random.Percent(50) ? "\r\n :;\t\0"[random.Below(7)] : static_cast<char>(random.Next());
    }
    const int status = StatusOf(text);
    ASSERT_TRUE(status == 0 || status == 200 || status == 400 || status == 413 || status == 501 ||
                status == 505)
        << status << text;
  }
}

}  // namespace
}  // namespace tw::http
