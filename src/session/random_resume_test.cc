// Random commits, cuts, leaves and resumes: a client that always resumes at the last position that
// it knows sees each of its changes exactly once, in order.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "session/session.h"
#include "session/test_support.h"

namespace tw::session {
namespace {

using router::Task;

class World {
 public:
  explicit World(uint64_t seed)
      : random_(seed), loop_({.bytes_max = 1u << 20, .batches_max = 1 + random_.Below(6)}) {}

  void Run() {
    for (int step = 0; step < 300; ++step) {
      switch (random_.Below(8)) {
        case 0:
        case 1:
        case 2:
          Commit();
          break;
        case 3:
          PublishAll();
          break;
        case 4:
          Cut();
          break;
        case 5:
          Connect();
          break;
        case 6:
          loop_.history.AnswerAll();
          break;
        case 7:
          Drain();
          break;
      }
      Read();
    }
    PublishAll();
    Read();
    for (int i = 0; i < 1'000 && !caught_up_; ++i) {
      Connect();
      loop_.history.AnswerAll();
      Drain();
      Read();
    }
    ASSERT_TRUE(caught_up_);
    ASSERT_EQ(seen_, expected_);
  }

 private:
  // One commit to the store; it reaches the loop later, in order.
  void Commit() {
    const uint64_t changes = 1 + random_.Below(5);
    for (uint64_t i = 0; i < changes; ++i) {
      const int org = 1 + static_cast<int>(random_.Below(2));
      if (org == 1) expected_.push_back(offset_ + 1);
      ++offset_;
      loop_.commits.Insert(Task(static_cast<int>(offset_), org));
    }
    const BatchPtr batch = loop_.commits.Take();
    loop_.history.Append(*batch);
    unpublished_.push_back(batch);
    if (random_.Below(3) > 0) PublishAll();
  }

  void PublishAll() {
    for (; !unpublished_.empty(); unpublished_.pop_front())
      loop_.feed.Publish(unpublished_.front());
  }

  void Cut() {
    client_.reset();
    caught_up_ = false;
  }

  void Connect() {
    if (client_ != nullptr) return;
    client_ = std::make_unique<Client>(loop_);
    client_->transport.room = random_.Below(2) == 0 ? SIZE_MAX : random_.Below(6);
    client_->session.OnText(JoinTasks("1", Since(position_)));
  }

  void Drain() {
    if (client_ == nullptr) return;
    client_->transport.room = random_.Below(2) == 0 ? SIZE_MAX : 1 + random_.Below(6);
    client_->session.OnDrained();
  }

  // What a client does with its frames. A connection that is told to come back does.
  void Read() {
    if (client_ == nullptr) return;
    for (const std::string& text : client_->transport.Take()) {
      const auto document = json::Parse(text);
      ASSERT_TRUE(document.ok());
      const json::Value payload = document->root().items()[4];
      if (const auto position = payload["position"].AsString()) {
        const auto parsed = ParsePosition(*position);
        ASSERT_TRUE(parsed.ok());
        position_ = parsed->offset;
        if (document->root().items()[3].GetString() == "postgres_changes") {
          seen_.push_back(position_);
        } else {
          caught_up_ = true;
        }
      } else if (payload["response"]["tidewire"].is_object()) {
        ASSERT_EQ(payload["response"]["tidewire"]["recovered"].AsBool(), true) << text;
      }
    }
    if (client_->transport.close_code) Cut();
  }

  SeededRandom random_;
  TestLoop loop_;
  std::unique_ptr<Client> client_;
  std::deque<BatchPtr> unpublished_;
  uint64_t offset_ = 0;
  uint64_t position_ = 0;  // The client's.
  bool caught_up_ = false;
  std::vector<uint64_t> expected_;
  std::vector<uint64_t> seen_;
};

TEST(RandomResumeTest, EachChangeIsSeenOnceAndInOrder) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed);
    world.Run();
    if (::testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace tw::session
