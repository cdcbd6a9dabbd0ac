// CSV files: the reader, and exports from asking to rows (fault cases C*).
#include "ingest/poll/csv_reader.h"
#include "ingest/poll/pull_fixture.h"
#include "testing/matchers.h"

namespace tw::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::FailsWith;

using Rows = std::vector<std::vector<std::string>>;

Result<Rows> Parse(std::string_view text, size_t piece = 1'000, char delimiter = ',') {
  CsvReader reader(delimiter);
  std::vector<CsvReader::Row> raw;
  for (size_t at = 0; at < text.size(); at += piece) {
    TW_RETURN_IF_ERROR(reader.Feed(text.substr(at, piece), raw));
  }
  TW_RETURN_IF_ERROR(reader.Finish(raw));
  Rows rows;
  for (CsvReader::Row& row : raw) rows.push_back(std::move(row.values));
  return rows;
}

TEST(CsvReaderTest, ReadsWhatPeopleCallCsvInPiecesOfAnySize) {
  const std::string text =
      "a,b,c\r\n"
      "1,\"two, and \"\"half\"\"\",3\r\n"
      "\"line\nbreak\",,\n"
      "\n"
      ",,\r"
      "\"\"\n"
      "last,\"\",x";
  const Rows expected = {{"a", "b", "c"},    {"1", "two, and \"half\"", "3"},
                         {"line\nbreak", "", ""}, {"", "", ""},
                         {""},               {"last", "", "x"}};
  for (const size_t piece : {1, 2, 3, 7, 1'000}) {
    EXPECT_THAT(Parse(text, piece), testing::IsOkAndHolds(expected)) << piece;
  }
  EXPECT_THAT(Parse("a;b\n1;2", 100, ';'),
              testing::IsOkAndHolds(Rows{{"a", "b"}, {"1", "2"}}));
  EXPECT_THAT(Parse(""), testing::IsOkAndHolds(Rows{}));
}

TEST(CsvReaderTest, RefusesWhatIsBrokenWithItsLine) {
  EXPECT_THAT(Parse("a\n\"b\" c\n"), FailsWith(ErrorCode::kInvalidArgument, HasSubstr("line 2")));
  EXPECT_THAT(Parse("a\n\n\"open"), FailsWith(ErrorCode::kInvalidArgument, HasSubstr("not closed")));
  EXPECT_THAT(Parse(std::string(CsvReader::kRowBytesMax + 2, 'x')),
              FailsWith(ErrorCode::kInvalidArgument, HasSubstr("too long")));
  EXPECT_THAT(Parse(std::string(CsvReader::kColumnsMax + 1, ',')),
              FailsWith(ErrorCode::kInvalidArgument, HasSubstr("too many")));
}

// What is written by the rules comes back, whatever it is and however it is cut.
TEST(CsvReaderTest, RandomTablesRoundTrip) {
  constexpr std::string_view kBytes = "ab,\"\n\r; \xc3\xa4";
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SeededRandom random(seed);
    Rows rows;
    std::string text;
    const uint64_t columns = 1 + random.Below(4);
    for (uint64_t i = 0; i < 1 + random.Below(6); ++i) {
      auto& row = rows.emplace_back();
      for (uint64_t j = 0; j < columns; ++j) {
        std::string value;
        for (uint64_t k = random.Below(6); k > 0; --k) value += kBytes[random.Below(kBytes.size())];
        std::string quoted = "\"";
        for (const char c : value) quoted += c == '"' ? "\"\"" : std::string(1, c);
        text += (j > 0 ? "," : "") + quoted + "\"";
        row.push_back(std::move(value));
      }
      text += random.Percent(50) ? "\r\n" : "\n";
    }
    EXPECT_THAT(Parse(text, 1 + random.Below(9)), testing::IsOkAndHolds(rows)) << "seed " << seed;
  }
}

