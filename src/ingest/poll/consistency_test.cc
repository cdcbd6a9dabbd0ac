// What differs from the source's own numbers, and what is done about it (fault cases D*).
#include "ingest/poll/consistency.h"

#include "ingest/poll/pull_fixture.h"

namespace tw::ingest {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using std::chrono::hours;
using std::chrono::minutes;

TEST(ConsistencyTest, TheLevelFollowsTheShareThatIsMissing) {
  const CheckPlan plan{.tolerance = {.abs = 5, .pct = 0.5}, .warning = 0.05, .critical = 0.1};
  EXPECT_EQ(LevelOf(plan, 1000, 1000), DriftLevel::kOk);
  EXPECT_EQ(LevelOf(plan, 1000, 995), DriftLevel::kOk);
  EXPECT_EQ(LevelOf(plan, 3, 0), DriftLevel::kOk);  // Within the absolute tolerance.
  EXPECT_EQ(LevelOf(plan, 1000, 970), DriftLevel::kInfo);
  EXPECT_EQ(LevelOf(plan, 1000, 1030), DriftLevel::kInfo);
  EXPECT_EQ(LevelOf(plan, 1000, 930), DriftLevel::kWarning);
  EXPECT_EQ(LevelOf(plan, 1000, 880), DriftLevel::kCritical);
  EXPECT_EQ(LevelOf(plan, 0, 100), DriftLevel::kCritical);
}

TEST(ConsistencyTest, ReadingAgainHasACooldownALimitAndACeiling) {
  const ReconcilePlan plan{
      .above = 0.05, .cooldown = hours(2), .max_per_day = 3, .dry_run_above = 0.3};
  const WallTime now = At("2026-01-05T12:00:00Z");
  EXPECT_EQ(ActionOf(plan, 0.05, {}, now), DriftAction::kNone);
  EXPECT_EQ(ActionOf(plan, 0.07, {}, now), DriftAction::kReconcile);
  EXPECT_EQ(ActionOf(plan, 0.07, {1, now - minutes(119)}, now), DriftAction::kWait);
  EXPECT_EQ(ActionOf(plan, 0.07, {2, now - hours(2)}, now), DriftAction::kReconcile);
  EXPECT_EQ(ActionOf(plan, 0.07, {3, now - hours(5)}, now), DriftAction::kGiveUp);
  EXPECT_EQ(ActionOf(plan, 0.4, {}, now), DriftAction::kAsk);
}

TEST(ConsistencyTest, PendingDaysComeBackAsTheyWere) {
  PendingDays pending{.at = At("2026-01-05T12:00:00Z"), .totals = {}};
  EXPECT_EQ(pending.Encode(), "");
  pending.totals = {{{"2026-01-01", "a"}, 3}, {{"2026-01-01", "b"}, 4}, {{"2026-01-02", "a"}, 5}};
  const PendingDays back = PendingDays::Decode(pending.Encode());
  EXPECT_EQ(back.at, pending.at);
  EXPECT_EQ(back.totals, pending.totals);
  EXPECT_THAT(PendingDays::Decode("{").totals, IsEmpty());
}

TEST(ConsistencyTest, AMonthIsLookedAtUntilItsLastDayIsClosed) {
  Zones zones;
  const date::time_zone& zone = *zones.Find("America/New_York");
  // Local 1 November, 23:30.
  CheckDays days = CheckDaysAt(zone, At("2025-11-02T03:30:00Z"), 1);
  EXPECT_EQ(days.first + " " + days.last_closed + " " + days.today,
            "2025-10-01 2025-10-30 2025-11-01");
  days = CheckDaysAt(zone, At("2025-11-03T05:30:00Z"), 1);
  EXPECT_EQ(days.first + " " + days.last_closed, "2025-11-01 2025-11-01");
}

constexpr const char* kSchema = R"(
create table org(id bigint primary key, name text not null unique, is_active boolean not null,
  timezone text, api_key text);
create table visit(org_id bigint not null, id bigint not null, gone_at timestamptz,
  primary key(org_id, id));
create table counts(org text not null, month date not null, visits bigint not null default 0,
  primary key(org, month));
create table counts_daily(org text not null, metric text not null, local_day date not null,
  n bigint not null default 0, adjusted bigint not null default 0,
  primary key(org, metric, local_day));
insert into org values (1, 'One', true, 'America/New_York', 'key-1');
)";

