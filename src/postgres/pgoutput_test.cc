#include "postgres/pgoutput.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace tw::postgres {
namespace {

using testing::FailsWith;
using testing::IsOk;
using testing::IsOkAndHolds;
using Kind = TupleValue::Kind;

TEST(LsnTest, TextFormRoundTrips) {
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{1}, uint64_t{0x16'B374'D848}, UINT64_MAX}) {
    EXPECT_THAT(ParseLsn(ToString(Lsn{bytes})), IsOkAndHolds(Lsn{bytes}));
  }
  EXPECT_EQ(ToString(Lsn{0x16'B374'D848}), "16/B374D848");
}

TEST(LsnTest, RefusesEverythingElse) {
  for (const char* text : {"", "/", "16", "16/", "/B3", "16/B374D848F", "16/G", " 1/1", "1/2/3"}) {
    EXPECT_THAT(ParseLsn(text), FailsWith(ErrorCode::kInvalidArgument)) << text;
  }
}

// Builds messages byte by byte, as §55.9 of the manual lists them.
class Bytes {
 public:
  explicit Bytes(char kind) { text_.push_back(kind); }
  Bytes& U8(uint8_t v) { return Number(v, 1); }
  Bytes& U16(uint16_t v) { return Number(v, 2); }
  Bytes& U32(uint32_t v) { return Number(v, 4); }
  Bytes& U64(uint64_t v) { return Number(v, 8); }
  Bytes& Char(char c) { return Number(static_cast<uint8_t>(c), 1); }
  Bytes& Text(std::string_view t) {
    text_ += t;
    text_.push_back('\0');
    return *this;
  }
  Bytes& Value(std::string_view t) {
    Char('t').U32(static_cast<uint32_t>(t.size()));
    text_ += t;
    return *this;
  }
  Bytes& Raw(std::string_view t) {
    text_ += t;
    return *this;
  }
  const std::string& str() const { return text_; }

 private:
  Bytes& Number(uint64_t v, int size) {
    for (int i = size - 1; i >= 0; --i) text_.push_back(static_cast<char>(v >> (8 * i)));
    return *this;
  }
  std::string text_;
};

template <typename T>
T Decode(const Bytes& bytes) {
  const auto message = DecodeMessage(bytes.str());
  EXPECT_THAT(message, IsOk());
  const T* const held = message.ok() ? std::get_if<T>(&*message) : nullptr;
  EXPECT_NE(held, nullptr);
  return held == nullptr ? T{} : *held;
}