TEST(CsvReaderTest, DecodesWindows1252AndRefusesWhatIsNoText) {
  EXPECT_THAT(DecodeCsvText("caf\xe9 \x80", CsvEncoding::kWindows1252),
              testing::IsOkAndHolds(std::string("café €")));
  EXPECT_THAT(DecodeCsvText("\x81", CsvEncoding::kWindows1252),
              FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(DecodeCsvText("caf\xe9", CsvEncoding::kUtf8Sig),
              FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(DecodeCsvText(std::string("a\0b", 3), CsvEncoding::kUtf8Sig),
              FailsWith(ErrorCode::kInvalidArgument));
}

constexpr const char* kSchema = R"(
create table org(id bigint primary key, name text not null unique);
create table donation(org_id bigint not null, receipt text not null, amount numeric, email text,
  paid_at timestamptz, primary key(org_id, receipt));
insert into org values (1, 'One');
)";

std::string Yaml(const std::string& csv) {
  return R"(
version: 1
source: gifts
tenants: { id: integer, registry: { table: org, columns: { id: id, name: name } } }
http: { base_url: "https://gifts.example.com/api" }
jobs: { sync: { schedule: { every: 1h }, run: [gifts] } }
streams:
  gifts:
    export:
      create: { method: POST, path: /csvs, json: { from: "${window.from:%Y-%m-%d}" } }
      poll: { path: "/csvs/${create.id}", every: 10s, up_to: 5m, ready: $.status == "complete", url_at: $.url }
    window: { lookback: 7d, tz: America/New_York }
    csv: )" + csv + R"(
    upsert: { table: donation, key: { org_id: tenant.id, receipt: col("Receipt") }, version: col("Date"), set: { amount: col("Amount") | decimal, email: col("Email") | lower, paid_at: col("Date") } }
)";
}

class CsvTest : public PullTest {
 protected:
  CsvTest() {
    transport_.script = [this](const fetch::Request& request) -> Result<fetch::Response> {
      if (request.method == fetch::Method::kPost) return Json(R"({"id":42})");
      if (!request.save_to.empty()) return expired_ ? Answered(403) : Answered(200, {}, file_);
      return Json(++asked_ < ready_after_ ? R"({"status":"working"})"
                                          : R"({"status":"complete","url":"https://files.example.net/x"})");
    };
  }
  void RunWith(const std::string& file) {
    file_ = file;
    asked_ = 0;
    Run("sync");
  }
  std::string Rows() { return Query("select receipt, amount, email from donation order by 1"); }

  std::string file_;
  int asked_ = 0;
  int ready_after_ = 2;
  bool expired_ = false;
};

constexpr const char* kHead = "Receipt,Date,Amount,Email\n";
constexpr const char* kCsv =
    "{ trim: true, null_values: [\"\", \"NULL\"], bad_row: { keep: true, abort_above: 50% }, "
    "max_shrink: 50% }";

TEST_F(CsvTest, AnExportIsAskedForAwaitedAndRead) {
  Load(kSchema, Yaml(kCsv));
  ready_after_ = 4;
  const MonoTime before = clock_.Mono();
  RunWith(std::string(kHead) + "A1,2026-01-01T00:00:00Z, 25.50 ,ADA@example.com\n"
                               "A2,2026-01-01T00:00:00Z,NULL,\n");
  EXPECT_EQ(LastRun(), "success|-");
  EXPECT_EQ(Rows(), "A1|25.5|ada@example.com;A2|-|-");
  EXPECT_THAT(transport_.urls,
              ElementsAre("https://gifts.example.com/api/csvs", "https://gifts.example.com/api/csvs/42",
                          ::testing::_, ::testing::_, ::testing::_, "https://files.example.net/x"));
  EXPECT_EQ(transport_.requests[0].body, R"({"from":"2025-12-25"})");
  EXPECT_GE(clock_.Mono() - before, std::chrono::seconds(40));
  EXPECT_TRUE(std::filesystem::directory_iterator(directory_) !=
              std::filesystem::directory_iterator());
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    EXPECT_THAT(entry.path().filename().string(), ::testing::Not(StartsWith("download-")));
  }
}

TEST_F(CsvTest, C1_TheSameFileAgainChangesNothing) {
  Load(kSchema, Yaml(kCsv));
  const std::string file = std::string(kHead) + "A1,2026-01-01T00:00:00Z,1,a@x\n";
  RunWith(file);
  MustOk(db_->Execute("create table touched(n integer); create trigger t after update on donation begin "
                      "insert into touched values(1); end"));
  RunWith(file);
  EXPECT_EQ(LastRun(), "success|-");
  EXPECT_EQ(Query("select count(*) from touched"), "0");
}

TEST_F(CsvTest, C1_ColumnsMayMoveAndBeAddedButNotBeMissing) {
  Load(kSchema, Yaml(kCsv));
  RunWith("\xef\xbb\xbf" "Email,Extra,Amount,Receipt,Date\r\na@x,?,7,A1,2026-01-01T00:00:00Z\r\n");
  EXPECT_EQ(Rows(), "A1|7|a@x");
  RunWith("Receipt,Date,Amount\nA2,2026-01-01T00:00:00Z,1\n");
  EXPECT_EQ(LastRun(), "refused|columns are missing: Email");
  EXPECT_EQ(Rows(), "A1|7|a@x");
  RunWith("");
  EXPECT_EQ(LastRun(), "refused|the file is empty");
}

