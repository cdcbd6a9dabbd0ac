// A client that is cut off at random, on two loops that lag at random behind one store: whatever
// happens, it reads each change that it may see exactly once, in order. Set TIDEWIRE_TEST_SEED to
// repeat a run.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/strings.h"
#include "json/json.h"
#include "session/session.h"
#include "session/test_support.h"

namespace tw::session {
namespace {

using router::BatchOf;
using router::kEpoch;
using router::Task;

constexpr int kRuns = 40;
constexpr int kSteps = 500;

// The durable log that both loops follow.
class Store {
 public:
  explicit Store(Random& random) : random_(random) {}

  void Commit(const RelationPtr& relation) {
    std::vector<Change> changes;
    for (uint64_t i = 0, count = 1 + random_.Below(5); i < count; ++i) {
      const auto id = static_cast<int64_t>(changes_.size() + changes.size() + 1);
      const auto row = [&] { return Task(id, random_.Percent(60) ? "ann" : "bob", 5, "x"); };
      switch (random_.Below(3)) {
        case 0:
          changes.push_back(router::Insert(relation, row()));
          break;
        case 1:
          changes.push_back(router::Update(relation, row(), row()));
          break;
        default:
          changes.push_back(router::Delete(relation, row()));
      }
    }
    batches_.push_back(BatchOf(changes_.size() + 1, std::move(changes)));
    const auto& made = batches_.back()->changes;
    changes_.insert(changes_.end(), made.begin(), made.end());
  }

  // Some of the changes above `after`: at most `changes_max`, at least one if there are any.
  BatchPtr Read(uint64_t after, uint64_t changes_max) {
    const uint64_t left = changes_.size() - after;
    if (left == 0) return nullptr;
    const uint64_t count = std::min(changes_max, 1 + random_.Below(left));
    const auto first = changes_.begin() + static_cast<ptrdiff_t>(after);
    return BatchOf(after + 1, {first, first + static_cast<ptrdiff_t>(count)});
  }

  const std::vector<BatchPtr>& batches() const { return batches_; }
  const std::vector<Change>& changes() const { return changes_; }

 private:
  Random& random_;
  std::vector<BatchPtr> batches_;
  std::vector<Change> changes_;
};

// Offsets above `after` that ann must be told of: an update by the row that it leaves behind.
std::vector<uint64_t> VisibleTo(const std::vector<Change>& changes, std::string_view owner,
                                uint64_t after) {
  std::vector<uint64_t> offsets;
  for (const Change& change : changes) {
    const Row& row = change.op == ChangeOp::kDelete ? change.old_row : change.new_row;
    if (change.offset > after && row[1] == Value(owner)) offsets.push_back(change.offset);
  }
  return offsets;
}

// Reads as our SDK does: remembers the last position, asks for what follows it.
class Reader {
 public:
  void Connect(Loop& loop) {
    client_ = std::make_unique<Client>(loop);
    std::string config = R"({"postgres_changes":[{"event":"*","table":"tasks"}],)"
                         R"("tidewire":{"positions":true)";
    if (last_) config += R"(,"since":")" + ToString(*last_) + "\"";
    client_->Join(config + "}}");
    unread_.clear();
    live_ = false;
  }
  // What is on its way is lost.
  void Cut() { client_.reset(); }
  bool connected() const { return client_ != nullptr; }

  // Reads up to `count` messages.
  void Read(size_t count) {
    if (client_ == nullptr) return;
    for (std::string& message : client_->Take()) unread_.push_back(std::move(message));
    while (count-- > 0 && !unread_.empty()) {
      OnMessage(unread_.front());
      unread_.pop_front();
    }
  }
  void Heartbeat() {
    if (client_ != nullptr) client_->Say(R"([null,"9","phoenix","heartbeat",{}])");
  }

  const std::vector<uint64_t>& seen() const { return seen_; }
  std::optional<uint64_t> since() const { return first_; }
  bool live() const { return live_; }

