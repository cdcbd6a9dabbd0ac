#include "ingest/inbox/delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace tw::ingest {
namespace {

using testing::FailsWith;
using testing::IsOk;

Delivery Full() {
  Delivery delivery;
  delivery.sequence = 7;
  delivery.received_at = WallTime{std::chrono::microseconds{1'767'323'045'123'456}};
  delivery.channel = Channel::kReplay;
  delivery.authentication = Authentication::kSignature;
  delivery.source = "calendar";
  delivery.method = "POST";
  delivery.query = "a=1&b";
  delivery.remote_address = "2001:db8::1";
  delivery.headers = {{"content-type", "application/json"}, {"x-empty", ""}};
  delivery.path_parameters = {{"tenant", "acme"}};
  delivery.body = std::string("{\"a\":\0 1}", 9) + std::string(300, 'x');
  return delivery;
}

std::string Encoded(const Delivery& delivery) {
  std::string bytes;
  EncodeDelivery(delivery, bytes);
  return bytes;
}

void ExpectEqual(const DeliveryView& a, const DeliveryView& b) {
  EXPECT_EQ(a.sequence, b.sequence);
  EXPECT_EQ(a.received_at, b.received_at);
  EXPECT_EQ(a.channel, b.channel);
  EXPECT_EQ(a.authentication, b.authentication);
  EXPECT_EQ(a.source, b.source);
  EXPECT_EQ(a.method, b.method);
  EXPECT_EQ(a.query, b.query);
  EXPECT_EQ(a.remote_address, b.remote_address);
  EXPECT_EQ(a.headers, b.headers);
  EXPECT_EQ(a.path_parameters, b.path_parameters);
  EXPECT_EQ(a.body, b.body);
}

TEST(DeliveryTest, RoundTrips) {
  for (const Delivery& delivery : {Full(), Delivery{}}) {
    const std::string bytes = Encoded(delivery);
    const auto view = DecodeDelivery(delivery.sequence, bytes);
    ASSERT_THAT(view, IsOk());
    ExpectEqual(*view, ViewOf(delivery));
  }
}

TEST(DeliveryTest, DecodingCopiesNothing) {
  const std::string bytes = Encoded(Full());
  const auto view = DecodeDelivery(1, bytes);
  ASSERT_THAT(view, IsOk());
  for (const std::string_view part : {view->source, view->headers[0].second, view->body}) {
    EXPECT_GE(part.data(), bytes.data());
    EXPECT_LE(part.data() + part.size(), bytes.data() + bytes.size());
  }
}

TEST(DeliveryTest, TheEncodingIsCompactAndBounded) {
  const Delivery delivery = Full();
  EXPECT_LT(Encoded(delivery).size(), DeliveryBytes(delivery));
  EXPECT_LE(Encoded(Delivery{}).size(), 18u);
}

TEST(DeliveryTest, RefusesWhatItDoesNotWrite) {
  Delivery delivery = Full();
  delivery.body.clear();
  const std::string good = Encoded(delivery);
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_THAT(DecodeDelivery(1, good.substr(0, size)), FailsWith(ErrorCode::kDataLoss)) << size;
  }
  for (const auto& [at, byte] : std::vector<std::pair<size_t, char>>{
           {0, '\0'}, {1, '\3'}, {2, '\4'}, {3, '\1'}, {12, '\xff'}}) {
    std::string bad = good;
    bad[at] = byte;
    EXPECT_THAT(DecodeDelivery(1, bad), FailsWith(ErrorCode::kDataLoss)) << at;
  }
  std::string overlong = good;
  overlong.replace(12, 1, "\x88\x00", 2);
  EXPECT_THAT(DecodeDelivery(1, overlong), FailsWith(ErrorCode::kDataLoss));
  Delivery many;
  many.headers.resize(kDeliveryListMax, {"", ""});
  std::string list = Encoded(many);
  EXPECT_THAT(DecodeDelivery(1, list), IsOk());
  list[16] = static_cast<char>(list[16] | 1);  // 257 instead of 256.
  list += std::string(4, '\0');
  EXPECT_THAT(DecodeDelivery(1, list), FailsWith(ErrorCode::kDataLoss));
}

TEST(DeliveryTest, ANewerVersionIsToldApart) {
  std::string bytes = Encoded(Full());
  bytes[0] = '\2';
  EXPECT_THAT(DecodeDelivery(1, bytes), FailsWith(ErrorCode::kFailedPrecondition));
}

}  // namespace
}  // namespace tw::ingest
