#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/change_payload.h"
#include "protocol/join.h"
#include "protocol/message.h"
#include "protocol/stamp.h"
#include "testing/matchers.h"

namespace tw::protocol {
namespace {

using testing::FailsWith;
using testing::IsOk;
using testing::IsOkAndHolds;

TEST(VersionTest, TakesWhatPhoenixTakes) {
  EXPECT_THAT(ParseVersion(""), IsOkAndHolds(Version::kV1));
  EXPECT_THAT(ParseVersion("1.0.0"), IsOkAndHolds(Version::kV1));
  EXPECT_THAT(ParseVersion("2.0.0"), IsOkAndHolds(Version::kV2));
  EXPECT_THAT(ParseVersion("2.0.7"), IsOkAndHolds(Version::kV2));
  for (const char* vsn : {"3.0.0", "2.1.0", "x", "2.0.x", "1.0.0.0", "-1"}) {
    EXPECT_THAT(ParseVersion(vsn), FailsWith(ErrorCode::kInvalidArgument)) << vsn;
  }
}

TEST(MessageTest, BothSerialisationsParse) {
  const auto v2 = ParseClientMessage(R"(["1","2","realtime:a","phx_join",{"k":1},"extra"])",
                                     Version::kV2);
  ASSERT_THAT(v2, IsOk());
  EXPECT_EQ(v2->join_ref, "1");
  EXPECT_EQ(v2->ref, "2");
  EXPECT_EQ(v2->topic, "realtime:a");
  EXPECT_EQ(v2->payload["k"].AsInt(), 1);
  const auto v1 = ParseClientMessage(
      R"({"topic":"phoenix","event":"heartbeat","payload":{},"ref":null})", Version::kV1);
  ASSERT_THAT(v1, IsOk());
  EXPECT_EQ(v1->ref, std::nullopt);
  EXPECT_EQ(v1->join_ref, std::nullopt);
  EXPECT_EQ(ParseClientMessage(R"({"topic":"t","event":"e","ref":7})", Version::kV1)->ref, "7");
}

TEST(MessageTest, RefusesOtherShapes) {
  for (const char* text : {"", "7", "{}", "[]", R"([null,null,"t","e"])", R"([1,2,3,4,5])",
                           R"({"topic":"t","event":"e"})"}) {
    EXPECT_THAT(ParseClientMessage(text, Version::kV2), FailsWith(ErrorCode::kInvalidArgument));
  }
  for (const char* text : {"", "[]", "{}", R"({"topic":"t"})", R"(["1","2","t","e",{}])"}) {
    EXPECT_THAT(ParseClientMessage(text, Version::kV1), FailsWith(ErrorCode::kInvalidArgument));
  }
}

TEST(MessageTest, EncodesNullsWhereTheProtocolHasThem) {
  const Address all{"1", "2", "realtime:a"};
  EXPECT_EQ(EncodeReply(Version::kV2, all, ReplyStatus::kOk, "{}"),
            R"(["1","2","realtime:a","phx_reply",{"status":"ok","response":{}}])");
  EXPECT_EQ(EncodeReply(Version::kV1, all, ReplyStatus::kError, R"({"reason":"x"})"),
            R"({"topic":"realtime:a","event":"phx_reply","payload":{"status":"error",)"
            R"("response":{"reason":"x"}},"ref":"2"})");
  const Address none{std::nullopt, std::nullopt, "t"};
  EXPECT_EQ(EncodeMessage(Version::kV2, none, "e", "{}"), R"([null,null,"t","e",{}])");
  EXPECT_EQ(EncodeMessage(Version::kV1, none, "e", "{}"),
            R"({"topic":"t","event":"e","payload":{},"ref":null})");
  EXPECT_EQ(SystemPayload("postgres_changes", ReplyStatus::kOk, "Subscribed to PostgreSQL", "a"),
            R"({"extension":"postgres_changes","status":"ok",)"
            R"("message":"Subscribed to PostgreSQL","channel":"a"})");
}

Result<JoinRequest> Join(std::string_view payload) {
  static json::Document document;
  document = std::move(*json::Parse(payload));
  return ParseJoin(document.root());
}

TEST(JoinTest, OddPayloadsTakeDefaults) {
  for (const char* payload :
       {"null", "7", "[]", "{}", R"({"config":null})", R"({"config":{"postgres_changes":null}})",
        R"({"config":{"broadcast":null,"presence":null,"private":"maybe","postgres_changes":[null]}})"}) {
    const auto join = Join(payload);
    ASSERT_THAT(join, IsOk()) << payload;
    EXPECT_TRUE(join->bindings.empty());
    EXPECT_FALSE(join->is_private);
  }
  EXPECT_TRUE(Join(R"({"config":{"private":"TRUE"}})")->is_private);
}

TEST(JoinTest, BindingsKeepOrderAndEchoVerbatim) {
  const auto join = Join(R"({"config":{"postgres_changes":[
      {"event":"insert","schema":"public","table":"todos","filter":"a=eq.1","extra":[1]},
      {"event":"*","schema":"public","table":"todos"},
      {"event":"weird","schema":"public"}]}})");
  ASSERT_THAT(join, IsOk());
  ASSERT_EQ(join->bindings.size(), 3u);
  EXPECT_EQ(join->bindings[0].events, EventMask::kInsert);
  EXPECT_EQ(join->bindings[2].events, EventMask::kAll);
  EXPECT_EQ(join->bindings[0].echo,
            "{\"id\":" + std::to_string(join->bindings[0].id) +
                R"(,"event":"insert","schema":"public","table":"todos","filter":"a=eq.1","extra":[1]})");
  EXPECT_NE(join->bindings[0].id, join->bindings[1].id);
}

