// Webhooks that stay away, and what polling makes of it: one count for two channels, on the outreach
// example itself (fault cases P12–P15, P18).
#include "ingest/poll/fallback.h"

#include "ingest/poll/pull_fixture.h"

namespace tw::ingest {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using std::chrono::hours;
using std::chrono::minutes;

TEST(FallbackTest, GoesOverWhenQuietAndComesBackAfterDeliveries) {
  const FallbackPlan plan{.quiet_after = minutes(10), .also_every = hours(24), .leave_after = 2};
  Fallback fallback(plan);
  const WallTime t0 = At("2026-01-05T12:00:00Z");
  EXPECT_TRUE(fallback.Check("1", {.last_webhook_at = t0}, t0));  // The first look after a start.
  EXPECT_FALSE(fallback.Check("1", {.last_webhook_at = t0}, t0 + minutes(10)));
  EXPECT_TRUE(fallback.Check("1", {.last_webhook_at = t0, .deliveries = 7}, t0 + minutes(11)));
  EXPECT_EQ(fallback.StateOf("1"), Fallback::State::kPolling);
  EXPECT_TRUE(fallback.Check("1", {t0 + minutes(12), 8}, t0 + minutes(15)));
  EXPECT_FALSE(fallback.Check("1", {t0 + minutes(16), 9}, t0 + minutes(20)));
  EXPECT_EQ(fallback.StateOf("1"), Fallback::State::kPushed);
  // One look a day although webhooks come.
  EXPECT_TRUE(fallback.Check("1", {t0 + hours(39), 10}, t0 + hours(39) + minutes(1)));
  // Never a webhook: quiet since it is known.
  EXPECT_TRUE(fallback.Check("2", {}, t0));
  EXPECT_FALSE(fallback.Check("2", {}, t0 + minutes(10)));
  EXPECT_TRUE(fallback.Check("2", {}, t0 + minutes(11)));
}

// The platform's side: what really happened, as its API shows it.
struct Platform {
  struct Reply {
    int64_t id;
    int64_t lead;
    WallTime at;
    bool interested = false;
  };
  struct Sent {
    int64_t id;
    int64_t lead;
    WallTime at;
  };
  std::vector<Reply> replies;  // The oldest first.
  std::vector<Sent> sent;
  bool quiet = false;

  // What it does not provide differs from nothing.
  std::string Totals() const {
    json::Writer w;
    w.Object().Key("data").Object().Key("bounced").Int(0).Key("replied").Null().End().End();
    return w.Take();
  }
  fetch::Response Answer(const fetch::Request& request) const {
    json::Writer w;
    w.Object().Key("data").Array();
    if (request.url.find("/replies") != std::string::npos) {
      for (auto it = replies.rbegin(); it != replies.rend(); ++it) {
        w.Object().Key("id").Int(it->id).Key("uuid").String("u-" + std::to_string(it->id));
        w.Key("lead_id").Int(it->lead).Key("from_email_address").String(Email(it->lead));
        w.Key("interested").Bool(it->interested);
        w.Key("date_received").String(FormatTimestampMs(it->at)).End();
      }
    } else if (request.url.find("/scheduled-emails") != std::string::npos) {
      for (auto it = sent.rbegin(); it != sent.rend(); ++it) {
        w.Object().Key("id").Int(it->id).Key("lead_id").Int(it->lead).Key("campaign_id").Int(42);
        w.Key("sender_email_id").Int(12).Key("sent_at").String(FormatTimestampMs(it->at)).End();
      }
    }
    w.End().Key("links").Object().Key("next").Null().End().End();
    return Json(w.Take());
  }
  static std::string Email(int64_t lead) { return "lead" + std::to_string(lead) + "@example.com"; }
};

class OutreachPollTest : public PullTest {
 protected:
  OutreachPollTest() {
    clock_.SetWall(At("2026-01-05T12:00:00Z"));
    transport_.script = [this](const fetch::Request& request) -> Result<fetch::Response> {
      if (request.url.find("/stats") != std::string::npos) return Json(platform_.Totals());
      if (request.headers.empty() || request.headers[0].value != "Bearer demo-key-37") {
        return Json(R"({"data":[],"links":{"next":null}})");
      }
      return platform_.Answer(request);
    };
    Load(ReadExample("schema.sql") + ReadExample("seed.sql"), ReadExample("outreach.yaml"));
    // Fallback alone; what the platform counts is asked for once a day.
    MustOk(db_->Execute("update tidewire_job set is_active = false "
                        "where job_name = 'outreach.consistency'"));
  }