 private:
  void OnMessage(const std::string& text) {
    const auto document = json::Parse(text);
    ASSERT_TRUE(document.ok()) << text;
    const json::Value& root = document->root();
    const json::Value payload = root.items()[4];
    const std::string_view event = root.items()[3].GetString();
    if (event == "postgres_changes") {
      const Position position = *ParsePosition(payload["position"].GetString());
      seen_.push_back(position.offset);
      last_ = position;
    } else if (event == "phx_reply" && !root.items()[0].is_null()) {
      OnJoinReply(payload["response"]["tidewire"]);
    } else if (event == "phx_reply") {
      const auto head = payload["response"]["tidewire"]["position"].AsString();
      // Before the channel is live the watermark says nothing about its replay.
      if (head && live_) last_ = *ParsePosition(*head);
    } else if (payload["message"].AsString() == "caught_up") {
      last_ = *ParsePosition(payload["position"].GetString());
      live_ = true;
    }
  }

  void OnJoinReply(const json::Value& verdict) {
    if (verdict["recovered"].is_null()) {
      EXPECT_FALSE(last_.has_value());
      last_ = *ParsePosition(verdict["position"].GetString());
      first_ = last_->offset;
      live_ = true;
    } else {
      EXPECT_EQ(verdict["recovered"].AsBool(), true) << verdict.ToText();
      live_ = false;
    }
  }

  std::unique_ptr<Client> client_;
  std::deque<std::string> unread_;
  std::optional<Position> last_;
  std::optional<uint64_t> first_;
  std::vector<uint64_t> seen_;
  bool live_ = false;
};

class RandomResumeTest : public ::testing::Test {
 protected:
  static constexpr TailLimits kTail{.batches_max = 3};

  struct World {
    explicit World(uint64_t seed) : random(seed), store(random) {}

    // Gives a loop the next batch that it has not seen.
    void PublishNext(size_t loop) {
      if (published[loop] == store.batches().size()) return;
      loops[loop].feed.Publish(store.batches()[published[loop]++]);
    }
    void AnswerHistory(Loop& loop) {
      if (loop.history.requests.empty()) return;
      const auto& request = loop.history.requests.front();
      loop.history.Answer(store.Read(request.after, request.changes_max));
    }
    void Step() {
      const size_t loop = random.Below(2);
      const uint64_t choice = random.Below(100);
      if (choice < 25) {
        store.Commit(loops[0].tasks());
      } else if (choice < 55) {
        PublishNext(loop);
      } else if (choice < 75) {
        reader.Read(random.Below(8));
      } else if (choice < 88) {
        AnswerHistory(loops[loop]);
      } else if (choice < 91) {
        reader.Heartbeat();
      } else if (choice < 94) {
        reader.Cut();
      } else if (!reader.connected()) {
        reader.Connect(loops[loop]);
      }
    }
    // Lets all come to rest.
    void Finish() {
      if (!reader.connected()) reader.Connect(loops[0]);
      for (Loop& loop : loops) {
        while (published[&loop - loops] < store.batches().size()) PublishNext(&loop - loops);
        while (!loop.history.requests.empty()) AnswerHistory(loop);
      }
      reader.Read(SIZE_MAX);
    }

    SeededRandom random;
    Store store;
    Loop loops[2] = {Loop(router::kOwnersOnly, kTail), Loop(router::kOwnersOnly, kTail)};
    size_t published[2] = {0, 0};
    Reader reader;
  };
};

TEST_F(RandomResumeTest, EachVisibleChangeIsReadOnceAndInOrder) {
  const char* const given = std::getenv("TIDEWIRE_TEST_SEED");
  const uint64_t first =
      given != nullptr ? ParseUint64(given).value_or(1) : SystemRandom().Next() >> 8;
  std::printf("seed %llu\n", static_cast<unsigned long long>(first));
  size_t seen = 0;
  uint64_t resumed = 0;
  for (uint64_t seed = first; seed < first + kRuns; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    auto world = std::make_unique<World>(seed);
    for (int step = 0; step < kSteps; ++step) {
      world->Step();
      if (HasFailure()) return;
    }
    world->Finish();
    ASSERT_TRUE(world->reader.since().has_value());
    ASSERT_TRUE(world->reader.live());
    ASSERT_EQ(world->reader.seen(),
              VisibleTo(world->store.changes(), "ann", *world->reader.since()));
    seen += world->reader.seen().size();
    for (const Loop& loop : world->loops) resumed += loop.metrics.resumed.value();
  }
  EXPECT_GT(seen, kRuns * 50u) << "the runs were too quiet to prove anything";
  EXPECT_GT(resumed, kRuns * 3u);
}

}  // namespace
}  // namespace tw::session
