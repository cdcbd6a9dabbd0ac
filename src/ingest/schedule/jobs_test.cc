// Jobs over time: misfire, overlap, leases, late alarms, switching (fault cases J*).
#include "ingest/poll/pull_fixture.h"

namespace tw::ingest {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr const char* kSchema = R"(
create table org(id bigint primary key, name text not null unique);
create table item(org_id bigint not null, id bigint not null, primary key(org_id, id));
create table scheduled_jobs(job_name text primary key, job_type text, schedule text,
  is_active boolean not null default true, endpoint text);
insert into org values (1, 'One');
)";

std::string Yaml(const std::string& job) {
  return R"(
version: 1
source: shop
tenants: { id: integer, registry: { table: org, columns: { id: id, name: name } } }
http: { base_url: "https://api.example.com" }
jobs:
  sync: )" + job + R"(
streams:
  items:
    request: { path: /items }
    records: $.data
    upsert: { table: item, key: { org_id: tenant.id, id: $.id }, set: {} }
)";
}

class JobsTest : public PullTest {
 protected:
  JobsTest() {
    clock_.SetWall(At("2026-01-05T00:10:00Z"));
    transport_.script = [](const fetch::Request&) { return Json(R"({"data":[{"id":1}]})"); };
  }
  std::string Runs() { return Query("select count(*) from tidewire_run"); }
};

TEST_F(JobsTest, AJobRunsAtItsTimesForEveryTenant) {
  Load(std::string(kSchema) + "insert into org values (2, 'Two');",
       Yaml(R"({ schedule: { cron: "*/30 * * * *", tz: UTC }, run: [items] })"));
  Pass(std::chrono::minutes(19));
  EXPECT_EQ(Runs(), "0");
  Pass(std::chrono::minutes(1));
  EXPECT_EQ(Query("select tenant, started_at from tidewire_run order by 1"),
            "1|2026-01-05T00:30:00.000Z;2|2026-01-05T00:30:00.000Z");
  Pass(std::chrono::minutes(60));
  EXPECT_EQ(Runs(), "6");
}

TEST_F(JobsTest, J2_AfterTimeDownOnceForAllThatWasMissedOrNotAtAll) {
  for (const char* misfire : {"run_once", "skip"}) {
    MustOk(db_->Execute("drop table if exists org; drop table if exists item; "
                        "drop table if exists scheduled_jobs; drop table if exists tidewire_run; "
                        "drop table if exists tidewire_state"));
    Load(kSchema, Yaml("{ schedule: { every: 1h }, run: [items], late_after: 10m, misfire: " +
                       std::string(misfire) + " }"));
    Pass(std::chrono::hours(1));
    const std::string before = Runs();
    EXPECT_NE(before, "0");
    puller_.reset();
    clock_.Advance(std::chrono::hours(3) + std::chrono::minutes(5));
    Start();
    const bool once = misfire == std::string("run_once");
    EXPECT_EQ(Runs(), std::to_string(std::stoi(before) + (once ? 1 : 0))) << misfire;
  }
}

TEST_F(JobsTest, J3_AJobThatStillRunsIsSkippedOrQueuedOnce) {
  for (const char* overlap : {"skip", "queue_one"}) {
    MustOk(db_->Execute("drop table if exists org; drop table if exists item; "
                        "drop table if exists scheduled_jobs; drop table if exists tidewire_run; "
                        "drop table if exists tidewire_state"));
    // A run takes two and a half hours: the source asks to wait.
    int asked = 0;
    transport_.script = [&](const fetch::Request&) -> Result<fetch::Response> {
      if (++asked % 11 != 0) return Answered(429, {{"Retry-After", "900"}});
      return Json(R"({"data":[{"id":1}]})");
    };
    std::string yaml = Yaml("{ schedule: { every: 1h }, run: [items], max_runtime: 10h, overlap: " +
                            std::string(overlap) + " }");
    yaml.replace(yaml.find("{ base_url:"), 11, "{ retry: { max_attempts: 20 }, base_url:");
    Load(kSchema, yaml);
    Pass(std::chrono::minutes(50));  // 01:00: it begins.
    Pass(std::chrono::hours(2) + std::chrono::minutes(35));  // 03:35: it has ended at 03:30.
    EXPECT_EQ(Runs(), "1") << overlap;
    const bool queued = overlap == std::string("queue_one");
    EXPECT_EQ(asked > 11, queued) << overlap;
  }
}