TEST(PgoutputTest, BeginAndCommitHaveTheirPlaceAndTime) {
  const auto begin = Decode<Begin>(Bytes('B').U64(0x16B374D848).U64(86'400'000'000).U32(742));
  EXPECT_EQ(begin.final_lsn, Lsn{0x16B374D848});
  EXPECT_EQ(FormatTimestampMs(begin.committed_at), "2000-01-02T00:00:00.000Z");
  EXPECT_EQ(begin.xid, 742u);
  const auto commit = Decode<Commit>(Bytes('C').U8(0).U64(10).U64(50).U64(0));
  EXPECT_EQ(commit.commit_lsn, Lsn{10});
  EXPECT_EQ(commit.end_lsn, Lsn{50});
  EXPECT_EQ(ToPostgresTime(commit.committed_at), 0);
}

TEST(PgoutputTest, ARelationNamesItsColumnsAndIdentity) {
  const Bytes bytes = Bytes('R').U32(16'400).Text("").Text("jobs").Char('d').U16(2)
                          .U8(1).Text("id").U32(20).U32(UINT32_MAX)
                          .U8(0).Text("title").U32(1043).U32(24);
  const auto message = DecodeMessage(bytes.str());
  ASSERT_THAT(message, IsOk());
  const auto& relation = std::get<RelationMessage>(*message);
  EXPECT_EQ(relation.schema, "pg_catalog");
  EXPECT_EQ(relation.table, "jobs");
  EXPECT_EQ(relation.identity, ReplicaIdentity::kDefault);
  ASSERT_EQ(relation.columns.size(), 2u);
  EXPECT_TRUE(relation.columns[0].identity);
  EXPECT_EQ(relation.columns[0].type_modifier, -1);
  EXPECT_FALSE(relation.columns[1].identity);
  EXPECT_EQ(relation.columns[1].name, "title");
  EXPECT_EQ(relation.columns[1].type_oid, 1043u);
}

TEST(PgoutputTest, TuplesTellNullUnchangedAndText) {
  const Bytes bytes =
      Bytes('I').U32(7).Char('N').U16(4).Char('n').Char('u').Value("").Value("it's");
  const auto message = DecodeMessage(bytes.str());
  ASSERT_THAT(message, IsOk());
  const Tuple& tuple = std::get<Insert>(*message).new_tuple;
  ASSERT_EQ(tuple.size(), 4u);
  EXPECT_EQ(tuple[0].kind, Kind::kNull);
  EXPECT_EQ(tuple[1].kind, Kind::kUnchanged);
  EXPECT_EQ(tuple[2].kind, Kind::kText);
  EXPECT_EQ(tuple[2].text, "");
  EXPECT_EQ(tuple[3].text, "it's");
}

TEST(PgoutputTest, AnUpdateHasNoneAKeyOrAWholeOldTuple) {
  EXPECT_EQ(Decode<Update>(Bytes('U').U32(7).Char('N').U16(1).Value("1")).old_kind,
            OldTuple::kNone);
  const auto key =
      Decode<Update>(Bytes('U').U32(7).Char('K').U16(1).Value("1").Char('N').U16(1).Value("2"));
  EXPECT_EQ(key.old_kind, OldTuple::kKey);
  EXPECT_EQ(key.old_tuple.size(), 1u);
  EXPECT_EQ(Decode<Update>(
                Bytes('U').U32(7).Char('O').U16(1).Value("1").Char('N').U16(1).Value("2"))
                .old_kind,
            OldTuple::kFull);
  EXPECT_EQ(Decode<Delete>(Bytes('D').U32(7).Char('K').U16(1).Value("1")).old_kind,
            OldTuple::kKey);
  EXPECT_EQ(Decode<Delete>(Bytes('D').U32(7).Char('O').U16(1).Value("1")).old_kind,
            OldTuple::kFull);
}

TEST(PgoutputTest, TheRarerMessagesAreRead) {
  const auto truncate = Decode<Truncate>(Bytes('T').U32(2).U8(3).U32(7).U32(8));
  EXPECT_TRUE(truncate.cascade && truncate.restart_identity);
  EXPECT_THAT(truncate.relations, ::testing::ElementsAre(7, 8));
  const Bytes type = Bytes('Y').U32(99).Text("public").Text("mood");
  EXPECT_EQ(std::get<TypeMessage>(*DecodeMessage(type.str())).name, "mood");
  const Bytes origin = Bytes('O').U64(5).Text("elsewhere");
  EXPECT_EQ(std::get<Origin>(*DecodeMessage(origin.str())).name, "elsewhere");
  const Bytes text = Bytes('M').U8(1).U64(5).Text("tidewire.broadcast").U32(2).Raw("{}");
  const auto message = DecodeMessage(text.str());
  EXPECT_TRUE(std::get<LogicalMessage>(*message).transactional);
  EXPECT_EQ(std::get<LogicalMessage>(*message).content, "{}");
}

TEST(PgoutputTest, AnUnknownKindIsPassedOver) {
  EXPECT_EQ(Decode<UnknownMessage>(Bytes('A').U32(1)).kind, 'A');
}

TEST(PgoutputTest, EveryCutAndEveryExtraByteIsRefused) {
  const std::string whole =
      Bytes('U').U32(7).Char('O').U16(1).Value("1").Char('N').U16(2).Value("2").Char('u').str();
  ASSERT_THAT(DecodeMessage(whole), IsOk());
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(DecodeMessage(std::string_view(whole).substr(0, size)),
                FailsWith(ErrorCode::kDataLoss)) << size;
  }
  EXPECT_THAT(DecodeMessage(whole + "x"), FailsWith(ErrorCode::kDataLoss));
  EXPECT_THAT(DecodeMessage(Bytes('I').U32(7).Char('N').U16(1).Char('b').U32(0).str()),
              FailsWith(ErrorCode::kDataLoss));
  EXPECT_THAT(DecodeMessage(Bytes('R').U32(7).Text("").Text("t").Char('z').U16(0).str()),
              FailsWith(ErrorCode::kDataLoss));
}

}  // namespace
}  // namespace tw::postgres
