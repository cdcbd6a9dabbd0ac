// Runs of streams against a scripted provider: pages, cursors, guards, limits (fault cases P*).
#include "ingest/poll/pull_fixture.h"
#include "testing/matchers.h"

namespace tw::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr const char* kSchema = R"(
create table org(id bigint primary key, name text not null unique, is_active boolean not null,
  timezone text, api_key text);
create table item(org_id bigint not null, id bigint not null, title text, price numeric,
  updated_at timestamptz, deleted_at timestamptz, primary key(org_id, id));
create table fresh(org_id bigint not null, source text not null, last_synced_at timestamptz,
  status text, error text, rows bigint, next_due timestamptz, run text,
  primary key(org_id, source));
insert into org values (1, 'One', true, 'UTC', 'key-1');
)";

// `http` goes below http:, `stream` below the stream.
std::string Yaml(const std::string& stream, const std::string& http = "") {
  return R"(
version: 1
source: shop
tenants:
  id: integer
  registry:
    table: org
    columns: { id: id, name: name, active: is_active, timezone: timezone, api_key: api_key }
http:
  base_url: https://api.example.com/v1
  auth: { bearer: "${tenant.api_key}" }
)" + http + R"(
freshness:
  table: fresh
  key: { org_id: tenant.id, source: source.name }
  columns: { last_synced_at: last_success_at, status: status, error: error, rows: rows, next_due: next_due, run: run_id }
jobs:
  sync: { schedule: { every: 1h }, run: [items], late_after: 2h, tenants_in_parallel: 8 }
streams:
  items:
    request: { path: /items }
    records: $.data
)" + stream;
}

constexpr const char* kUpsert = R"(
    upsert: { table: item, key: { org_id: tenant.id, id: $.id }, version: $.updated_at, set: { title: $.title, price: $.price | decimal, updated_at: $.updated_at } }
)";
constexpr const char* kPaged = R"(
    pages: { next: $.next, total: $.total, last: $.last, stop: [no_next, empty_page], loop_guard: { max_pages: 30 } }
)";

// A list of rows behind pages of a size, able to misbehave.
struct Shop {
  struct Row {
    int id;
    std::string updated_at;
    std::string title;
  };
  std::vector<Row> rows;
  size_t page_size = 15;

  std::string Page(size_t from, size_t count) const {
    json::Writer w;
    w.Object().Key("data").Array();
    for (size_t i = from; i < std::min(from + count, rows.size()); ++i) {
      w.Object().Key("id").Int(rows[i].id).Key("title").String(rows[i].title);
      w.Key("price").Raw("12.50").Key("updated_at").String(rows[i].updated_at).End();
    }
    w.End().Key("total").Uint(rows.size());
    w.Key("last").Uint((rows.size() + page_size - 1) / page_size);
    if (from + count < rows.size()) {
      w.Key("next").String("https://api.example.com/v1/items?page=" +
                           std::to_string(from / page_size + 2));
    }
    w.End();
    return w.Take();
  }
  static size_t PageOf(const std::string& url) {
    const size_t at = url.find("page=");
    return at == std::string::npos ? 1 : static_cast<size_t>(std::stoul(url.substr(at + 5)));
  }
  fetch::Response Answer(const fetch::Request& request) const {
    return Json(Page((PageOf(request.url) - 1) * page_size, page_size));
  }
  void Fill(int count, const std::string& at = "2026-01-01T00:00:00Z") {
    for (int i = 1; i <= count; ++i) rows.push_back({i, at, "item " + std::to_string(i)});
  }
};

class PollTest : public PullTest {
 protected:
  PollTest() {
    transport_.script = [this](const fetch::Request& request) { return shop_.Answer(request); };
  }
  Shop shop_;
};

TEST_F(PollTest, AllPagesArriveWithTheFreshnessRowInTheLastPagesTransaction) {
  shop_.Fill(40);
  Load(kSchema, Yaml(std::string(kPaged) + kUpsert));
  Run("sync");
  EXPECT_EQ(Query("select count(*), min(price), max(title) from item"), "40|12.5|item 9");
  EXPECT_EQ(LastRun(), "success|-");
  EXPECT_EQ(Query("select org_id, source, status, error, rows from fresh"), "1|shop|success|-|40");
  EXPECT_THAT(transport_.urls, SizeIs(3));
  EXPECT_THAT(transport_.requests[0].headers,
              ElementsAre(::testing::Field(&fetch::Header::value, "Bearer key-1")));
  // Nothing changed: no row is written again.
  MustOk(db_->Execute("create table touched(n integer); create trigger t after update on item begin "
                      "insert into touched values(1); end"));
  Run("sync");
  EXPECT_EQ(Query("select count(*) from touched"), "0");
  EXPECT_EQ(Query("select rows from fresh"), "0");
}

