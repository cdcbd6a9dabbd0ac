#include "router/presence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "json/json.h"
#include "router/test_support.h"
#include "testing/fake_clock.h"

namespace tw::router {
namespace {

using protocol::Version;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Tracked = PresenceHub::Tracked;

constexpr std::string_view kTopic = "realtime:room";

std::string Name(std::string_view name) {
  return R"(,"name":")" + std::string(name) + "\"}";
}

// What a client knows of a topic, kept as realtime-js keeps it (realtime-protocol §5.3).
class Roster {
 public:
  void Read(std::string_view text) {
    auto document = json::Parse(text);
    ASSERT_TRUE(document.ok()) << text;
    const auto items = document->root().items();
    ASSERT_EQ(items.size(), 5u) << text;
    const std::string_view event = items[3].GetString();
    const json::Value payload = items[4];
    if (event == "presence_state") {
      metas_.clear();
      states_++;
      for (const auto& [key, value] : payload.members()) Add(key, value);
      return;
    }
    ASSERT_EQ(event, "presence_diff");
    ASSERT_GT(states_, 0) << "a diff before the state";
    for (const auto& [key, value] : payload["joins"].members()) Add(key, value);
    for (const auto& [key, value] : payload["leaves"].members()) {
      for (const auto& meta : value["metas"].items()) {
        const std::string reference(meta["phx_ref"].GetString());
        EXPECT_EQ(metas_.erase({std::string(key), reference}), 1u) << "a leave of nobody";
      }
    }
  }

  // "key name" of everyone, sorted.
  std::vector<std::string> people() const {
    std::vector<std::string> all;
    for (const auto& [id, name] : metas_) all.push_back(id.first + " " + name);
    std::sort(all.begin(), all.end());
    return all;
  }
  int states() const { return states_; }

 private:
  void Add(std::string_view key, const json::Value& value) {
    for (const auto& meta : value["metas"].items()) {
      metas_[{std::string(key), std::string(meta["phx_ref"].GetString())}] =
          std::string(meta["name"].AsString().value_or(""));
    }
  }
  std::map<std::pair<std::string, std::string>, std::string> metas_;
  int states_ = 0;
};

struct Member {
  Inbox inbox;
  PresenceMember place;
  Roster roster;

  std::vector<std::string> Take() {
    auto texts = Texts(inbox);
    inbox.frames.clear();
    for (const auto& text : texts) roster.Read(text);
    return texts;
  }
  std::vector<std::string> people() {
    Take();
    return roster.people();
  }
};

// Loops whose changes wait in mailboxes until they are delivered.
class Loops {
 public:
  explicit Loops(size_t count, PresenceOptions options = {}) {
    for (size_t i = 0; i < count; ++i) {
      links_.push_back(std::make_unique<Link>(*this, i));
      timers_.push_back(std::make_unique<io::TimerWheel>(clock_.Mono()));
      hubs_.push_back(std::make_unique<PresenceHub>(static_cast<uint16_t>(i), options, *links_[i], *timers_[i], clock_,
                                                    random_, registry_));
    }
    mail_.resize(count * count);
  }

  PresenceHub& hub(size_t i) { return *hubs_[i]; }
  void Attach(size_t loop, Member& member, Version version = Version::kV2) {
    hub(loop).Attach(Bus::kPublic, kTopic, version, member.inbox, member.place);
  }
  void Listen(size_t loop, Member& member) {
    Attach(loop, member);
    hub(loop).Listen(member.place);
  }
  // One change from `from` to `to`; false when none waits.
  bool DeliverOne(size_t from, size_t to) {
    auto& box = mail_[from * hubs_.size() + to];
    if (box.empty()) return false;
    hub(to).Apply(box.front());
    box.pop_front();
    return true;
  }
  void DeliverAll() {
    for (bool any = true; any;) {
      any = false;
      for (size_t i = 0; i < mail_.size(); ++i) {
        any |= DeliverOne(i / hubs_.size(), i % hubs_.size());
      }
    }
  }
  void Advance(std::chrono::milliseconds by) {
    clock_.Advance(by);
    for (auto& timers : timers_) timers->Advance(clock_.Mono());
  }
  uint64_t Count(std::string_view name) { return registry_.GetCounter(name, "").value(); }

