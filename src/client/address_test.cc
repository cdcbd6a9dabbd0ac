#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/driver.h"
#include "testing/matchers.h"

namespace tw::client {
namespace {

using testing::FailsWith;
using testing::IsOkAndHolds;

TEST(ClientAddressTest, AnAddressHasItsParts) {
  EXPECT_THAT(ParseAddress("http://a"), IsOkAndHolds(Address{false, "a", "80", ""}));
  EXPECT_THAT(ParseAddress("https://a.example/"), IsOkAndHolds(Address{true, "a.example", "443", ""}));
  EXPECT_THAT(ParseAddress("http://127.0.0.1:4000/before//"),
              IsOkAndHolds(Address{false, "127.0.0.1", "4000", "/before"}));
  EXPECT_THAT(ParseAddress("https://[::1]:8443"), IsOkAndHolds(Address{true, "::1", "8443", ""}));
}

TEST(ClientAddressTest, WhatIsNoAddressIsRefused) {
  for (const char* url :
       {"", "a", "ws://a", "HTTP://a", "http://", "http://:80", "http://a:", "http://a:0",
        "http://a:65536", "http://a:x", "http://u:p@a", "http://a b", "http://a/?x=1", "http://a#x",
        "http://a\r\nX: y"}) {
    EXPECT_THAT(ParseAddress(url), FailsWith(ErrorCode::kInvalidArgument)) << url;
  }
}

}  // namespace
}  // namespace tw::client
