#include "fetch/address_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace tw::fetch {
namespace {

using testing::FailsWith;

AddressKind Kind(std::string_view text) {
  const auto address = ParseAddress(text);
  EXPECT_TRUE(address.has_value()) << text;
  return KindOf(*address);
}

TEST(AddressGuardTest, OnlyPublicAddressesMayBeReached) {
  for (const char* text : {"1.1.1.1", "172.15.255.255", "172.32.0.0", "100.63.255.255",
                           "100.128.0.0", "169.253.1.1", "198.17.255.255", "2606:4700::1111",
                           "64:ff9b::1.1.1.1", "::ffff:8.8.8.8", "2002:808:808::"}) {
    EXPECT_EQ(Kind(text), AddressKind::kPublic) << text;
    EXPECT_TRUE(AddressGuard().Allows(*ParseAddress(text))) << text;
  }
  for (const char* text :
       {"127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255",
        "192.168.0.1", "100.64.0.1", "169.254.169.254", "224.0.0.1", "255.255.255.255", "::", "::1",
        "fe80::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "fec0::1"}) {
    EXPECT_NE(Kind(text), AddressKind::kPublic) << text;
    EXPECT_FALSE(AddressGuard().Allows(*ParseAddress(text))) << text;
  }
}

TEST(AddressGuardTest, AnIpv4AddressInsideAnIpv6OneIsJudgedItself) {
  EXPECT_EQ(Kind("::ffff:127.0.0.1"), AddressKind::kLoopback);
  EXPECT_EQ(Kind("::127.0.0.1"), AddressKind::kLoopback);
  EXPECT_EQ(Kind("64:ff9b::169.254.169.254"), AddressKind::kLinkLocal);
  EXPECT_EQ(Kind("2002:a00:1::"), AddressKind::kPrivate);  // 10.0.0.1
}

TEST(AddressGuardTest, TheOperatorsRangesAreAllowedAndNothingElse) {
  const AddressGuard guard({*ParseRange("127.0.0.0/8"), *ParseRange("fd00:1::/32")});
  EXPECT_TRUE(guard.Allows(*ParseAddress("127.9.9.9")));
  EXPECT_TRUE(guard.Allows(*ParseAddress("fd00:1::5")));
  EXPECT_FALSE(guard.Allows(*ParseAddress("fd00:2::5")));
  EXPECT_FALSE(guard.Allows(*ParseAddress("10.0.0.1")));
  EXPECT_TRUE(guard.Allows(*ParseAddress("9.9.9.9")));
}

TEST(AddressGuardTest, RangesHaveBoundsAtEveryBit) {
  const AddressRange range = *ParseRange("10.128.0.0/9");
  EXPECT_TRUE(range.Contains(*ParseAddress("10.128.0.0")));
  EXPECT_TRUE(range.Contains(*ParseAddress("10.255.255.255")));
  EXPECT_FALSE(range.Contains(*ParseAddress("10.127.255.255")));
  EXPECT_TRUE(ParseRange("10.0.0.1")->Contains(*ParseAddress("10.0.0.1")));
  EXPECT_FALSE(ParseRange("10.0.0.1")->Contains(*ParseAddress("10.0.0.2")));
}

TEST(AddressGuardTest, RefusesWhatIsNoRange) {
  for (const char* text : {"", "10.0.0.0/", "10.0.0.0/33", "::/129", "localhost", "1.2.3", "0x7f.1",
                           "127.1", "10.0.0.0/-1", "[::1]", "fe80::1%eth0"}) {
    EXPECT_THAT(ParseRange(text), FailsWith(ErrorCode::kInvalidArgument)) << text;
  }
}

}  // namespace
}  // namespace tw::fetch