constexpr const char* kYaml = R"(
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
  retry: { max_attempts: 1 }
facts:
  visit: { ids: { visit: visit_id }, match: { on: [visit_id], window: 1s }, at: occurred_at }
counters:
  table: counts
  key: { org: tenant.name, month: month_start(at) }
  day_table: counts_daily
  metrics: { visits: { fact: visit } }
tables:
  visit: { key: { org_id: tenant.id, id: visit_id } }
streams:
  visits:
    request: { path: /visits }
    records: $.data
    pages: { next: $.next, stop: [no_next, empty_page] }
    order: newest_first
    cursor: { field: $.at, lookback: 1h }
    observe:
      - { fact: visit, map: { visit_id: $.id, occurred_at: $.at }, upsert: [visit] }
  stats:
    request: { path: /stats, query: { from: "${window.from:%Y-%m-%d}", to: "${window.to:%Y-%m-%d}" } }
    object: $.data
    totals: { visits: $.visits }
jobs:
  sync: { schedule: { every: 24h }, run: [visits, stats] }
consistency:
  schedule: { cron: "7 * * * *", tz: UTC }
  checks:
    - { name: month, source: stats, mirror: counters, day_lag: 1, tolerance: { abs: 0, pct: 0.5 }, warning: 5%, critical: 10% }
    - { name: rows, source: { stream: visits, query: { count: 1 }, count: $.total }, mirror: { table: visit, where: gone_at is null and id <> 0 }, warning: 5%, critical: 10% }
  reconcile: { above: 5%, run: [visits], then: adjust_days, cooldown: 2h, max_per_day: 3, dry_run_above: 30% }
)";

// A source with visits; some may be missing in its list, and its totals may be wrong.
struct Shop {
  struct Visit {
    int64_t id;
    std::string at;
    std::string day;  // In the tenant's zone.
    bool listed = true;
  };
  std::vector<Visit> visits;  // The oldest first.
  int64_t wrong = 0;          // Added to every total that covers `wrong_day`.
  std::string wrong_day;
  int stats_status = 200;
  std::optional<std::string> stats_body;

  void Add(int count, const std::string& day, bool listed = true) {
    for (int i = 0; i < count; ++i) {
      const auto id = static_cast<int64_t>(visits.size()) + 1;
      visits.push_back({id, day + "T16:00:00Z", day, listed});
    }
  }
  static std::string Parameter(const std::string& url, const std::string& name) {
    const size_t at = url.find(name + "=");
    return at == std::string::npos ? "" : url.substr(at + name.size() + 1, 10);
  }
  fetch::Response Answer(const fetch::Request& request) const {
    json::Writer w;
    w.Object();
    if (request.url.find("/stats") != std::string::npos) {
      if (stats_status != 200) return Answered(stats_status);
      if (stats_body) return Json(*stats_body);
      const std::string from = Parameter(request.url, "from");
      const std::string to = Parameter(request.url, "to");
      int64_t total = 0;
      for (const Visit& visit : visits) total += from <= visit.day && visit.day <= to ? 1 : 0;
      if (from <= wrong_day && wrong_day <= to) total += wrong;
      w.Key("data").Object().Key("visits").Int(total).End().End();
      return Json(w.Take());
    }
    w.Key("total").Uint(visits.size()).Key("data").Array();
    for (auto it = visits.rbegin(); it != visits.rend(); ++it) {
      if (it->listed) w.Object().Key("id").Int(it->id).Key("at").String(it->at).End();
    }
    w.End().Key("next").Null().End();
    return Json(w.Take());
  }
};

