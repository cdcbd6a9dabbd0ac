#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "capture/postgres/assembler.h"
#include "capture/postgres/commit_log.h"
#include "capture/postgres/position.h"
#include "capture/postgres/types.h"
#include "io/sim_file_system.h"
#include "testing/matchers.h"
#include "testing/sim_storage.h"

namespace tw::capture {
namespace {

using testing::FailsWith;
using testing::IsOk;

TEST(PostgresPositionTest, OffsetsRiseFromCommitToCommitAndWithinEach) {
  const postgres::Lsn first{0x1'0000'0028};
  const postgres::Lsn next{first.bytes + 40};  // The nearest that another commit can be.
  for (const uint64_t count : {uint64_t{1}, kOrdinalMax, kOrdinalMax + 1, 10 * kOrdinalMax}) {
    EXPECT_GT(OffsetOf(first, count, count), OffsetBefore(first));
    EXPECT_LT(OffsetOf(first, count, count), OffsetBefore(next));
    EXPECT_GE(OffsetOf(first, 1, count), OffsetBefore(first));
  }
  EXPECT_EQ(OffsetOf(first, 2, 3), OffsetBefore(first) + 2);
  // Of a larger commit the last ones are told apart.
  EXPECT_EQ(OffsetOf(first, 7, kOrdinalMax + 7), OffsetBefore(first));
  EXPECT_EQ(OffsetOf(first, 8, kOrdinalMax + 7), OffsetBefore(first) + 1);
}

class TypeBookTest : public ::testing::Test {
 protected:
  TypeBookTest() {
    book_.Add(16, {.name = "bool"});
    book_.Add(23, {.name = "int4"});
    book_.Add(25, {.name = "text"});
    book_.Add(700, {.name = "float4"});
    book_.Add(1042, {.name = "bpchar"});
    book_.Add(1007, {.name = "_int4", .element = 23});
    book_.Add(1009, {.name = "_text", .element = 25});
    book_.Add(1185, {.name = "_timestamptz", .element = 1184});
    book_.Add(603, {.name = "box", .delimiter = ';'});
    book_.Add(1020, {.name = "_box", .element = 603});
    book_.Add(20'000, {.name = "mood", .kind = 'e'});
    book_.Add(20'001, {.name = "pair", .kind = 'c', .fields = {{"x", 23}, {"y", 25}}});
    book_.Add(20'002, {.name = "_pair", .element = 20'001});
    book_.Add(20'003, {.name = "posint", .kind = 'd', .base = 23});
  }
  std::string Json(uint32_t oid, std::string_view text) const {
    std::string out;
    AppendJson(out, book_.Decode(oid, text), book_.TypeOf(oid));
    return out;
  }
  // `out` is a member's name as well; this is the model's function.
  static void AppendJson(std::string& out, const Value& value, ColumnType type) {
    tw::AppendJson(out, value, type);
  }
  TypeBook book_;
};

TEST_F(TypeBookTest, ScalarsAreEncodedByTheirType) {
  EXPECT_EQ(Json(16, "t"), "true");
  EXPECT_EQ(Json(23, "-7"), "-7");
  EXPECT_EQ(Json(20, "9007199254740993"), "9007199254740993");
  EXPECT_EQ(Json(700, "0.1"), "0.1");
  EXPECT_EQ(Json(701, "NaN"), "null");
  EXPECT_EQ(Json(1700, "12345678901234567890.1234567890"), "12345678901234567890.1234567890");
  EXPECT_EQ(Json(17, "\\x0102ff"), "\"0102ff\"");
  EXPECT_EQ(Json(1042, "abc  "), "\"abc  \"");
  EXPECT_EQ(Json(1184, "2026-01-02 03:04:05.678901+00"), "\"2026-01-02T03:04:05.678901+00:00\"");
  EXPECT_EQ(Json(1184, "infinity"), "\"infinity\"");
  EXPECT_EQ(Json(1114, "2026-01-02 03:04:05"), "\"2026-01-02T03:04:05\"");
  EXPECT_EQ(Json(3802, "{\"a\": [1]}"), "{\"a\":[1]}");
  EXPECT_EQ(Json(26, "55"), "\"55\"");
  EXPECT_EQ(Json(20'000, "happy"), "\"happy\"");
  EXPECT_EQ(Json(20'003, "5"), "5");
  EXPECT_EQ(book_.Name(20'003), "posint");
}

TEST_F(TypeBookTest, ArraysAreNested) {
  EXPECT_EQ(Json(1007, "{1,NULL,3}"), "[1,null,3]");
  EXPECT_EQ(Json(1007, "{}"), "[]");
  EXPECT_EQ(Json(1007, "{{1,2},{3,4}}"), "[[1,2],[3,4]]");
  EXPECT_EQ(Json(1007, "[0:1]={5,6}"), "[5,6]");
  EXPECT_EQ(Json(1009, R"j({"a b","c,d",NULL,"NULL","q\"\\",""})j"),
            R"j(["a b","c,d",null,"NULL","q\"\\",""])j");
  EXPECT_EQ(Json(1020, "{(1,1),(0,0);(2,2),(1,1)}"), R"j(["(1,1),(0,0)","(2,2),(1,1)"])j");
  EXPECT_EQ(Json(1185, R"j({"2026-01-02 03:04:05+00"})j"), R"j(["2026-01-02T03:04:05+00:00"])j");
}

TEST_F(TypeBookTest, CompositesAreObjects) {
  EXPECT_EQ(Json(20'001, "(1,q)"), R"j({"x":1,"y":"q"})j");
  EXPECT_EQ(Json(20'001, R"j((,""))j"), R"j({"x":null,"y":""})j");
  EXPECT_EQ(Json(20'001, R"j((1,"a ""b"", c"))j"), R"j({"x":1,"y":"a \"b\", c"})j");
  EXPECT_EQ(Json(20'002, R"j({"(1,q)","(2,\"x,y\")"})j"),
            R"j([{"x":1,"y":"q"},{"x":2,"y":"x,y"}])j");
}

TEST_F(TypeBookTest, WhatOnlyTheDatabaseCanCompareIsMarkedSo) {
  EXPECT_EQ(book_.TypeOf(20'000), ColumnType::kOther);
  EXPECT_EQ(book_.TypeOf(20'003), ColumnType::kInt4);
  for (const uint32_t oid : {1042u, 700u, 1007u, 20'001u, 99'999u}) {
    EXPECT_EQ(book_.TypeOf(oid), ColumnType::kEncoded) << oid;
  }
}

std::string BeginMessage(uint64_t lsn) {
  std::string bytes = "B";
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(lsn >> shift));
  return bytes + std::string(12, '\0');
}
std::string CommitMessage() { return "C" + std::string(25, '\0'); }

class AssemblerTest : public ::testing::Test {
 protected:
  SeededRandom random_{1};
  testing::SimStorage storage_{random_};
  std::unique_ptr<io::FileSystem> owner_ = io::MakeSimFileSystem(storage_);
  io::FileSystem& files_ = *owner_;
};

TEST_F(AssemblerTest, ALargeTransactionComesBackWholeAndInOrder) {
  Assembler assembler(files_, "spill", {.memory_bytes_max = 1'000});
  ASSERT_THAT(assembler.Add(BeginMessage(40)), IsOk());
  std::vector<std::string> sent;
  for (int i = 0; i < 500; ++i) {
    sent.push_back("I" + std::to_string(i) + std::string(random_.Below(90), 'x'));
    const auto none = assembler.Add(sent.back());
    ASSERT_THAT(none, IsOk());
    EXPECT_FALSE(none->has_value());
  }
  EXPECT_GT(assembler.spilled_bytes(), 10'000u);
  auto whole = assembler.Add(CommitMessage());
  ASSERT_THAT(whole, IsOk());
  ASSERT_TRUE(whole->has_value());
  EXPECT_EQ((*whole)->begin.final_lsn, postgres::Lsn{40});
  EXPECT_EQ((*whole)->changes, 500u);
  for (const std::string& expected : sent) {
    const auto message = (*whole)->Next();
    ASSERT_THAT(message, IsOk());
    ASSERT_EQ(*message, expected);
  }
  EXPECT_EQ(*(*whole)->Next(), std::nullopt);
}

TEST_F(AssemblerTest, WhatDoesNotFollowIsRefused) {
  Assembler assembler(files_, "spill");
  EXPECT_THAT(assembler.Add("Ixyz"), FailsWith(ErrorCode::kDataLoss));
  EXPECT_THAT(assembler.Add(CommitMessage()), FailsWith(ErrorCode::kDataLoss));
  EXPECT_THAT(assembler.Add(""), FailsWith(ErrorCode::kDataLoss));
  ASSERT_THAT(assembler.Add(BeginMessage(1)), IsOk());
  EXPECT_THAT(assembler.Add(BeginMessage(2)), FailsWith(ErrorCode::kDataLoss));
  assembler.Reset();
  EXPECT_THAT(assembler.Add(BeginMessage(2)), IsOk());
}

TEST_F(AssemblerTest, ATransactionBeyondTheDiskLimitIsRefused) {
  Assembler assembler(files_, "spill", {.memory_bytes_max = 100, .disk_bytes_max = 1'000});
  ASSERT_THAT(assembler.Add(BeginMessage(1)), IsOk());
  Status last;
  for (int i = 0; i < 100 && last.ok(); ++i) {
    const auto added = assembler.Add("I" + std::string(50, 'x'));
    if (!added.ok()) last = std::unexpected(added.error());
  }
  EXPECT_THAT(last, FailsWith(ErrorCode::kResourceExhausted));
}

}  // namespace
}  // namespace tw::capture
