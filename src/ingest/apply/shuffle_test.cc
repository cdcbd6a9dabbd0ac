// Orders, duplicates, restarts: the rows and counters must not depend on them.
#include <algorithm>

#include "base/random.h"
#include "ingest/outreach_fixture.h"

namespace tw::ingest {
namespace {

constexpr char kRows[] =
    "select workspace_name, lead_email, bison_lead_id, first_name, phone, pipeline_stage, "
    "pipeline_stage_before from client_leads order by 1, 2";
constexpr char kDays[] =
    "select workspace_name, metric, local_day, n from client_metrics_daily where n <> 0 "
    "order by 1, 2, 3";

struct Sent {
  std::string body;
  WallTime received_at;
};

// Events of a few leads over 24 hours around a month's end, all at different times.
std::vector<Sent> MakeEvents(Random& random, int count) {
  static constexpr const char* kTypes[] = {
      "EMAIL_SENT",      "CONTACT_REPLIED",      "EMAIL_OPENED", "MANUAL_EMAIL_SENT",
      "LEAD_INTERESTED", "CONTACT_UNSUBSCRIBED", "EMAIL_BOUNCED"};
  std::vector<Sent> events;
  const WallTime start = At("2025-10-31T16:00:00Z");
  for (int i = 0; i < count; ++i) {
    const WallTime at = start + std::chrono::seconds(i * (24 * 3600 / count)) +
                        std::chrono::milliseconds(random.Below(1'000));
    // Terminal stages are rare, so that the ladder is seen as well.
    const uint64_t type = random.Percent(4) ? 5 + random.Below(2) : random.Below(5);
    const uint64_t lead = random.Below(30);
    events.push_back({Payload{.type = kTypes[type],
                              .workspace = random.Percent(50) ? "37" : "38",
                              .lead = static_cast<int64_t>(lead),
                              .email = std::to_string(lead) + "@example.com",
                              .at = FormatTimestampMs(at),
                              .reply = i + 1,
                              .first_name = random.Percent(30) ? "" : random.Hex(2),
                              .phone = random.Percent(70) ? "" : random.Hex(2)}
                          .Text(),
                      at + std::chrono::seconds(random.Below(120))});
  }
  return events;
}

class ShuffleTest : public OutreachTest {
 protected:
  void Reset() {
    applier_.reset();
    for (const char* table :
         {"client_leads", "client_metrics", "client_metrics_daily", "webhook_health",
          "webhook_delivery_log", "tidewire_fact", "tidewire_fact_alias", "tidewire_row_state",
          "tidewire_ingest_state", "tidewire_delivery_count"}) {
      MustOk(db_->Execute(std::string("delete from ") + table));
    }
    sequence_ = 0;
    Start();
  }
  void ApplyAll(const std::vector<Sent>& events, Random& random) {
    std::vector<Delivery> deliveries;
    for (const Sent& sent : events) {
      deliveries.push_back(Make(sent.body));
      deliveries.back().received_at = sent.received_at;
    }
    // Restarts hand everything in again; batches are of any size.
    size_t done = 0;
    while (done < deliveries.size()) {
      done = std::min(deliveries.size(), done + 1 + random.Below(400));
      Apply({deliveries.begin(), deliveries.begin() + static_cast<std::ptrdiff_t>(done)});
      if (random.Percent(10)) Start();
    }
  }
  template <typename T>
  static void Shuffle(std::vector<T>& items, Random& random) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.Below(i)]);
  }
};

// W8.
TEST_F(ShuffleTest, EveryOrderGivesTheSameRowsAndCounters) {
  SeededRandom events_random(1);
  std::vector<Sent> events = MakeEvents(events_random, 1'000);
  ApplyAll(events, events_random);
  const std::string rows = Query(kRows);
  const std::string days = Query(kDays);
  ASSERT_NE(rows, "");
  for (uint64_t seed = 100; seed < 112; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    Shuffle(events, random);
    Reset();
    ApplyAll(events, random);
    EXPECT_EQ(Query(kRows), rows);
    EXPECT_EQ(Query(kDays), days);
    ExpectCountersEqualFacts();
  }
}

TEST_F(ShuffleTest, DuplicatesAndReplaysChangeNothing) {
  for (uint64_t seed = 200; seed < 206; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    std::vector<Sent> events = MakeEvents(random, 400);
    Reset();
    ApplyAll(events, random);
    const std::string rows = Query(kRows);
    const std::string days = Query(kDays);
    std::vector<Sent> noisy = events;
    for (int i = 0; i < 400; ++i) noisy.push_back(events[random.Below(events.size())]);
    Shuffle(noisy, random);
    Reset();
    ApplyAll(noisy, random);
    EXPECT_EQ(Query(kRows), rows);
    EXPECT_EQ(Query(kDays), days);
    ExpectCountersEqualFacts();
  }
}

}  // namespace
}  // namespace tw::ingest
