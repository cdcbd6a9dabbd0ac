#include "gateway/origin.h"

#include <gtest/gtest.h>

#include <vector>

namespace tw::gateway {
namespace {

using Headers = std::vector<http::HeaderView>;
const std::vector<std::string> kAllowed = {"https://app.example.com", "http://localhost:3000",
                                           "https://*.example.org"};

TEST(OriginTest, ListedOriginsPass) {
  for (const char* origin : {"https://app.example.com", "http://localhost:3000",
                             "https://a.example.org", "https://a.b-c.example.org"}) {
    EXPECT_TRUE(OriginMayOpen(kAllowed, Headers{{"Origin", origin}})) << origin;
  }
}

TEST(OriginTest, AllElseIsRefused) {
  for (const char* origin :
       {"", "null", "https://evil.example", "https://app.example.com.evil",
        "https://evilapp.example.com", "https://app.example.com.", "https://app.example.com:443",
        "https://user@app.example.com", "HTTPS://APP.EXAMPLE.COM", "https://App.example.com",
        "http://app.example.com", "app.example.com", "https://app.example.com/",
        "https://example.org", "https://.example.org", "https://evilexample.org",
        "https://x..example.org", "https://evil.com/.example.org", "https://a@b.example.org",
        "http://a.example.org", "https://evil.com?.example.org", "https://*.example.org"}) {
    EXPECT_FALSE(OriginMayOpen(kAllowed, Headers{{"Origin", origin}})) << origin;
  }
  EXPECT_FALSE(OriginMayOpen(kAllowed, Headers{{"Origin", "https://app.example.com"},
                                               {"origin", "https://app.example.com"}}));
}

TEST(OriginTest, WithoutOriginOnlyACookieIsSuspect) {
  EXPECT_TRUE(OriginMayOpen(kAllowed, Headers{{"Authorization", "Bearer x"}}));
  EXPECT_FALSE(OriginMayOpen(kAllowed, Headers{{"cookie", "session=1"}}));
  EXPECT_TRUE(OriginMayOpen({}, Headers{{"Origin", "null"}, {"Cookie", "a=b"}}));
}

}  // namespace
}  // namespace tw::gateway