class ReconcileTest : public PullTest {
 protected:
  ReconcileTest() {
    transport_.script = [this](const fetch::Request& request) { return shop_.Answer(request); };
    clock_.SetWall(At("2026-01-20T12:00:00Z"));
  }
  // Facts that we have: those of `visits`, as a poll would have brought them.
  void Mirror(int64_t from, int64_t to) {
    json::Writer w;
    w.Array();
    for (int64_t id = from; id <= to; ++id) {
      const auto& visit = shop_.visits[static_cast<size_t>(id) - 1];
      w.Object().Key("id").Int(id).Key("at").String(visit.at).End();
    }
    w.End();
    auto document = std::make_shared<json::Document>(Must(json::Parse(w.Take())));
    PullWork work{.tenant = "1", .run_id = "mirror"};
    work.page = PulledPage{.documents = {document},
                           .records = mapping::Expression::Compile("$[*]")->Select(document->root()),
                           .requested_at = clock_.Wall()};
    EXPECT_EQ(Must(applier_->pull().Apply(work)).records, static_cast<uint64_t>(to - from + 1));
  }
  std::string Month() { return Query("select visits from counts where month = '2026-01-01'"); }
  std::string Status(const std::string& check) {
    return Query("select status from tidewire_check where name = '" + check + "'");
  }
  std::string Runs(const std::string& purpose) {
    return Query("select count(*) from tidewire_run where purpose = '" + purpose +
                 "' and stream = 'visits'");
  }
  std::string Drift() {
    return Query("select level from tidewire_alert where rule = 'drift.month' and "
                 "resolved_at is null");
  }
  Shop shop_;
};

TEST_F(ReconcileTest, D1_ThreePercentAreInformationAndSevenAreReadAgain) {
  Load(kSchema, kYaml);
  shop_.Add(100, "2026-01-10");
  Mirror(1, 97);
  Pass(minutes(10));
  EXPECT_EQ(Drift(), "info");
  EXPECT_EQ(Query("select metric, status, source_total, mirror_total from tidewire_check "
                  "where name = 'month'"),
            "visits|info|100|97");
  EXPECT_EQ(Runs("reconcile"), "0");
  // Four more are missing.
  shop_.Add(4, "2026-01-11");
  Pass(hours(1));
  EXPECT_EQ(Runs("reconcile"), "1");  // Both checks asked for it.
  EXPECT_EQ(Month(), "104");
  EXPECT_EQ(Status("month"), "ok");
  EXPECT_EQ(Drift(), "");  // Resolved by the look at the reconciliation's end.
  EXPECT_THAT(store_->alerts, Contains(AllOf(HasSubstr("drift.month"), HasSubstr("104 visits"),
                                             HasSubstr("97"), HasSubstr("it is read again"))));
}

TEST_F(ReconcileTest, D1_TwelvePercentAreCriticalAndFortyAsk) {
  Load(kSchema, kYaml);
  shop_.Add(100, "2026-01-10");
  Mirror(1, 60);
  Pass(minutes(10));
  EXPECT_EQ(Drift(), "critical");
  EXPECT_EQ(Runs("reconcile"), "0");
  EXPECT_THAT(store_->alerts, Contains(HasSubstr("tidewire jobs run shop.reconcile")));
  // An operator agrees.
  Run("shop.reconcile");
  EXPECT_EQ(Month(), "100");
  EXPECT_EQ(Drift(), "");
  shop_.Add(14, "2026-01-11");
  Pass(hours(3));
  EXPECT_THAT(store_->alerts, Contains(AllOf(HasSubstr("114 visits"), HasSubstr("12.3 %"))));
  EXPECT_EQ(Month(), "114");
}