TEST(JoinTest, EqualParametersGiveEqualIdsAcrossChannels) {
  const char* payload =
      R"({"config":{"postgres_changes":[{"event":"*","schema":"public","table":"t"}]}})";
  const int64_t id = Join(payload)->bindings[0].id;
  EXPECT_EQ(Join(payload)->bindings[0].id, id);
  EXPECT_GT(id, 0);
  EXPECT_LT(id, 1 << 27);
}

TEST(JoinTest, TokensAndExtension) {
  EXPECT_EQ(Join(R"({"access_token":"a.b.c","user_token":"d.e.f"})")->access_token, "d.e.f");
  EXPECT_EQ(Join(R"({"access_token":"sb_publishable_x"})")->access_token, "");
  EXPECT_EQ(Join(R"({"access_token":null})")->access_token, "");
  const auto join =
      Join(R"({"config":{"tidewire":{"positions":true,"leave":true,"since":"0:1"}}})");
  EXPECT_TRUE(join->positions);
  EXPECT_TRUE(join->leave);
  EXPECT_EQ(join->since, "0:1");
}

TEST(JoinTest, BindingsAreBounded) {
  std::string payload = R"({"config":{"postgres_changes":[)";
  for (size_t i = 0; i <= kBindingsMax; ++i) payload += std::string(i ? "," : "") + "{}";
  EXPECT_THAT(Join(payload + "]}}"), FailsWith(ErrorCode::kResourceExhausted));
}

TEST(ChangePayloadTest, HasTheShapeClientsRead) {
  auto relation = std::make_shared<Relation>();
  relation->table = "todos";
  relation->columns = {{"id", ColumnType::kInt8, "int8"}, {"title", ColumnType::kText, "text"}};
  relation->key = {0};
  const Change change{.offset = 5,
                      .op = ChangeOp::kUpdate,
                      .committed_at = WallTime{std::chrono::milliseconds{1'767'323'045'678}},
                      .relation = relation,
                      .old_row = {int64_t{1}, "old"},
                      .new_row = {int64_t{1}, "new"}};
  std::string columns, record, old_record, payload;
  AppendColumns(columns, *relation);
  AppendRecord(record, *relation, change.new_row, Columns::kAll);
  AppendRecord(old_record, *relation, change.old_row, Columns::kKey);
  const int64_t ids[] = {7, 9};
  AppendChangePayload(payload, {.type = EventType::kUpdate,
                                .change = &change,
                                .columns = columns,
                                .record = record,
                                .old_record = old_record,
                                .ids = ids,
                                .position = Position{1, 5}});
  EXPECT_EQ(payload,
            R"({"ids":[7,9],"position":"0000000000000001:5","data":{"type":"UPDATE",)"
            R"("schema":"public","table":"todos","commit_timestamp":"2026-01-02T03:04:05.678Z",)"
            R"("columns":[{"name":"id","type":"int8"},{"name":"title","type":"text"}],)"
            R"("record":{"id":1,"title":"new"},"old_record":{"id":1},"errors":null}})");
  const uint16_t selected[] = {1};
  std::string some;
  AppendRecord(some, *relation, change.new_row, Columns::kAll, selected);
  EXPECT_EQ(some, R"({"title":"new"})");
}

TEST(StampTest, ATimeCarriesAPositionAndStaysATime) {
  const WallTime at{std::chrono::microseconds{1'767'323'045'678'999}};
  EXPECT_EQ(StampedTime(at, {1, 12}), "2026-01-02T03:04:05.6780000000000000000000112Z");
  for (const Position position : {Position{1, 0}, Position{UINT64_MAX, UINT64_MAX},
                                  Position{0x67219272abddd5f6, 281'474'976'714'752}}) {
    EXPECT_EQ(UnstampedPosition(StampedTime(at, position)), ToString(position));
  }
  for (const char* text : {"", "67219272abddd5f6:12", "2026-01-02T03:04:05.678Z",
                           "2026-01-02T03:04:05.67800000000000000000001Z",
                           "2026-01-02T03:04:05.6780000000000000000000x12Z",
                           "2026-01-02T03:04:05.6789999999999999999999912Z"}) {
    EXPECT_EQ(UnstampedPosition(text), text);
  }
}

}  // namespace
}  // namespace tw::protocol
