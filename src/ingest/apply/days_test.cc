// Sealed days, adjusted days, and tenants that move to another zone.
#include <random>

#include "ingest/apply/pull_applier.h"
#include "ingest/outreach_fixture.h"
#include "testing/matchers.h"

namespace tw::ingest {
namespace {

using testing::FailsWith;
using ::testing::HasSubstr;
using testing::IsOkAndHolds;

class DaysTest : public OutreachTest {
 protected:
  void Sent(int64_t lead, const std::string& at, int64_t scheduled = 0) {
    Send(Payload{.lead = lead, .at = at, .scheduled = scheduled, .salt = std::to_string(lead)}
             .Text());
  }
  // As often as anything can still be due.
  void RunTimers(int times = 20) {
    for (int i = 0; i < times; ++i) {
      MustOk(applier_->OnTimer(clock_.Wall()));
      clock_.Advance(std::chrono::seconds(1));
    }
  }
  Result<int64_t> Adjust(std::string_view day, int64_t total, int64_t day_lag = 1) {
    return applier_->pull().AdjustDay({.source = 0,
                                       .tenant = "37",
                                       .metric = "emails_sent_mtd",
                                       .day = std::string(day),
                                       .total = total,
                                       .day_lag = day_lag});
  }
  std::string Day(std::string_view day) {
    return Query(
        "select n, adjusted from client_metrics_daily where metric = 'emails_sent_mtd' "
        "and local_day = '" +
        std::string(day) + "'");
  }
  void MoveTenant(const char* zone) {
    MustOk(db_->Execute(std::string("update client_registry set timezone = '") + zone +
                        "' where bison_workspace_id = 37"));
    clock_.Advance(std::chrono::minutes(2));
    RunTimers(2);
  }
};

// Ingestion spec §4.4, steps 12 and 13.
TEST_F(DaysTest, AnAdjustmentGoesAsTheMissingFactsAreFound) {
  clock_.SetWall(At("2025-11-01T16:00:00Z"));
  for (int64_t lead = 1; lead <= 40; ++lead) Sent(lead, "2025-10-30T16:00:00Z");
  EXPECT_THAT(Adjust("2025-10-30", 42), IsOkAndHolds(2));
  EXPECT_EQ(Day("2025-10-30"), "40|2");
  EXPECT_EQ(Month("emails_sent_mtd", "2025-10"), "42");
  EXPECT_EQ(Query("select distinct update_source from client_metrics"), "adjustment");
  // A week later.
  clock_.Advance(std::chrono::days(7));
  Sent(41, "2025-10-30T17:00:00Z");
  EXPECT_EQ(Day("2025-10-30"), "41|1");
  Restart();
  Sent(42, "2025-10-30T18:00:00Z");
  EXPECT_EQ(Day("2025-10-30"), "42|0");
  EXPECT_EQ(Month("emails_sent_mtd", "2025-10"), "42");
  // One more than the source knew of: facts are the truth, and the sign never turns.
  Sent(43, "2025-10-30T18:00:00Z");
  EXPECT_EQ(Day("2025-10-30"), "43|0");
  EXPECT_EQ(Month("emails_sent_mtd", "2025-10"), "43");
  ExpectCountersEqualFacts();
}

TEST_F(DaysTest, TooManyFactsAreAdjustedDownwards) {
  clock_.SetWall(At("2025-11-01T16:00:00Z"));
  for (int64_t lead = 1; lead <= 5; ++lead) Sent(lead, "2025-10-30T16:00:00Z");
  EXPECT_THAT(Adjust("2025-10-30", 3), IsOkAndHolds(-2));
  EXPECT_EQ(Day("2025-10-30"), "5|-2");
  EXPECT_EQ(Month("emails_sent_mtd", "2025-10"), "3");
  Sent(6, "2025-10-30T16:00:00Z");
  EXPECT_EQ(Day("2025-10-30"), "6|-3");
  EXPECT_EQ(Month("emails_sent_mtd", "2025-10"), "3");
  // The source corrects itself.
  EXPECT_THAT(Adjust("2025-10-30", 6), IsOkAndHolds(3));
  EXPECT_EQ(Day("2025-10-30"), "6|0");
  Sent(7, "2025-10-30T16:00:00Z");
  EXPECT_EQ(Day("2025-10-30"), "7|0");
}

TEST_F(DaysTest, ADayWithoutAnyFactIsAdjustedToo) {
  clock_.SetWall(At("2025-11-03T16:00:00Z"));
  EXPECT_THAT(Adjust("2025-10-30", 4), IsOkAndHolds(4));
  EXPECT_EQ(Day("2025-10-30"), "0|4");
  EXPECT_EQ(Month("emails_sent_mtd", "2025-10"), "4");
}

// Whatever the order and the batches: what is shown follows from the facts and the source's total.
TEST_F(DaysTest, AMovedFactGivesTheAdjustmentBack) {
  clock_.SetWall(At("2025-11-03T16:00:00Z"));
  Sent(1, "2025-10-30T16:00:00Z");
  EXPECT_THAT(Adjust("2025-10-30", 2), IsOkAndHolds(1));
  // Known by its receipt only, it counts on the 30th; then a poll knows better.
  Send(Payload{.lead = 2, .salt = "timeless"}.Text(), "2025-10-30T16:05:00Z");
  EXPECT_EQ(Day("2025-10-30"), "2|0");
  MustOk(applier_->Observe("outreach", "sent_emails", "9",
                           Payload{.lead = 2, .at = "2025-10-30T15:59:00Z", .scheduled = 9}.Text(),
                           clock_.Wall()));
  EXPECT_EQ(Day("2025-10-30"), "2|0");
  MustOk(applier_->Observe("outreach", "sent_emails", "9",
                           Payload{.lead = 2, .at = "2025-10-29T15:59:00Z", .scheduled = 9}.Text(),
                           clock_.Wall()));
  EXPECT_EQ(Day("2025-10-30"), "1|1");
  EXPECT_EQ(Day("2025-10-29"), "1|0");
  EXPECT_EQ(Month("emails_sent_mtd", "2025-10"), "3");
}

TEST_F(DaysTest, OnlyClosedDaysAreAdjusted) {
  clock_.SetWall(At("2025-11-01T03:59:00Z"));  // 31 October, a minute before midnight in New York.
  EXPECT_THAT(Adjust("2025-10-31", 5, 0), FailsWith(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(Adjust("2025-10-30", 5, 1), FailsWith(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(Adjust("2025-10-30", 5, 0), IsOkAndHolds(5));
  clock_.Advance(std::chrono::minutes(1));
  EXPECT_THAT(Adjust("2025-10-30", 5, 1), IsOkAndHolds(0));
  EXPECT_THAT(Adjust("30.10.2025", 5, 1), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(applier_->pull().AdjustDay({.tenant = "37", .metric = "opens", .day = "2025-10-01"}),
              FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(
      applier_->pull().AdjustDay({.tenant = "9999", .metric = "opens_mtd", .day = "2025-10-01"}),
      FailsWith(ErrorCode::kNotFound));
}

TEST_F(DaysTest, FactsOfSealedDaysAreFoldedAndTheirCountsStay) {
  clock_.SetWall(At("2026-01-02T12:00:00Z"));
  for (int64_t lead = 1; lead <= 3; ++lead) Sent(lead, "2025-12-30T16:00:00Z", 100 + lead);
  Sent(4, "2026-01-01T16:00:00Z", 104);
  EXPECT_EQ(Query("select count(*) from tidewire_fact"), "4");
  // 400 days later the 3rd of January is the last sealed day. Names may lag behind by three days.
  clock_.SetWall(At("2027-02-08T12:00:00Z"));
  Sent(5, "2027-02-08T11:00:00Z", 105);
  RunTimers();
  EXPECT_EQ(Query("select group_concat(bucket_day) from tidewire_fact"), "2026-01-01,2027-02-08");
  EXPECT_EQ(Query("select count(*) from tidewire_fact_alias"), "4");
  clock_.Advance(std::chrono::days(1));
  RunTimers();
  EXPECT_EQ(Query("select group_concat(bucket_day) from tidewire_fact"), "2027-02-08");
  EXPECT_EQ(Query("select count(*) from tidewire_fact_alias"), "2");
  EXPECT_EQ(Day("2025-12-30"), "3|0");
  EXPECT_EQ(Month("emails_sent_mtd", "2025-12"), "3");
  EXPECT_EQ(Query("select value from tidewire_ingest_state where key = 'folding'"), "0");
}

TEST_F(DaysTest, AnObservationOfASealedDayIsADeadLetterAndNotAGuess) {
  clock_.SetWall(At("2027-02-08T12:00:00Z"));
  RunTimers(2);
  EXPECT_EQ(Query("select tenant, day from tidewire_sealed where tenant = '37'"), "37|2026-01-04");
  const std::string body =
      Payload{.type = "CONTACT_REPLIED", .at = "2026-01-03T16:00:00Z", .reply = 5}.Text();
  EXPECT_EQ(Send(body).dead, 1u);
  EXPECT_THAT(Query("select reason, error from tidewire_dead_letter"), HasSubstr("late_sealed|"));
  EXPECT_EQ(Query("select status from webhook_delivery_log"), "dead:late_sealed");
  EXPECT_EQ(Query("select count(*) from client_leads"), "0");
  EXPECT_EQ(Query("select count(*) from tidewire_fact"), "0");
  EXPECT_THAT(Adjust("2026-01-03", 5), FailsWith(ErrorCode::kFailedPrecondition));
  // A day later, by the tenant's clock, is not sealed. Nor is it after a restart.
  EXPECT_EQ(Send(Payload{.at = "2026-01-04T05:00:00Z"}.Text()).ok, 1u);
  Restart();
  EXPECT_EQ(Send(body).dead, 1u);
}

// What may happen only once per lead must be known for ever.
TEST_F(DaysTest, AFactThatHappensOnlyOnceOutlivesItsSealedDay) {
  clock_.SetWall(At("2026-01-02T12:00:00Z"));
  Send(Payload{.type = "LEAD_INTERESTED", .at = "2025-12-30T16:00:00Z", .reply = 5}.Text());
  clock_.SetWall(At("2027-06-01T12:00:00Z"));
  RunTimers();
  EXPECT_EQ(Query("select kind, bucket_day from tidewire_fact"), "interested|2025-12-30");
  EXPECT_EQ(
      Send(Payload{
               .type = "LEAD_INTERESTED", .at = "2027-05-31T16:00:00Z", .reply = 6, .salt = "again"}
               .Text())
          .ok,
      1u);
  EXPECT_EQ(Query("select sum(positive_replies_mtd) from client_metrics"), "1");
}

TEST_F(DaysTest, ANameOfAFoldedFactMayBeUsedAgain) {
  clock_.SetWall(At("2026-01-02T12:00:00Z"));
  Sent(1, "2025-12-30T16:00:00Z", 900);
  Sent(2, "2026-01-02T11:00:00Z", 901);
  clock_.SetWall(At("2027-02-08T12:00:00Z"));
  MustOk(applier_->OnTimer(clock_.Wall()));  // Seals, and folds: names are swept at later turns.
  EXPECT_EQ(Query("select count(*) from tidewire_fact where bucket_day = '2025-12-30'"), "0");
  for (int i = 0; i < 2; ++i) Sent(7, "2027-02-07T16:00:00Z", 900);
  EXPECT_EQ(Month("emails_sent_mtd", "2027-02"), "1");
  RunTimers();
  Sent(8, "2027-02-07T16:00:00Z", 900);  // The same mail, by its id.
  EXPECT_EQ(Month("emails_sent_mtd", "2027-02"), "1");
}

TEST_F(DaysTest, FoldingGoesOnAfterARestart) {
  clock_.SetWall(At("2026-01-02T12:00:00Z"));
  for (int64_t lead = 1; lead <= 3; ++lead) Sent(lead, "2025-12-30T16:00:00Z");
  clock_.SetWall(At("2027-02-08T12:00:00Z"));
  MustOk(
      db_->Execute("create trigger stop before delete on tidewire_fact begin "
                   "select raise(fail, 'no'); end"));
  EXPECT_FALSE(applier_->OnTimer(clock_.Wall()).ok());
  MustOk(db_->Execute("drop trigger stop"));
  EXPECT_EQ(Query("select count(*) from tidewire_fact"), "3");
  Restart();
  Sent(4, "2027-02-08T11:00:00Z");
  RunTimers();
  EXPECT_EQ(Query("select count(*) from tidewire_fact"), "1");
  EXPECT_EQ(Query("select count(*) from tidewire_fact_alias"), "1");
}

TEST_F(DaysTest, ATenantsNewZoneCutsTheOpenMonthAnew) {
  clock_.SetWall(At("2026-01-20T18:00:00Z"));
  RunTimers(1);
  Sent(1, "2026-01-10T04:30:00Z");  // The 9th, 23:30 in New York; the 10th in Berlin.
  Sent(2, "2026-01-10T12:00:00Z");  // The 10th in both.
  Sent(3, "2025-12-31T23:30:00Z");  // December in New York, January in Berlin: closed by then.
  ExpectCountersEqualFacts();
  MoveTenant("Europe/Berlin");
  EXPECT_EQ(Query("select local_day, n from client_metrics_daily order by 1"),
            "2025-12-31|1;2026-01-09|0;2026-01-10|2");
  EXPECT_EQ(Month("emails_sent_mtd", "2026-01"), "2");
  EXPECT_EQ(Month("emails_sent_mtd", "2025-12"), "1");
  ExpectCountersEqualFacts();
  // And back: a fact that would fall before the open month stays in it.
  Sent(4, "2025-12-31T23:45:00Z");  // The first of January in Berlin.
  EXPECT_EQ(Month("emails_sent_mtd", "2026-01"), "3");
  MoveTenant("America/New_York");
  EXPECT_EQ(Query("select local_day, n from client_metrics_daily where n > 0 order by 1"),
            "2025-12-31|1;2026-01-01|1;2026-01-09|1;2026-01-10|1");
  EXPECT_EQ(Month("emails_sent_mtd", "2026-01"), "3");
  ExpectCountersEqualFacts();
}

TEST_F(DaysTest, AZoneThatChangesWhileTheProcessIsDownIsSeenAtItsStart) {
  clock_.SetWall(At("2026-01-20T18:00:00Z"));
  RunTimers(1);
  Sent(1, "2026-01-10T04:30:00Z");
  MustOk(db_->Execute("update client_registry set timezone = 'Asia/Kathmandu'"));
  Restart();
  RunTimers(2);
  EXPECT_EQ(Query("select local_day, n from client_metrics_daily where n > 0"), "2026-01-10|1");
  EXPECT_EQ(Query("select distinct zone from tidewire_tenant_zone"), "Asia/Kathmandu");
  ExpectCountersEqualFacts();
}

// Random events, adjustments, moves and folds: a day's figure is its facts and its adjustment, and
// a month's the sum of its days.
TEST_F(DaysTest, MonthsAreTheSumOfTheirDaysWhateverHappens) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t n) { return static_cast<int64_t>(random() % n); };
  clock_.SetWall(At("2026-03-20T12:00:00Z"));
  const char* zones[] = {"America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia"};
  for (int step = 0; step < 400; ++step) {
    const WallTime at = clock_.Wall() - std::chrono::minutes(below(60 * 24 * 40));
    switch (below(8)) {
      case 0:
        (void)Adjust(FormatTimestampMs(at).substr(0, 10), below(12));
        break;
      case 1:
        if (below(6) == 0) MoveTenant(zones[below(4)]);
        break;
      case 2:
        Restart();
        break;
      default:
        Send(Payload{.lead = below(30),
                     .at = below(4) == 0 ? "" : FormatTimestampMs(at),
                     .scheduled = below(2) * (1 + below(200)),
                     .salt = std::to_string(below(300))}
                 .Text());
    }
    clock_.Advance(std::chrono::minutes(below(90)));
  }
  RunTimers(3);
  EXPECT_EQ(Query("select substr(local_day, 1, 7) || '-01', sum(n + adjusted) from "
                  "client_metrics_daily where metric = 'emails_sent_mtd' group by 1 "
                  "having sum(n + adjusted) <> 0 order by 1"),
            Query("select metric_date, emails_sent_mtd from client_metrics "
                  "where emails_sent_mtd <> 0 order by 1"));
  EXPECT_EQ(Query("select d.local_day from client_metrics_daily d left join tidewire_day_target t "
                  "on t.metric = d.metric and t.day = d.local_day where d.adjusted <> case "
                  "when t.sign is null then 0 when t.sign > 0 then max(t.total - d.n, 0) "
                  "else min(t.total - d.n, 0) end"),
            "");
  EXPECT_EQ(Query("select bucket_day, count(*) from tidewire_fact where merged_into = 0 "
                  "group by 1 order by 1"),
            Query("select local_day, n from client_metrics_daily where n <> 0 order by 1"));
}

}  // namespace
}  // namespace tw::ingest
