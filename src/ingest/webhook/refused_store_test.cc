#include "ingest/webhook/refused_store.h"

#include "ingest/outreach_fixture.h"

namespace tw::ingest {
namespace {

class RefusedStoreTest : public OutreachTest {
 protected:
  void Keep(const RefusedConfig& limits) {
    store_ = Must(RefusedStore::Create(*db_, "outreach", limits, metrics_));
  }
  void Refuse(const std::string& body) {
    Delivery delivery = Make(body);
    delivery.headers.emplace_back("webhook-id", "m");
    store_->Add(std::move(delivery), "mismatch");
  }
  ~RefusedStoreTest() override { store_.reset(); }
  std::unique_ptr<RefusedStore> store_;
};

TEST_F(RefusedStoreTest, KeepsWhatWasRefusedWithItsReason) {
  Keep({});
  Refuse("{}");
  MustOk(store_->Flush(clock_.Wall()));
  MustOk(store_->Flush(clock_.Wall()));
  EXPECT_EQ(Query("select reason, headers, cast(body as text) from tidewire_refused"),
            "mismatch|{\"webhook-id\":\"m\"}|{}");
}

TEST_F(RefusedStoreTest, TheOldestGoWhenAgeOrBytesAreOverTheLimit) {
  Keep({.keep = std::chrono::hours(1), .keep_bytes = {100}});
  for (int i = 0; i < 5; ++i) Refuse(std::string(30, static_cast<char>('a' + i)));
  MustOk(store_->Flush(clock_.Wall()));
  EXPECT_EQ(Query("select substr(cast(body as text), 1, 1) from tidewire_refused"), "d;e");
  clock_.Advance(std::chrono::minutes(61));
  MustOk(store_->Flush(clock_.Wall()));
  EXPECT_EQ(Query("select count(*) from tidewire_refused"), "0");
}

TEST_F(RefusedStoreTest, AFloodIsCountedButBounded) {
  Keep({});
  for (size_t i = 0; i < RefusedStore::kWaitingMax + 10; ++i) Refuse("{}");
  MustOk(store_->Flush(clock_.Wall()));
  EXPECT_EQ(Query("select count(*) from tidewire_refused"), "1000");
  EXPECT_EQ(metrics_
                .GetCounter("tidewire_hook_refused_total", "Deliveries refused by authentication.",
                            {{"source", "outreach"}, {"reason", "mismatch"}})
                .value(),
            RefusedStore::kWaitingMax + 10);
}

}  // namespace
}  // namespace tw::ingest