  void Hook(const Payload& payload) {
    Delivery delivery;
    delivery.sequence = ++sequence_;
    delivery.source = "outreach";
    delivery.received_at = clock_.Wall();
    delivery.body = payload.Text();
    Must(applier_->Apply(std::vector<Delivery>{delivery}));
  }
  // A lead answers: the platform knows it, and says so by webhook unless that is lost.
  enum class Webhook { kSent, kLost };
  void Reply(int64_t lead, Webhook webhook) {
    platform_.replies.push_back({1'000 + lead, lead, clock_.Wall()});
    if (webhook == Webhook::kLost) return;
    Hook({.type = "CONTACT_REPLIED", .lead = lead, .email = Platform::Email(lead),
          .at = FormatTimestampMs(clock_.Wall()), .reply = 1'000 + lead});
  }
  std::string Month(const char* metric) {
    return Query(std::string("select ") + metric + " from client_metrics where workspace_name = "
                 "'Northwind' and metric_date = '2026-01-01'");
  }
  std::vector<std::string> Missed() {
    std::vector<std::string> missed;
    for (const std::string& text : store_->alerts) {
      if (text.starts_with("webhook_missed")) missed.push_back(text);
    }
    return missed;
  }

  Platform platform_;
  uint64_t sequence_ = 0;
};

TEST_F(OutreachPollTest, P12_SilenceWithoutTrafficIsPolledQuietly) {
  Reply(1, Webhook::kSent);
  Pass(hours(10));
  EXPECT_THAT(Missed(), IsEmpty());
  EXPECT_THAT(store_->alerts, IsEmpty());
  EXPECT_EQ(Month("replies_mtd"), "1");
  EXPECT_NE(Query("select last_poll_at from webhook_health where workspace_name = 'Northwind'"), "-");
}

TEST_F(OutreachPollTest, P13_LostWebhooksAreFoundCountedOnceAndTold) {
  for (int lead = 1; lead <= 3; ++lead) {
    Pass(minutes(2));
    Reply(lead, Webhook::kSent);
  }
  for (int lead = 4; lead <= 8; ++lead) {
    Pass(minutes(1));
    Reply(lead, Webhook::kLost);
  }
  EXPECT_EQ(Month("replies_mtd"), "3");
  Pass(minutes(20));  // Quiet for ten minutes, and one check.
  EXPECT_EQ(Month("replies_mtd"), "8");
  EXPECT_EQ(Query("select count(*) from client_leads where pipeline_stage = 'replied'"), "8");
  EXPECT_EQ(Missed(), std::vector<std::string>{
                          "webhook_missed.replied: Polling found 5 replied events the webhook missed "
                          "for Northwind"});
  EXPECT_EQ(Query("select update_source from client_metrics where workspace_name = 'Northwind'"),
            "poll");
  // The lost webhooks come late: nothing is counted twice.
  for (int lead = 4; lead <= 8; ++lead) {
    Hook({.type = "CONTACT_REPLIED", .lead = lead, .email = Platform::Email(lead),
          .at = FormatTimestampMs(platform_.replies[static_cast<size_t>(lead) - 1].at),
          .reply = 1'000 + lead});
  }
  EXPECT_EQ(Month("replies_mtd"), "8");
  // Deliveries are back: after two of them it is polled no more.
  const size_t asked = transport_.urls.size();
  Pass(minutes(6));
  const size_t after = transport_.urls.size();
  EXPECT_EQ(std::ranges::count_if(transport_.requests.begin() + static_cast<long>(asked),
                                  transport_.requests.end(),
                                  [](const fetch::Request& request) {
                                    return request.headers[0].value == "Bearer demo-key-37";
                                  }),
            0)
      << after;
}

TEST_F(OutreachPollTest, P13_ManyMissedAreCritical) {
  Reply(1, Webhook::kSent);
  Pass(minutes(6));
  for (int lead = 100; lead < 125; ++lead) Reply(lead, Webhook::kLost);
  Pass(minutes(20));
  EXPECT_EQ(Query("select level from tidewire_alert where rule = 'webhook_missed.replied'"),
            "critical");
  EXPECT_EQ(Month("replies_mtd"), "26");
}

TEST_F(OutreachPollTest, P14_AWebhookThatIsOnlyLateWasNotMissed) {
  Reply(1, Webhook::kSent);
  Pass(minutes(14) + std::chrono::seconds(30));
  platform_.replies.push_back({1'002, 2, clock_.Wall()});
  Pass(std::chrono::seconds(40));  // The check at 12:15 sees it first.
  EXPECT_EQ(Month("replies_mtd"), "2");
  Pass(std::chrono::seconds(50));
  Hook({.type = "CONTACT_REPLIED", .lead = 2, .email = Platform::Email(2),
        .at = FormatTimestampMs(platform_.replies.back().at), .reply = 1'002});
  EXPECT_EQ(Month("replies_mtd"), "2");
  EXPECT_THAT(Missed(), IsEmpty());
}

// The two channels name a sent mail differently; the count is one (spec §4.4, steps 1–6).
TEST_F(OutreachPollTest, P15_DisjointIdsOverTheMonthsEndCountOnceInTheirMonth) {
  clock_.SetWall(At("2026-02-01T04:59:58Z"));  // 31 January, 23:59:58 in New York.
  Start();
  platform_.sent.push_back({900'123, 632'586, clock_.Wall()});
  Hook({.type = "EMAIL_SENT", .at = FormatTimestampMs(clock_.Wall())});
  platform_.sent.push_back({900'124, 632'586, clock_.Wall() + std::chrono::seconds(3)});
  Pass(minutes(25));
  const auto month = [&](const char* first) {
    return Query(std::string("select emails_sent_mtd from client_metrics where workspace_name = "
                             "'Northwind' and metric_date = '") + first + "'");
  };
  EXPECT_EQ(month("2026-01-01"), "1");
  EXPECT_EQ(month("2026-02-01"), "1");  // The second, three seconds later, on 1 February.
  EXPECT_EQ(Query("select count(*) from tidewire_fact where merged_into = 0"), "2");
}

TEST_F(OutreachPollTest, P18_AStageThatAPersonHasSetStaysWhilePollsRun) {
  Reply(1, Webhook::kSent);
  MustOk(db_->Execute("update client_leads set pipeline_stage = 'my own', notes = 'call'"));
  platform_.replies[0].interested = true;
  Pass(minutes(30));
  EXPECT_EQ(Query("select pipeline_stage, notes from client_leads"), "my own|call");
  EXPECT_EQ(Month("positive_replies_mtd"), "1");
  Hook({.type = "CONTACT_UNSUBSCRIBED", .lead = 1, .email = Platform::Email(1),
        .at = FormatTimestampMs(clock_.Wall())});
  EXPECT_EQ(Query("select pipeline_stage, pipeline_stage_before from client_leads"),
            "unsubscribed|my own");
  Pass(minutes(30));
  EXPECT_EQ(Query("select pipeline_stage from client_leads"), "unsubscribed");
}

}  // namespace
}  // namespace tw::ingest