// Two processes on one database: the second finds the lease taken.
TEST_F(JobsTest, J3_OfTwoProcessesOneRuns) {
  Load(kSchema, Yaml("{ schedule: { every: 1h }, run: [items] }"));
  PullApplier& pull = applier_->pull();
  const WallTime now = clock_.Wall();
  const Lease other{"sync", "other", now + std::chrono::minutes(20)};
  EXPECT_TRUE(Must(pull.Claim({.lease = other, .now = now})).granted);
  EXPECT_FALSE(Must(pull.Claim({.lease = {"sync", "us", now}, .now = now})).granted);
  Pass(std::chrono::minutes(15));
  MustOk(db_->Execute("insert into tidewire_request(verb, argument) values('run', 'sync')"));
  Look();
  EXPECT_EQ(Runs(), "0");
  // A run whose lease is gone writes nothing.
  const PullWork work{.tenant = "1",
                      .run_id = "r",
                      .state = "{}",
                      .lease = Lease{"sync", "us", now + std::chrono::hours(1)}};
  EXPECT_TRUE(Must(pull.Apply(work)).lease_lost);
}

TEST_F(JobsTest, J4_AJobThatDiedIsLostAndGoesOnFromItsPlace) {
  std::string yaml = Yaml("{ schedule: { every: 1h }, run: [items] }");
  yaml += "    pages: { next: $.next, stop: [no_next] }\n";
  transport_.script = [&](const fetch::Request& request) {
    const bool second = request.url.find("p=2") != std::string::npos;
    return Json(second ? R"({"data":[{"id":2}]})"
                       : R"({"data":[{"id":1}],"next":"https://api.example.com/items?p=2"})");
  };
  Load(kSchema, yaml);
  store_->die_before_apply = 2;
  Pass(std::chrono::minutes(50));
  EXPECT_EQ(Query("select group_concat(id) from item"), "1");
  Start();  // Killed and started again.
  Pass(std::chrono::minutes(61));
  EXPECT_EQ(Query("select group_concat(id) from item"), "1,2");
  EXPECT_THAT(store_->alerts, ::testing::Contains(StartsWith("job_lost")));
  EXPECT_THAT(transport_.urls.back(), HasSubstr("p=2"));
  EXPECT_EQ(std::ranges::count_if(transport_.urls,
                                  [](const auto& url) { return url.find("p=2") == std::string::npos; }),
            1);
}

// Where one process at a time uses the database, the next one need not wait for the lease.
TEST_F(JobsTest, J4_TheNextProcessOfTheSameDirectoryGoesOnAtOnce) {
  owner_ = "data-directory";
  Load(kSchema, Yaml("{ schedule: { every: 1h }, run: [items] }"));
  store_->die_before_apply = 1;
  Pass(std::chrono::minutes(50));
  EXPECT_EQ(Runs(), "0");
  Start();
  Run("sync");
  EXPECT_EQ(Runs(), "1");
  EXPECT_THAT(store_->alerts, ::testing::Contains(StartsWith("job_lost")));
}

TEST_F(JobsTest, J5_EveryThirtySecondsForADay) {
  Load(kSchema, Yaml(R"({ schedule: { cron: "*/30 * * * * *", tz: UTC }, run: [items] })"));
  clock_.SetWall(At("2026-01-06T00:00:00Z"));
  Start();
  Pass(std::chrono::hours(24));
  EXPECT_EQ(Runs(), "2880");
  EXPECT_EQ(Query("select count(*) from tidewire_run where substr(started_at, 18) not in "
                  "('00.000Z', '30.000Z')"),
            "0");
}

TEST_F(JobsTest, TheTableShowsJobsAndSwitchesThem) {
  MustOk(db_->Execute("create table if not exists scheduled_jobs(job_name text primary key, "
                      "job_type text, schedule text, is_active boolean not null default true, "
                      "endpoint text, last_status text)"));
  MustOk(db_->Execute("create table org(id bigint primary key, name text not null unique); "
                      "create table item(org_id bigint not null, id bigint not null, "
                      "primary key(org_id, id)); insert into org values (1, 'One')"));
  const std::string yaml =
      Yaml(R"({ schedule: { cron: "*/30 * * * *", tz: UTC }, run: [items] })");
  for (const SourceConfig& config : Must(LoadSourceConfigs(yaml, "t.yaml", environment_))) {
    sources_.push_back(Must(CompileSource(config, yaml, *db_)));
  }
  applier_options_.jobs_table = "scheduled_jobs";
  Start();
  EXPECT_EQ(Query("select job_name, job_type, schedule, is_active, endpoint from scheduled_jobs"),
            "sync|job|*/30 * * * *|1|shop.items");
  MustOk(db_->Execute("update scheduled_jobs set is_active = false"));
  Pass(std::chrono::hours(2));
  EXPECT_EQ(Runs(), "0");
  MustOk(db_->Execute("update scheduled_jobs set is_active = true"));
  Look();
  EXPECT_EQ(Runs(), "0");  // Times that passed while it was off are not made up for.
  Pass(std::chrono::minutes(30));
  EXPECT_EQ(Runs(), "1");
  EXPECT_EQ(Query("select last_status from scheduled_jobs"), "success");
  Start();
  EXPECT_EQ(Query("select count(*), sum(case when is_active then 1 else 0 end) from scheduled_jobs"), "1|1");
}

TEST_F(JobsTest, ALateJobIsAnAlertOnceAndResolvesItself) {
  Load(kSchema, Yaml("{ schedule: { every: 1h }, run: [items], late_after: 30m }"));
  transport_.script = [](const fetch::Request&) { return Answered(404); };
  Pass(std::chrono::hours(5));
  EXPECT_EQ(std::ranges::count_if(store_->alerts,
                                  [](const auto& text) { return text.starts_with("job_late"); }),
            1);
  EXPECT_EQ(Query("select count(*) from tidewire_alert where rule = 'job_late' and resolved_at is "
                  "null"),
            "1");
  transport_.script = [](const fetch::Request&) { return Json(R"({"data":[{"id":1}]})"); };
  Pass(std::chrono::hours(1));
  EXPECT_EQ(Query("select count(*) from tidewire_alert where resolved_at is null"), "0");
}

TEST_F(JobsTest, ARunThatTakesTooLongIsStopped) {
  transport_.script = [](const fetch::Request&) { return Answered(429, {{"Retry-After", "600"}}); };
  Load(kSchema, Yaml("{ schedule: { every: 1h }, run: [items], max_runtime: 5m }"));
  Pass(std::chrono::minutes(57));
  EXPECT_THAT(LastRun(), StartsWith("cancelled|the job ran longer"));
  EXPECT_TRUE(puller_->idle());
}

TEST_F(JobsTest, TenantsAreSpreadOverTheSplayAndAlwaysAtTheSamePlace) {
  std::string schema = kSchema;
  for (int i = 2; i <= 60; ++i) {
    schema += "insert into org values (" + std::to_string(i) + ", 'T" + std::to_string(i) + "');";
  }
  Load(schema, Yaml("{ schedule: { every: 1h, splay: 60s }, run: [items], tenants_in_parallel: 100 }"));
  Pass(std::chrono::hours(3));
  EXPECT_EQ(Runs(), "180");
  EXPECT_GT(std::stoi(Query("select count(distinct substr(started_at, 1, 19)) from tidewire_run")), 60);
  EXPECT_EQ(Query("select count(*) from (select tenant from tidewire_run group by tenant, "
                  "substr(started_at, 15, 9) having count(*) = 3) as spread"),
            "60");
}

}  // namespace
}  // namespace tw::ingest