// What the source counts and does not list: the closed day follows it once two looks agree.
TEST_F(ReconcileTest, D2_AClosedDayFollowsTheSourceWhenTwoLooksAgree) {
  Load(kSchema, kYaml);
  shop_.Add(92, "2026-01-10");
  Mirror(1, 92);
  shop_.Add(8, "2026-01-10", false);
  Pass(minutes(10));
  EXPECT_EQ(Runs("reconcile"), "1");
  EXPECT_EQ(Month(), "92");  // Read again, and not found: not yet.
  Pass(hours(1));
  EXPECT_EQ(Month(), "100");
  EXPECT_EQ(Query("select n, adjusted from counts_daily"), "92|8");
  Pass(hours(1));
  EXPECT_EQ(Status("month"), "ok");
  EXPECT_EQ(Drift(), "");
  // Found a week later: the adjustment gives way.
  for (auto& visit : shop_.visits) visit.listed = true;
  Mirror(93, 96);
  EXPECT_EQ(Query("select n, adjusted from counts_daily"), "96|4");
  EXPECT_EQ(Month(), "100");
}

TEST_F(ReconcileTest, D2_ATotalThatIsWrongForAnHourChangesNothing) {
  Load(kSchema, kYaml);
  shop_.Add(100, "2026-01-10");
  Mirror(1, 100);
  shop_.wrong = 20;
  shop_.wrong_day = "2026-01-10";
  Pass(minutes(10));
  EXPECT_EQ(Runs("reconcile"), "1");
  shop_.wrong = 0;
  Pass(hours(5));
  EXPECT_EQ(Month(), "100");
  EXPECT_EQ(Query("select n, adjusted from counts_daily"), "100|0");
  EXPECT_EQ(Drift(), "");
}

TEST_F(ReconcileTest, D2_OpenDaysAreNeverAdjusted) {
  Load(kSchema, kYaml);
  shop_.Add(10, "2026-01-10");
  Mirror(1, 10);
  shop_.Add(1, "2026-01-19", false);  // Closed only on the 21st.
  Pass(hours(8));
  EXPECT_EQ(Month(), "10");
  EXPECT_EQ(Query("select count(*) from counts_daily where adjusted <> 0"), "0");
}

TEST_F(ReconcileTest, D3_AGapThatStaysIsTriedThreeTimesADayAndThenCritical) {
  std::string yaml = kYaml;
  const size_t at = yaml.find("then: adjust_days, ");
  yaml.erase(at, std::string("then: adjust_days, ").size());
  Load(kSchema, yaml);
  shop_.Add(92, "2026-01-10");
  Mirror(1, 92);
  shop_.Add(8, "2026-01-10", false);
  Pass(minutes(70));
  // Two looks, one reconciliation: the second came before its time.
  EXPECT_EQ(Runs("reconcile"), "1");
  Pass(hours(20));
  EXPECT_EQ(Runs("reconcile"), "3");
  EXPECT_EQ(Drift(), "critical");
  EXPECT_THAT(store_->alerts, Contains(HasSubstr("reading again does not close it")));
  EXPECT_EQ(Month(), "92");
}

TEST_F(ReconcileTest, D4_AnAnswerThatCannotBeUsedIsUnknownAndNoZero) {
  Load(kSchema, kYaml);
  shop_.Add(100, "2026-01-10");
  Mirror(1, 100);
  Pass(minutes(10));
  EXPECT_EQ(Status("month"), "ok");
  const std::vector<std::string> bodies = {"<html>", "{}", R"({"data":{}})",
                                           R"({"data":{"visits":"many"}})",
                                           R"({"data":{"visits":null}})"};
  shop_.stats_status = 500;
  for (size_t i = 0; i <= bodies.size(); ++i) {
    Pass(hours(1));
    EXPECT_EQ(Query("select status, source_total, mirror_total from tidewire_check "
                    "where name = 'month'"),
              "unknown|100|100");
    EXPECT_THAT(store_->alerts.back(), StartsWith("check_failed.month: What shop counts for One"));
    shop_.stats_status = 200;
    if (i < bodies.size()) shop_.stats_body = bodies[i];
  }
  EXPECT_THAT(store_->alerts, Not(Contains(StartsWith("drift"))));
  EXPECT_EQ(Runs("reconcile"), "0");
  shop_.stats_body.reset();
  Pass(hours(1));
  EXPECT_EQ(Status("month"), "ok");
  EXPECT_EQ(Query("select count(*) from tidewire_alert where resolved_at is null"), "0");
}

