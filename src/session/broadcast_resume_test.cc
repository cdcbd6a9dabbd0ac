// Broadcasts across a cut: positions, verdicts, no gap and no repeat, on every loop.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <regex>

#include "session/session.h"
#include "session/test_support.h"

namespace tw::session {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

std::string Join(std::string_view resume) {
  return R"(["1","1","realtime:room","phx_join",{"config":{"presence":{"enabled":false},)"
         R"("broadcast":{"resume":)" +
         std::string(resume) + "}}}]";
}
std::string Say(int n) {
  return R"(["1","5","realtime:room","broadcast",{"type":"broadcast","event":"n","payload":)" +
         std::to_string(n) + "}]";
}
// The position of broadcasts that a message tells; empty when there is none.
std::string PositionOf(const std::string& text) {
  std::smatch match;
  return std::regex_search(text, match, std::regex(R"x("position":"(0{15}7:[0-9]+)")x"))
             ? match[1].str()
             : "";
}

TEST(BroadcastResumeTest, TellsPositionsOnlyToWhoAsked) {
  TestLoop loop;
  Client sender(loop), asked(loop), plain(loop);
  for (Client* client : {&sender, &plain}) {
    client->Say(R"(["1","1","realtime:room","phx_join",{"config":{"presence":{"enabled":false}}}])");
  }
  const auto joined = asked.Say(Join("true"));
  EXPECT_THAT(joined[0], HasSubstr(R"("broadcast":{"position":"0000000000000007:0","recovered":null)"));
  sender.Say(Say(1));
  EXPECT_THAT(plain.transport.Take(), ElementsAre(Not(HasSubstr("meta"))));
  EXPECT_THAT(asked.transport.Take(),
              ElementsAre(HasSubstr(R"("payload":1,"meta":{"position":"0000000000000007:1"}})")));
}

TEST(BroadcastResumeTest, WhatWasMissedComesOnceAndTheVerdictSaysSo) {
  TestLoop loop;
  Client sender(loop);
  sender.Say(Join("true"));
  for (int n = 1; n <= 3; ++n) sender.Say(Say(n));
  Client back(loop);
  const auto frames = back.Say(Join(R"("0000000000000007:1")"));
  ASSERT_THAT(frames, SizeIs(4));
  EXPECT_THAT(frames[0], HasSubstr(R"("recovered":true)"));
  EXPECT_THAT(frames[1], HasSubstr(R"("payload":2)"));
  EXPECT_THAT(frames[2], HasSubstr(R"("payload":3)"));
  EXPECT_THAT(frames[3], HasSubstr(R"("message":"broadcasts")"));  // For unmodified clients.
  sender.Say(Say(4));
  EXPECT_THAT(back.transport.Take(), ElementsAre(HasSubstr(R"("payload":4)")));
}

TEST(BroadcastResumeTest, WhatCannotBeGivenIsSaid) {
  TestLoop loop;
  Client client(loop);
  for (const auto& [since, reason] :
       {std::pair{R"("0000000000000008:1")", "epoch_changed"},
        std::pair{R"({"since":"0000000000000007:99"})", "unknown_position"},
        std::pair{R"("yesterday")", "unknown_position"}}) {
    EXPECT_THAT(client.Say(Join(since)),
                Contains(HasSubstr(std::string(R"("recovered":false,"reason":")") + reason)))
        << since;
  }
}

TEST(BroadcastResumeTest, TooManyBytesAreRefusedWhole) {
  TestLoop loop;
  loop.limits.replay_bytes_max = 300;
  Client sender(loop);
  sender.Say(Join("true"));
  for (int n = 1; n <= 3; ++n) sender.Say(Say(n));
  Client back(loop);
  const auto frames = back.Say(Join(R"("0000000000000007:0")"));
  EXPECT_THAT(frames[0], HasSubstr(R"("reason":"too_many")"));
  EXPECT_THAT(frames, Not(Contains(HasSubstr(R"("payload":1)"))));
}

// Three loops whose mail arrives when it likes. Writers count upwards; readers are cut and return
// on any loop with their last position. Each reader ends with every number of every writer, once,
// in order.
TEST(BroadcastResumeTest, RandomCutsLoseNothingAndRepeatNothing) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRandom random(seed);
  constexpr size_t kLoops = 3;
  std::vector<std::unique_ptr<TestLoop>> loops;
  std::vector<std::deque<Function<void()>>> mail(kLoops);  // In order per loop.
  for (size_t i = 0; i < kLoops; ++i) {
    loops.push_back(
        std::make_unique<TestLoop>(TailLimits{}, Position{1, 0}, static_cast<uint16_t>(i)));
  }
  std::vector<ChannelBus::Peer> peers;
  for (size_t i = 0; i < kLoops; ++i) {
    peers.push_back({.bus = &loops[i]->bus, .post = [&mail, i](Function<void()> task) {
                       mail[i].push_back(std::move(task));
                     }});
  }
  for (auto& loop : loops) loop->bus.Connect(peers);
  const auto deliver = [&](size_t loop) {
    if (mail[loop].empty()) return false;
    auto task = std::move(mail[loop].front());
    mail[loop].pop_front();
    task();
    return true;
  };
  struct Reader {
    std::unique_ptr<Client> client;
    std::string position;
    std::vector<int> seen;
    int not_recovered = 0;
  };
  std::vector<Reader> readers(4);
  // What arrives before the cut: the first `most` messages.
  const auto read = [](Reader& reader, uint64_t most = UINT64_MAX) {
    if (reader.client == nullptr) return;
    for (const std::string& text : reader.client->transport.Take()) {
      if (most-- == 0) return;
      // What the reply names is reached only behind the messages that follow it.
      if (text.find("phx_reply") != std::string::npos && !reader.position.empty()) {
        if (text.find("\"recovered\":false") != std::string::npos) ++reader.not_recovered;
        continue;
      }
      std::smatch match;
      if (std::regex_search(text, match, std::regex(R"x("payload":([0-9]+))x"))) {
        reader.seen.push_back(std::stoi(match[1].str()));
      }
      if (const std::string position = PositionOf(text); !position.empty()) {
        reader.position = position;
      }
    }
  };
  const auto connect = [&](Reader& reader) {
    reader.client = std::make_unique<Client>(*loops[random.Below(kLoops)]);
    reader.client->session.OnText(
        Join(reader.position.empty() ? "true" : "\"" + reader.position + "\""));
  };
  std::vector<std::unique_ptr<Client>> writers;
  for (size_t i = 0; i < kLoops; ++i) {
    writers.push_back(std::make_unique<Client>(*loops[i]));
    writers.back()->Say(Join("true"));
  }
  for (Reader& reader : readers) connect(reader);
  while (deliver(0) || deliver(1) || deliver(2)) {
  }
  for (Reader& reader : readers) read(reader);  // Everyone has a position to return with.
  int sent = 0;
  for (int step = 0; step < 2'000; ++step) {
    Reader& reader = readers[random.Below(readers.size())];
    switch (random.Below(6)) {
      case 0:
        if (sent < 90) writers[random.Below(kLoops)]->session.OnText(Say(++sent));
        break;
      case 1:
        if (random.Below(3) == 0) {
          read(reader, random.Below(4));
          reader.client = nullptr;
        } else {
          read(reader);
        }
        break;
      case 2:
        if (reader.client == nullptr) connect(reader);
        break;
      default: deliver(random.Below(kLoops)); break;
    }
  }
  for (Reader& reader : readers) {
    read(reader);
    if (reader.client == nullptr) connect(reader);
  }
  while (deliver(0) || deliver(1) || deliver(2)) {
  }
  std::vector<int> first;
  for (Reader& reader : readers) {
    read(reader);
    EXPECT_EQ(reader.not_recovered, 0);
    EXPECT_THAT(reader.seen, SizeIs(sent));
    // One order for all of them.
    if (first.empty()) first = reader.seen;
    EXPECT_EQ(reader.seen, first);
  }
  for (auto& loop : loops) loop->bus.Connect({});
}

}  // namespace
}  // namespace tw::session