  SeededRandom random_{1};

 private:
  class Link final : public PresenceLink {
   public:
    Link(Loops& loops, size_t own) : loops_(loops), own_(own) {}
    void SendPresence(PresenceChange change) override {
      const size_t count = loops_.hubs_.size();
      for (size_t to = 0; to < count; ++to) {
        if (to != own_) loops_.mail_[own_ * count + to].push_back(change);
      }
    }

   private:
    Loops& loops_;
    const size_t own_;
  };

  telemetry::Registry registry_;
  testing::FakeClock clock_;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<std::unique_ptr<io::TimerWheel>> timers_;
  std::vector<std::unique_ptr<PresenceHub>> hubs_;
  std::vector<std::deque<PresenceChange>> mail_;  // from × to
};

TEST(PresenceTest, AJoinerGetsTheStateAndAllGetTheDiff) {
  Loops loops(1);
  Member a, b;
  loops.Listen(0, a);
  EXPECT_THAT(a.Take(), ElementsAre(R"([null,null,"realtime:room","presence_state",{}])"));
  EXPECT_EQ(loops.hub(0).Track(a.place, "ann", Name("Ann")), Tracked::kOk);
  EXPECT_THAT(a.people(), ElementsAre("ann Ann"));
  loops.Listen(0, b);
  EXPECT_THAT(b.people(), ElementsAre("ann Ann"));
  loops.hub(0).Track(b.place, "bob", Name("Bob"));
  EXPECT_THAT(a.people(), ElementsAre("ann Ann", "bob Bob"));
  EXPECT_THAT(b.people(), ElementsAre("ann Ann", "bob Bob"));
  EXPECT_EQ(b.roster.states(), 1);
}

TEST(PresenceTest, VersionOneGetsItsOwnFrames) {
  Loops loops(1);
  Member old;
  loops.Attach(0, old, Version::kV1);
  loops.hub(0).Listen(old.place);
  EXPECT_THAT(Texts(old.inbox),
              ElementsAre(R"({"topic":"realtime:room","event":"presence_state","payload":{},)"
                          R"("ref":null})"));
}

TEST(PresenceTest, TrackingTheSameAgainChangesNothing) {
  Loops loops(1);
  Member a;
  loops.Listen(0, a);
  loops.hub(0).Track(a.place, "ann", Name("Ann"));
  a.Take();
  loops.hub(0).Track(a.place, "ann", Name("Ann"));
  EXPECT_THAT(a.Take(), IsEmpty());
}

TEST(PresenceTest, AnUpdateIsALeaveAndThenAJoinThatNamesIt) {
  Loops loops(1);
  Member a;
  loops.Listen(0, a);
  loops.hub(0).Track(a.place, "ann", Name("x"));
  a.Take();
  loops.hub(0).Track(a.place, "ann", Name("y"));
  const auto frames = Texts(a.inbox);
  ASSERT_THAT(frames, SizeIs(2));
  EXPECT_THAT(frames[0], HasSubstr(R"("joins":{},"leaves":{"ann")"));
  EXPECT_THAT(frames[1], HasSubstr(R"("phx_ref_prev":)"));
  EXPECT_THAT(frames[1], HasSubstr(R"("leaves":{})"));
  EXPECT_THAT(a.people(), ElementsAre("ann y"));
}

TEST(PresenceTest, AnUpdateIsOneDiffWhereSplittingIsOff) {
  Loops loops(1, {.updates = PresenceUpdates::kWhole});
  Member a;
  loops.Listen(0, a);
  loops.hub(0).Track(a.place, "ann", Name("x"));
  a.Take();
  loops.hub(0).Track(a.place, "ann", Name("y"));
  EXPECT_THAT(Texts(a.inbox), SizeIs(1));
  EXPECT_THAT(a.people(), ElementsAre("ann y"));
}

TEST(PresenceTest, ChannelsThatShareAKeyAreSeveralMetas) {
  Loops loops(1);
  Member a, b;
  loops.Listen(0, a);
  loops.Attach(0, b);
  loops.hub(0).Track(a.place, "ann", Name("phone"));
  loops.hub(0).Track(b.place, "ann", Name("laptop"));
  EXPECT_THAT(a.people(), ElementsAre("ann laptop", "ann phone"));
  b.place.Leave(Departure::kSaid);
  EXPECT_THAT(a.people(), ElementsAre("ann phone"));
}

TEST(PresenceTest, WhoSaysGoodbyeLeavesAtOnceAndWhoIsLostLater) {
  Loops loops(1);
  Member a, b, c;
  loops.Listen(0, a);
  loops.Attach(0, b);
  loops.Attach(0, c);
  loops.hub(0).Track(b.place, "bob", Name("Bob"));
  loops.hub(0).Track(c.place, "cat", Name("Cat"));
  b.place.Leave(Departure::kSaid);
  EXPECT_THAT(a.people(), ElementsAre("cat Cat"));
  c.place.Leave(Departure::kLost);
  loops.Advance(std::chrono::seconds{6});
  EXPECT_THAT(a.people(), ElementsAre("cat Cat"));
  loops.Advance(std::chrono::seconds{2});
  EXPECT_THAT(a.people(), IsEmpty());
}

TEST(PresenceTest, AShortCutIsNotSeenOnAnyLoop) {
  Loops loops(2);
  Member watcher, first, second;
  loops.Listen(0, watcher);
  loops.Attach(0, first);
  loops.hub(0).Track(first.place, "ann", Name("Ann"));
  loops.DeliverAll();
  watcher.Take();
  first.place.Leave(Departure::kLost);
  loops.DeliverAll();
  loops.Attach(1, second);
  EXPECT_EQ(loops.hub(1).Track(second.place, "ann", Name("Ann")), Tracked::kOk);
  loops.DeliverAll();
  loops.Advance(std::chrono::seconds{10});
  loops.DeliverAll();
  EXPECT_THAT(watcher.Take(), IsEmpty());
  EXPECT_EQ(loops.Count("tidewire_presence_taken_over_total"), 1u);
  second.place.Leave(Departure::kSaid);
  loops.DeliverAll();
  EXPECT_THAT(watcher.people(), IsEmpty());
}

TEST(PresenceTest, WhatItsFormerLoopGivesUpWhileItIsTakenOverStays) {
  Loops loops(2);
  Member watcher, first, second;
  loops.Listen(0, watcher);
  loops.Attach(0, first);
  loops.hub(0).Track(first.place, "ann", Name("Ann"));
  first.place.Leave(Departure::kLost);
  loops.DeliverAll();
  loops.Advance(std::chrono::seconds{10});  // Loop 0 gives it up …
  loops.Attach(1, second);
  loops.hub(1).Track(second.place, "ann", Name("Ann"));  // … before loop 1 has heard of it.
  loops.DeliverAll();
  EXPECT_THAT(watcher.people(), ElementsAre("ann Ann"));
}

TEST(PresenceTest, BusesOfOneNameAreSeparate) {
  Loops loops(1);
  Member open, closed;
  loops.Listen(0, open);
  loops.hub(0).Attach(Bus::kPrivate, kTopic, Version::kV2, closed.inbox, closed.place);
  loops.hub(0).Listen(closed.place);
  loops.hub(0).Track(closed.place, "eve", Name("Eve"));
  EXPECT_THAT(open.people(), IsEmpty());
  EXPECT_THAT(closed.people(), ElementsAre("eve Eve"));
}

TEST(PresenceTest, MoreThanTheLimitIsRefused) {
  Loops loops(1, {.metas_max = 1});
  Member a, b;
  loops.Attach(0, a);
  loops.Attach(0, b);
  EXPECT_EQ(loops.hub(0).Track(a.place, "ann", Name("Ann")), Tracked::kOk);
  EXPECT_EQ(loops.hub(0).Track(b.place, "bob", Name("Bob")), Tracked::kTooMany);
  EXPECT_EQ(loops.hub(0).Track(a.place, "ann", Name("Anne")), Tracked::kOk);
}

TEST(PresenceTest, TopicsOfNobodyAreForgotten) {
  Loops loops(2);
  {
    Member a;
    loops.Listen(0, a);
    loops.hub(0).Track(a.place, "ann", Name("Ann"));
    loops.DeliverAll();
    EXPECT_EQ(loops.hub(1).topics(), 1u);
    a.place.Leave(Departure::kLost);
  }
  loops.DeliverAll();
  loops.Advance(std::chrono::seconds{10});
  loops.DeliverAll();
  EXPECT_EQ(loops.hub(0).topics(), 0u);
  EXPECT_EQ(loops.hub(1).topics(), 0u);
}

// Ten times the joiners, in the same time: the frames and encoded states stay the same in number,
// so what a join costs is linear in the members.
TEST(PresenceTest, AStormOfJoinsSharesFrames) {
  Loops loops(1);
  constexpr int kMembers = 4'000;
  std::deque<Member> members(kMembers);
  for (int i = 0; i < kMembers; ++i) {
    loops.Listen(0, members[static_cast<size_t>(i)]);
    loops.hub(0).Track(members[static_cast<size_t>(i)].place, "k" + std::to_string(i), Name("n"));
    if (i % 100 == 99) loops.Advance(std::chrono::milliseconds{100});  // 1 000 per second
  }
  loops.Advance(std::chrono::seconds{1});
  EXPECT_THAT(members[0].people(), SizeIs(kMembers));
  EXPECT_THAT(members[kMembers - 1].people(), SizeIs(kMembers));
  // 128 of each while the topic was small; then at most one per tenth of a second.
  EXPECT_LE(loops.Count("tidewire_presence_states_total"), 128u + 60u);
  EXPECT_LE(loops.Count("tidewire_presence_diffs_total"), 128u + 60u);
}

// Everyone who listens ends with exactly those who are there, whatever order loops hear in.
TEST(PresenceTest, AllLoopsComeToTheSameState) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRandom random(seed);
  for (int round = 0; round < 20; ++round) {
    constexpr size_t kLoops = 3;
    Loops loops(kLoops, {.gather_from = static_cast<uint32_t>(1 + random.Below(6))});
    std::vector<Member> watchers(kLoops);
    for (size_t i = 0; i < kLoops; ++i) loops.Listen(i, watchers[i]);
    struct Person {
      Member member;
      std::string key, name;
      size_t loop = 0;
    };
    std::deque<Person> people(12);
    for (auto& person : people) person.key = "k" + std::to_string(random.Below(5));
    for (int step = 0; step < 300; ++step) {
      Person& person = people[random.Below(people.size())];
      switch (random.Below(8)) {
        case 0: person.member.place.Leave(Departure::kSaid); break;
        case 1: person.member.place.Leave(Departure::kLost); break;
        case 2: loops.Advance(std::chrono::milliseconds{random.Below(4'000)}); break;
        case 3:
        case 4:
          if (!person.member.place.attached()) {
            person.loop = random.Below(kLoops);
            loops.Attach(person.loop, person.member);
          }
          person.name = "n" + std::to_string(random.Below(3));
          loops.hub(person.loop).Track(person.member.place, person.key, Name(person.name));
          break;
        default: loops.DeliverOne(random.Below(kLoops), random.Below(kLoops)); break;
      }
    }
    for (int i = 0; i < 3; ++i) {
      loops.DeliverAll();
      loops.Advance(std::chrono::seconds{10});
    }
    loops.DeliverAll();
    std::vector<std::string> expected;
    for (const Person& person : people) {
      if (person.member.place.tracking()) expected.push_back(person.key + " " + person.name);
    }
    std::sort(expected.begin(), expected.end());
    for (Member& watcher : watchers) ASSERT_EQ(watcher.people(), expected) << "round " << round;
  }
}

}  // namespace
}  // namespace tw::router
