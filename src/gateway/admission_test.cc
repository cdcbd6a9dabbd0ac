#include "gateway/admission.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "testing/fake_clock.h"

namespace tw::gateway {
namespace {

using std::chrono::milliseconds;
using Verdict = Admission::Verdict;

class AdmissionTest : public ::testing::Test {
 protected:
  // Moves time and lets the loop's timers see it.
  void Pass(milliseconds time) {
    clock_.Advance(time);
    loop_.timers().Advance(clock_.Mono());
  }

  testing::FakeClock clock_;
  io::Loop loop_{clock_};
  std::vector<uint64_t> admitted_;
  Admission admission_{loop_, 10, [this](uint64_t id, Admission::Open) { admitted_.push_back(id); }};
};

TEST_F(AdmissionTest, OneSecondsWorthGoesAtOnceThenSomeWaitThenTheRestIsRefused) {
  Pass(std::chrono::seconds{60});
  int now = 0, later = 0, refused = 0;
  for (uint64_t id = 0; id < 50; ++id) {
    switch (admission_.Ask(id, nullptr)) {
      case Verdict::kNow: ++now; break;
      case Verdict::kLater: ++later; break;
      case Verdict::kRefused: ++refused; break;
    }
  }
  EXPECT_EQ(now, 11);     // The bucket and the token of this instant.
  EXPECT_EQ(later, 20);   // Two seconds at ten per second.
  EXPECT_EQ(refused, 19);
  EXPECT_EQ(admission_.waiting(), 20u);
  for (int tick = 0; tick < 23; ++tick) Pass(milliseconds{100});
  EXPECT_EQ(admitted_.size(), 20u);
  for (size_t i = 0; i < admitted_.size(); ++i) EXPECT_EQ(admitted_[i], 11 + i) << "in order";
}

TEST_F(AdmissionTest, ASteadyRateNeverWaits) {
  for (uint64_t id = 0; id < 100; ++id) {
    EXPECT_EQ(admission_.Ask(id, nullptr), Verdict::kNow);
    Pass(milliseconds{100});
  }
}

TEST_F(AdmissionTest, WhoWaitsIsAdmittedWhenItsTokenIsDue) {
  while (admission_.Ask(1, nullptr) == Verdict::kNow) {
  }
  Pass(milliseconds{200});
  EXPECT_EQ(admitted_.size(), 1u);
  EXPECT_EQ(admission_.Ask(2, nullptr), Verdict::kNow);
}

}  // namespace
}  // namespace tw::gateway