TEST_F(CsvTest, C1_BadRowsAreLeftOutUpToAShare) {
  Load(kSchema, Yaml("{ bad_row: { abort_above: 40% } }"));
  RunWith(std::string(kHead) + "A1,2026-01-01T00:00:00Z,1,a\nA2,only,three\n"
                               "A3,2026-01-01T00:00:00Z,3,c\n");
  EXPECT_EQ(LastRun(), "success|-");
  EXPECT_EQ(Query("select group_concat(receipt) from donation"), "A1,A3");
  RunWith(std::string(kHead) + "A4,x\nA5,y\nA6,2026-01-01T00:00:00Z,1,a\n");
  EXPECT_THAT(LastRun(), StartsWith("refused|2 of 3 rows are bad; line 2: 2 values for 4 columns"));
  EXPECT_EQ(Query("select count(*) from donation"), "2");
}

TEST_F(CsvTest, C1_AValueThatFitsNoColumnIsADeadRecord) {
  Load(kSchema, Yaml(kCsv));
  RunWith(std::string(kHead) + "A1,2026-01-01T00:00:00Z,lots,a\nA2,2026-01-01T00:00:00Z,2,b\n");
  EXPECT_EQ(Query("select group_concat(receipt) from donation"), "A2");
  EXPECT_EQ(Query("select reason, record from tidewire_dead_record"),
            R"(constraint|{"Receipt":"A1","Date":"2026-01-01T00:00:00Z","Amount":"lots","Email":"a"})");
}

TEST_F(CsvTest, C1_AFileOfHalfTheUsualRowsIsRefused) {
  Load(kSchema, Yaml(kCsv));
  std::string file = kHead;
  for (int i = 0; i < 100; ++i) file += "R" + std::to_string(i) + ",2026-01-01T00:00:00Z,1,a\n";
  RunWith(file);
  RunWith(std::string(kHead) + "R0,2026-01-01T00:00:00Z,9,a\n");
  EXPECT_EQ(LastRun(), "refused|the file shrank from 100 to 1 rows");
  EXPECT_EQ(Query("select amount from donation where receipt = 'R0'"), "1");
}

TEST_F(CsvTest, C1_QuotesWithLineBreaksAndWindows1252) {
  Load(kSchema, Yaml("{ encoding: windows-1252 }"));
  RunWith(std::string(kHead) + "\"A\n1\",2026-01-01T00:00:00Z,1,caf\xe9@x\n");
  EXPECT_EQ(Rows(), "A\n1|1|café@x");
}

TEST_F(CsvTest, C1_ALongFileIsReadInPiecesEachInItsOwnTransaction) {
  Load(kSchema, Yaml(kCsv));
  std::string file = kHead;
  for (int i = 0; i < 20'000; ++i) {
    file += "R" + std::to_string(i) + ",2026-01-01T00:00:00Z,1.25,someone" + std::to_string(i) +
            "@example.com\n";
  }
  RunWith(file);
  EXPECT_EQ(LastRun(), "success|-");
  EXPECT_EQ(Query("select count(*), sum(amount) from donation"), "20000|25000.0");
  EXPECT_EQ(Query("select records, changed from tidewire_run"), "20000|20000");
}

TEST_F(CsvTest, C2_AnExportThatIsNeverReadyFailsAndTheNextRunAsksAnew) {
  Load(kSchema, Yaml(kCsv));
  ready_after_ = 1'000;
  RunWith(kHead);
  EXPECT_EQ(LastRun(), "failed|the export was not ready in time");
  ready_after_ = 1;
  expired_ = true;
  RunWith(kHead);
  EXPECT_EQ(LastRun(), "unauthorized|status 403");
  Pass(std::chrono::minutes(61));
  expired_ = false;
  const auto before = std::ranges::count(transport_.urls, "https://gifts.example.com/api/csvs");
  RunWith(std::string(kHead) + "A1,2026-01-01T00:00:00Z,1,a\n");
  EXPECT_EQ(LastRun(), "success|-");
  EXPECT_EQ(std::ranges::count(transport_.urls, "https://gifts.example.com/api/csvs"), before + 1);
}

}  // namespace
}  // namespace tw::ingest