TEST_F(PollTest, P1_RetryAfterIsObeyedAndALongOneDefersTheRun) {
  shop_.Fill(20);
  int calls = 0;
  transport_.script = [&](const fetch::Request& request) -> Result<fetch::Response> {
    if (++calls == 2) return Answered(429, {{"Retry-After", "7"}});
    return shop_.Answer(request);
  };
  Load(kSchema, Yaml(std::string(kPaged) + kUpsert));
  const MonoTime before = clock_.Mono();
  Run("sync");
  EXPECT_GE(clock_.Mono() - before, std::chrono::seconds(7));
  EXPECT_LT(clock_.Mono() - before, std::chrono::seconds(9));
  EXPECT_EQ(Query("select count(*) from item"), "20");
  EXPECT_EQ(LastRun(), "success|-");

  transport_.script = [&](const fetch::Request&) { return Answered(429, {{"Retry-After", "3600"}}); };
  Run("sync");
  EXPECT_THAT(LastRun(), StartsWith("deferred|"));
  const size_t asked = transport_.urls.size();
  // Asked again only when the hour has passed.
  transport_.script = [&](const fetch::Request& request) { return shop_.Answer(request); };
  MustOk(db_->Execute("insert into tidewire_request(verb, argument) values('run', 'sync')"));
  Pass(std::chrono::minutes(58));
  EXPECT_EQ(transport_.urls.size(), asked);
  Pass(std::chrono::minutes(4));
  EXPECT_GT(transport_.urls.size(), asked);
}

TEST_F(PollTest, P1_A429OnEverySecondPageLosesAndDoublesNothing) {
  shop_.Fill(100);
  int calls = 0;
  transport_.script = [&](const fetch::Request& request) -> Result<fetch::Response> {
    if (++calls % 2 == 0) return Answered(429);
    return shop_.Answer(request);
  };
  Load(kSchema, Yaml(std::string(kPaged) + kUpsert));
  Run("sync");
  EXPECT_EQ(Query("select count(*) from item"), "100");
  EXPECT_EQ(Query("select records from tidewire_run"), "100");
}

TEST_F(PollTest, P2_AnEmptyBudgetPausesBeforeBeingTold) {
  shop_.Fill(30);
  transport_.script = [&](const fetch::Request& request) {
    auto answer = shop_.Answer(request);
    answer.headers = {{"X-RateLimit-Remaining", "0"}, {"X-RateLimit-Reset", "30"}};
    return answer;
  };
  Load(kSchema, Yaml(std::string(kPaged) + kUpsert));
  const MonoTime before = clock_.Mono();
  Run("sync");
  EXPECT_GE(clock_.Mono() - before, std::chrono::seconds(30));
  EXPECT_EQ(Query("select count(*) from item"), "30");
}