TEST_F(ReconcileTest, RowsAreCountedByTheirConditions) {
  Load(kSchema, kYaml);
  shop_.Add(20, "2026-01-10");
  Mirror(1, 20);
  MustOk(db_->Execute("update visit set gone_at = '2026-01-11T00:00:00Z' where id = 7; "
                      "insert into visit(org_id, id) values (1, 0), (2, 1)"));
  Pass(minutes(10));
  EXPECT_EQ(Query("select status, source_total, mirror_total from tidewire_check "
                  "where name = 'rows'"),
            "info|20|19");
}

TEST_F(ReconcileTest, AKilledReconciliationIsTakenUpAgain) {
  Load(kSchema, kYaml);
  shop_.Add(100, "2026-01-10");
  Mirror(1, 92);
  // Two checks are stored; the page of the reconciliation never is.
  store_->die_before_apply = 3;
  Pass(minutes(10));
  EXPECT_EQ(Month(), "92");
  owner_ = "another";
  Start();
  Pass(hours(9));  // The dead one's lease ends first.
  EXPECT_EQ(Month(), "100");
  EXPECT_EQ(Drift(), "");
}

TEST_F(ReconcileTest, ASealedDayIsNeitherAdjustedNorReadAgain) {
  std::string yaml = kYaml;
  const std::string daily = "  day_table: counts_daily\n";
  yaml.insert(yaml.find(daily) + daily.size(), "  fact_retention: 40d\n");
  yaml.replace(yaml.find("day_lag: 1,"), 11, "day_lag: 20,");
  Load(kSchema, yaml);
  shop_.Add(92, "2025-12-02");
  clock_.SetWall(At("2025-12-03T12:00:00Z"));
  Mirror(1, 92);
  clock_.SetWall(At("2026-01-20T12:00:00Z"));
  for (int i = 0; i < 5; ++i) {
    MustOk(applier_->OnTimer(clock_.Wall()));
    clock_.Advance(std::chrono::minutes(2));
  }
  shop_.Add(8, "2025-12-02", false);
  Pass(hours(8));
  EXPECT_EQ(Query("select n, adjusted from counts_daily"), "92|0");
  EXPECT_EQ(Query("select count(*) from tidewire_dead_record"), "0");
  EXPECT_EQ(Drift(), "critical");
}

TEST_F(ReconcileTest, WhatCannotBeComparedIsRefusedWithItsPlace) {
  MustOk(db_->Execute(kSchema));
  const auto refusal = [&](const std::string& from, const std::string& to) {
    std::string yaml = kYaml;
    yaml.replace(yaml.find(from), from.size(), to);
    const auto configs = LoadSourceConfigs(yaml, "test.yaml", environment_);
    if (!configs.ok()) return configs.error().message;
    const auto compiled = CompileSource(configs->front(), yaml, *db_);
    return compiled.ok() ? std::string("fine") : compiled.error().message;
  };
  EXPECT_THAT(refusal("totals: { visits", "totals: { visit"),
              HasSubstr("totals.visit is no metric of counters"));
  EXPECT_THAT(refusal("where: gone_at is null", "where: gone_it is null"),
              HasSubstr("no column of table visit 'gone_it'; did you mean 'gone_at'?"));
  EXPECT_THAT(refusal("id <> 0", "id <> (select 1)"), HasSubstr("no column of table visit"));
  EXPECT_THAT(refusal("table: visit, where", "table: org, where"),
              HasSubstr("no table that this source writes 'org'"));
  EXPECT_THAT(refusal("count: $.total }", "}"), HasSubstr("say where its count is"));
  EXPECT_THAT(refusal("run: [visits], then", "run: [stats], then"),
              HasSubstr("stream stats has totals and no records"));
  EXPECT_THAT(refusal("name: rows", "name: month"), HasSubstr("two checks are named month"));
  EXPECT_THAT(refusal("source: stats, mirror: counters",
                      "source: stats, mirror: { table: visit }"),
              HasSubstr("totals are compared with counters"));
}

}  // namespace
}  // namespace tw::ingest