TEST_F(PollTest, P3_PagesThatNeverEndAreALoop) {
  shop_.Fill(200);
  Load(kSchema, Yaml(std::string(kPaged) + kUpsert));
  // The cursor that was just used.
  transport_.script = [&](const fetch::Request&) {
    return Json(R"({"data":[{"id":1}],"next":"https://api.example.com/v1/items?page=2"})");
  };
  Run("sync");
  EXPECT_THAT(LastRun(), StartsWith("loop|loop: the next page was there before"));
  EXPECT_THAT(transport_.urls, SizeIs(2));
  // A → B → A.
  transport_.urls.clear();
  transport_.script = [&](const fetch::Request& request) {
    const bool on_b = request.url.find("page=b") != std::string::npos;
    return Json(R"({"data":[{"id":)" + std::to_string(transport_.urls.size()) +
                R"(}],"next":"https://api.example.com/v1/items?page=)" + (on_b ? "a" : "b") + "\"}");
  };
  Run("sync");
  EXPECT_THAT(LastRun(), StartsWith("loop|"));
  EXPECT_THAT(transport_.urls, SizeIs(3));
  // The last full page for ever, under new names.
  transport_.urls.clear();
  transport_.script = [&](const fetch::Request&) {
    return Json(R"({"data":[{"id":7}],"next":"https://api.example.com/v1/items?page=)" +
                std::to_string(transport_.urls.size() < 2 ? 1 : 1) + "\"}");
  };
  Run("sync");
  EXPECT_THAT(LastRun(), StartsWith("loop|"));
  // Always a next link, always something new.
  transport_.urls.clear();
  transport_.script = [&](const fetch::Request&) {
    const std::string n = std::to_string(transport_.urls.size());
    return Json(R"({"data":[{"id":)" + n + R"(}],"next":"https://api.example.com/v1/items?page=)" + n +
                "\"}");
  };
  Run("sync");
  EXPECT_THAT(LastRun(), HasSubstr("more than 30 pages"));
  EXPECT_THAT(transport_.urls, SizeIs(30));
  EXPECT_THAT(store_->alerts.back(), StartsWith("poll_failed.items"));
}

TEST_F(PollTest, P4_AShortPageIsNotTheLastAndAnEmptyOneInTheMiddleIsPartial) {
  shop_.Fill(45);
  Load(kSchema, Yaml(std::string(kPaged) + kUpsert));
  transport_.script = [&](const fetch::Request& request) {
    // Page 2 lacks its last row; the link is there all the same.
    if (Shop::PageOf(request.url) != 2) return shop_.Answer(request);
    Shop cut = shop_;
    cut.rows.erase(cut.rows.begin() + 29);
    auto text = cut.Page(15, 14);
    return Json(text);
  };
  Run("sync");
  EXPECT_EQ(LastRun(), "partial|read 44 of 45 records");
  EXPECT_EQ(Query("select count(*) from item"), "44");
  transport_.script = [&](const fetch::Request& request) {
    if (Shop::PageOf(request.url) != 2) return shop_.Answer(request);
    return Json(R"({"data":[],"total":45,"next":"https://api.example.com/v1/items?page=3"})");
  };
  Run("sync");
  EXPECT_THAT(LastRun(), StartsWith("partial|read 15 of 45 records"));
}

TEST_F(PollTest, P6_ABrokenPageIsRetriedAndThenTheNextRunGoesOnThere) {
  shop_.Fill(300);
  int broken = 0;
  Load(kSchema, Yaml(std::string(kPaged) + kUpsert));
  for (const int kind : {0, 1, 2, 3}) {
    transport_.script = [&, kind](const fetch::Request& request) -> Result<fetch::Response> {
      if (Shop::PageOf(request.url) != 7) return shop_.Answer(request);
      ++broken;
      switch (kind) {
        case 0:
          return Json(shop_.Page(90, 15).substr(0, 200));
        case 1:
          return Fail(ErrorCode::kUnavailable, "reset");
        case 2:
          return Json("<html>Oops</html>");
        default:
          return Answered(204);
      }
    };
    MustOk(db_->Execute("delete from item; delete from tidewire_state where key like 'stream%'; "
                        "delete from tidewire_row_state"));
    broken = 0;
    Run("sync");
    EXPECT_EQ(broken, 6) << kind;
    EXPECT_THAT(LastRun(), StartsWith("partial|")) << kind;
    EXPECT_EQ(Query("select count(*) from item"), "90") << kind;
    transport_.urls.clear();
    transport_.script = [&](const fetch::Request& request) { return shop_.Answer(request); };
    Run("sync");
    EXPECT_THAT(transport_.urls.front(), HasSubstr("page=7")) << kind;
    EXPECT_EQ(LastRun(), "success|-") << kind;
    EXPECT_EQ(Query("select count(*) from item"), "300") << kind;
  }
}

TEST_F(PollTest, P8_ALinkToElsewhereIsRefused) {
  Load(kSchema, Yaml(std::string(kPaged) + kUpsert));
  for (const char* link :
       {"https://evil.example.com/v1/items?page=2", "http://api.example.com/v1/items?page=2",
        "https://api.example.com.evil.net/v1/items", "https://api.example.com/v2/items",
        "https://api.example.com/v1/../admin", "https://api.example.com@evil.net/v1/items",
        "//evil.example.com/v1/items"}) {
    transport_.urls.clear();
    transport_.script = [&](const fetch::Request&) {
      return Json(R"({"data":[{"id":1}],"next":")" + std::string(link) + "\"}");
    };
    Run("sync");
    EXPECT_THAT(LastRun(), StartsWith("refused|the next page is not below")) << link;
    EXPECT_THAT(transport_.urls, SizeIs(1)) << link;
  }
}

TEST_F(PollTest, P9_ATenantWhoseKeyIsRefusedPausesAndTheOthersGoOn) {
  shop_.Fill(3);
  Load(std::string(kSchema) + "insert into org values (2, 'Two', true, 'UTC', 'key-2');",
       Yaml(std::string(kPaged) + kUpsert));
  transport_.script = [&](const fetch::Request& request) -> Result<fetch::Response> {
    if (request.headers[0].value == "Bearer key-1") return Answered(401);
    return shop_.Answer(request);
  };
  Run("sync");
  EXPECT_EQ(Query("select org_id, count(*) from item group by 1"), "2|3");
  EXPECT_EQ(Query("select org_id, status from fresh order by 1"), "1|unauthorized;2|success");
  EXPECT_THAT(store_->alerts, ElementsAre(HasSubstr("for One: unauthorized")));
  EXPECT_EQ(Query("select last_status from tidewire_job where job_name = 'sync'"), "partial");
  const size_t asked = transport_.urls.size();
  Run("sync");
  EXPECT_EQ(transport_.urls.size(), asked + 1);  // Only the other tenant.
  Pass(std::chrono::minutes(61));
  transport_.script = [&](const fetch::Request& request) { return shop_.Answer(request); };
  Run("sync");
  EXPECT_EQ(Query("select org_id, status from fresh order by 1"), "1|success;2|success");
}

TEST_F(PollTest, P10_AnotherTenantsDataIsRefused) {
  const std::string yaml = Yaml(kUpsert, R"(
  concurrency: { per_credential: 1 }
  enter_tenant:
    request: { method: POST, path: /switch, json: { team_id: "${tenant.id}" } }
    settle: 1s
    verify: { at: "$.data[*].workspace", equals: tenant.id }
)");
  std::string active;
  transport_.script = [&](const fetch::Request& request) {
    if (request.method == fetch::Method::kPost) {
      active = request.body;
      return Json("{}");
    }
    const std::string team = active.find("\"2\"") != std::string::npos ? "2" : "1";
    return Json(R"({"data":[{"id":1,"workspace":)" + team + "}]}");
  };
  Load(std::string(kSchema) + "insert into org values (2, 'Two', true, 'UTC', 'key-2');", yaml);
  Run("sync");
  // One after another, each with its own data.
  EXPECT_EQ(Query("select org_id, status from fresh order by 1"), "1|success;2|success");
  transport_.script = [&](const fetch::Request& request) {
    if (request.method == fetch::Method::kPost) return Json("{}");
    return Json(R"({"data":[{"id":9,"workspace":2}]})");
  };
  Run("sync");
  EXPECT_EQ(Query("select org_id, status, error from fresh where org_id = 1"),
            "1|refused|tenant_mismatch: the answer is of tenant 2, not 1");
  EXPECT_EQ(Query("select org_id from item where id = 9"), "2");
}

TEST_F(PollTest, P11_RecordsBelowTheCursorAreReadAgainWithinTheLookback) {
  const std::string yaml = Yaml(std::string(R"(
    order: newest_first
    cursor: { field: $.updated_at, lookback: 10m }
)") + kPaged + kUpsert);
  Load(kSchema, yaml);
  clock_.SetWall(At("2026-01-02T12:00:00Z"));
  Start();
  // 1 000 rows in one second, and a source clock five minutes behind.
  for (int i = 1; i <= 1'000; ++i) shop_.rows.push_back({i, "2026-01-02T11:55:00Z", "x"});
  shop_.page_size = 500;
  Run("sync");
  EXPECT_EQ(Query("select count(*) from item"), "1000");
  // Committed late, 30 s below what was seen.
  shop_.rows.insert(shop_.rows.begin(), {2'000, "2026-01-02T11:54:30Z", "late"});
  clock_.Advance(std::chrono::minutes(1));
  Run("sync");
  EXPECT_EQ(Query("select title from item where id = 2000"), "late");
}

TEST_F(PollTest, P17_AStalePageDoesNotOverwriteWhatCameSince) {
  // Without a version of its own the record has the time of the request.
  Load(kSchema, Yaml(R"(
    upsert: { table: item, key: { org_id: tenant.id, id: $.id }, set: { title: $.title } }
)"));
  transport_.script = [&](const fetch::Request&) {
    // While the answer was on its way, a webhook wrote the row (inbox sequence 5).
    MustOk(db_->Execute("insert or replace into item(org_id, id, title) values (1, 1, 'fresh'); "
                        "insert or replace into tidewire_row_state values ('item', '[\"1\",\"1\"]', "
                        "0, 0, 5, '', null, '', 0, 0, 0)"));
    return Json(R"({"data":[{"id":1,"title":"stale"}]})");
  };
  Run("sync");
  EXPECT_EQ(Query("select title from item"), "fresh");
}

TEST_F(PollTest, ASweepMarksOnlyWhatTwoCompletePassesMissed) {
  shop_.Fill(40);
  Load(kSchema, Yaml(std::string(kPaged) + R"(
    mode: snapshot
    sweep: { set: { deleted_at: now() }, only_after: complete, refuse_above: 20% }
)" + kUpsert));
  Run("sync");
  Run("sync");
  shop_.rows.erase(shop_.rows.begin() + 3);
  Run("sync");
  EXPECT_EQ(Query("select count(*) from item where deleted_at is not null"), "0");
  Run("sync");
  EXPECT_EQ(Query("select id from item where deleted_at is not null"), "4");
  // It is back.
  shop_.rows.push_back({4, "2026-01-01T00:00:00Z", "item 4"});
  Run("sync");
  EXPECT_EQ(Query("select count(*) from item where deleted_at is not null"), "0");
  // Too many at once: a fault of the source is likelier.
  shop_.rows.resize(20);
  Run("sync");
  Run("sync");
  EXPECT_EQ(Query("select count(*) from item where deleted_at is not null"), "0");
  EXPECT_THAT(store_->alerts.back(), StartsWith("sweep_refused.items"));
}

TEST_F(PollTest, P5_RowsThatMoveBetweenPagesAreNotTakenForGone) {
  shop_.Fill(45);
  Load(kSchema, Yaml(std::string(kPaged) + R"(
    mode: snapshot
    sweep: { set: { deleted_at: now() }, refuse_above: 50% }
)" + kUpsert));
  Run("sync");
  Run("sync");
  // A row of page 1 vanishes and one is added while page 2 is read: row 16 is on no page.
  bool moved = false;
  transport_.script = [&](const fetch::Request& request) {
    auto answer = shop_.Answer(request);
    if (Shop::PageOf(request.url) == 1 && !std::exchange(moved, true)) {
      shop_.rows.erase(shop_.rows.begin());
      shop_.rows.push_back({46, "2026-01-01T00:00:00Z", "new"});
    }
    return answer;
  };
  Run("sync");
  Run("sync");
  EXPECT_EQ(Query("select id from item where deleted_at is not null"), "");
  Run("sync");
  EXPECT_EQ(Query("select id from item where deleted_at is not null"), "1");
  EXPECT_EQ(Query("select count(*) from item where deleted_at is null"), "45");
}

TEST_F(PollTest, P16_RestatedDaysAreReplacedWithoutTouchingWhatStayed) {
  const std::string schema = std::string(kSchema) +
                             "create table ad(org_id bigint, ad_id text, date date, spend numeric, "
                             "primary key(org_id, ad_id, date));";
  Load(schema, Yaml(R"(
    window: { field: date_start, lookback: 2d, slice: 1d, tz: account }
    upsert: { table: ad, key: { org_id: tenant.id, ad_id: $.ad_id, date: $.date_start }, set: { spend: $.spend | decimal }, replace_slice: true }
)"));
  std::map<std::string, std::string> days = {
      {"2025-12-31", R"({"ad_id":"a","spend":"1.10"},{"ad_id":"b","spend":"2.20"})"},
      {"2026-01-01", R"({"ad_id":"a","spend":"3.30"})"},
      {"2026-01-02", ""}};
  transport_.script = [&](const fetch::Request& request) {
    const size_t at = request.url.find("day=");
    std::string text = days[request.url.substr(at + 4, 10)];
    const std::string day = "\"date_start\":\"" + request.url.substr(at + 4, 10) + "\",\"ad_id\"";
    for (size_t i = text.find("\"ad_id\""); i != std::string::npos;
         i = text.find("\"ad_id\"", i + day.size())) {
      text.replace(i, 7, day);
    }
    return Json("{\"data\":[" + text + "]}");
  };
  // The day is part of the request.
  const std::string yaml = Yaml(R"(
    window: { field: date_start, lookback: 2d, slice: 1d, tz: account }
    upsert: { table: ad, key: { org_id: tenant.id, ad_id: $.ad_id, date: $.date_start }, set: { spend: $.spend | decimal }, replace_slice: true }
)");
  std::string with_day = yaml;
  with_day.replace(with_day.find("{ path: /items }"), 16,
                   "{ path: /items, query: { day: \"${window.from:%Y-%m-%d}\" } }");
  sources_.clear();
  for (const SourceConfig& config : Must(LoadSourceConfigs(with_day, "t.yaml", environment_))) {
    sources_.push_back(Must(CompileSource(config, with_day, *db_)));
  }
  Start();
  Run("sync");
  EXPECT_EQ(Query("select ad_id, date, spend from ad order by 2, 1"),
            "a|2025-12-31|1.1;b|2025-12-31|2.2;a|2026-01-01|3.3");
  MustOk(db_->Execute("create table touched(id text); create trigger u after update on ad begin "
                      "insert into touched values(new.ad_id); end; create trigger d after delete on "
                      "ad begin insert into touched values('-' || old.ad_id); end"));
  days["2025-12-31"] = R"({"ad_id":"a","spend":"1.10"},{"ad_id":"c","spend":"9"})";
  Run("sync");
  EXPECT_EQ(Query("select ad_id, date, spend from ad order by 2, 1"),
            "a|2025-12-31|1.1;c|2025-12-31|9;a|2026-01-01|3.3");
  EXPECT_EQ(Query("select id from touched"), "-b");
}

TEST_F(PollTest, AnUnchangedAnswerIsNewsOnlyForTheFreshnessRow) {
  shop_.Fill(5);
  Load(kSchema, Yaml(std::string(kPaged) + kUpsert));
  transport_.script = [&](const fetch::Request& request) {
    for (const auto& header : request.headers) {
      if (header.name == "If-None-Match" && header.value == "\"v1\"") return Answered(304);
    }
    auto answer = shop_.Answer(request);
    answer.headers = {{"ETag", "\"v1\""}};
    return answer;
  };
  Run("sync");
  const std::string first = Query("select last_synced_at from fresh");
  Pass(std::chrono::seconds(5));
  Run("sync");
  EXPECT_EQ(LastRun(), "success|-");
  EXPECT_EQ(Query("select rows, status from fresh"), "0|success");
  EXPECT_NE(Query("select last_synced_at from fresh"), first);
}

TEST_F(PollTest, ABrokenSourceIsLeftAloneAndThenAskedOnce) {
  Load(kSchema, Yaml(std::string(kPaged) + kUpsert, R"(
  breaker: { open_after: 3, half_open_after: 10m }
  retry: { max_attempts: 2, base: 1s, cap: 1s }
)"));
  transport_.script = [&](const fetch::Request&) { return Answered(503); };
  Run("sync");
  Run("sync");
  EXPECT_THAT(store_->alerts, ::testing::Contains(StartsWith("source_api_down")));
  const size_t asked = transport_.urls.size();
  MustOk(db_->Execute("insert into tidewire_request(verb, argument) values('run', 'sync')"));
  Pass(std::chrono::minutes(9));
  EXPECT_EQ(transport_.urls.size(), asked);
  transport_.script = [&](const fetch::Request& request) { return shop_.Answer(request); };
  Pass(std::chrono::minutes(2));
  EXPECT_EQ(LastRun(), "success|-");
}

TEST_F(PollTest, ARecordThatTheDatabaseRefusesEndsAsADeadRecordAndTheOthersAreApplied) {
  shop_.Fill(5);
  Load(std::string(kSchema) +
           "create trigger no3 before insert on item when new.id = 3 begin select "
           "raise(abort, 'no threes'); end;",
       Yaml(std::string(kPaged) + kUpsert));
  Run("sync");
  EXPECT_EQ(Query("select group_concat(id) from item"), "1,2,4,5");
  EXPECT_EQ(Query("select stream, tenant, reason, count(*) from tidewire_dead_record group by 1"),
            "items|1|constraint|1");
  Run("sync");
  EXPECT_EQ(Query("select count(*) from tidewire_dead_record"), "1");
}

TEST_F(PollTest, AMissingCredentialFailsThatTenantAlone) {
  shop_.Fill(2);
  Load(std::string(kSchema) + "insert into org values (2, 'Two', true, 'UTC', null);",
       Yaml(std::string(kPaged) + kUpsert));
  Run("sync");
  EXPECT_EQ(Query("select org_id, status, error from fresh order by 1"),
            "1|success|-;2|failed|there is no value for ${tenant.api_key}");
}

}  // namespace
}  // namespace tw::ingest
