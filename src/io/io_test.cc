#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "io/loop.h"
#include "io/stream.h"
#include "testing/fake_clock.h"
#include "testing/matchers.h"

namespace tw::io {
namespace {

using testing::FailsWith;
using testing::IsOk;

struct Alarm {
  int fired = 0;
  void Fire() { ++fired; }
};

TEST(TimerWheelTest, FiresOnceAndNeverEarly) {
  testing::FakeClock clock;
  TimerWheel wheel(clock.Mono());
  Alarm alarm;
  Timer soon, late;
  wheel.Arm<&Alarm::Fire>(soon, std::chrono::milliseconds{250}, &alarm);
  wheel.Arm<&Alarm::Fire>(late, std::chrono::minutes{5}, &alarm);  // More than one round.
  for (int ms = 0; ms < 250; ms += 50) {
    wheel.Advance(clock.Mono());
    EXPECT_EQ(alarm.fired, 0) << ms;
    clock.Advance(std::chrono::milliseconds{50});
  }
  clock.Advance(std::chrono::milliseconds{200});
  wheel.Advance(clock.Mono());
  EXPECT_EQ(alarm.fired, 1);
  EXPECT_FALSE(soon.armed());
  clock.Advance(std::chrono::minutes{4});
  wheel.Advance(clock.Mono());
  EXPECT_EQ(alarm.fired, 1);
  clock.Advance(std::chrono::minutes{2});
  wheel.Advance(clock.Mono());
  EXPECT_EQ(alarm.fired, 2);
}

TEST(TimerWheelTest, CancelledAndDestroyedTimersStaySilent) {
  testing::FakeClock clock;
  TimerWheel wheel(clock.Mono());
  Alarm alarm;
  Timer cancelled;
  wheel.Arm<&Alarm::Fire>(cancelled, std::chrono::seconds{1}, &alarm);
  {
    Timer destroyed;
    wheel.Arm<&Alarm::Fire>(destroyed, std::chrono::seconds{1}, &alarm);
  }
  cancelled.Cancel();
  EXPECT_EQ(wheel.armed(), 0u);
  clock.Advance(std::chrono::seconds{10});
  wheel.Advance(clock.Mono());
  EXPECT_EQ(alarm.fired, 0);
}

TEST(LoopTest, PostedTasksRunInOrder) {
  Loop loop(SystemClock());
  std::string order;
  loop.Post([&] { order += 'a'; });
  std::thread other([&] {
    loop.Post([&] { order += 'b'; });
    loop.Post([&] { order += 'c'; });
    loop.Stop();
  });
  other.join();
  loop.Run();
  EXPECT_EQ(order, "abc");
}

// Echoes whole lines; keeps what is not a line.
class Echo : public StreamHandler {
 public:
  explicit Echo(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {
    stream_->Start(*this);
  }
  size_t OnBytes(std::span<char> bytes) override {
    const std::string_view text(bytes.data(), bytes.size());
    const size_t end = text.rfind('\n');
    if (end == std::string_view::npos) return 0;
    stream_->Send(SharedBytes::Copy(text.substr(0, end + 1)));
    return end + 1;
  }
  void OnClosed(CloseCause) override { closed = true; }
  bool closed = false;

 private:
  std::unique_ptr<Stream> stream_;
};

class Client : public StreamHandler {
 public:
  Client(Loop& loop, std::unique_ptr<Stream> stream) : loop_(loop), stream_(std::move(stream)) {
    stream_->Start(*this);
    stream_->Send(SharedBytes::Copy("hel"));
    stream_->Send(SharedBytes::Copy("lo\nwor"));
    loop_.Post([this] { stream_->Send(SharedBytes::Copy("ld\n")); });
  }
  size_t OnBytes(std::span<char> bytes) override {
    received.append(bytes.data(), bytes.size());
    if (received == "hello\nworld\n") stream_->Close();
    return bytes.size();
  }
  void OnClosed(CloseCause cause) override {
    EXPECT_EQ(cause, CloseCause::kLocal);
    loop_.Post([this] { loop_.Stop(); });
  }
  std::string received;

 private:
  Loop& loop_;
  std::unique_ptr<Stream> stream_;
};

TEST(StreamTest, BytesGoBothWaysAndUnusedInputIsOfferedAgain) {
  Loop loop(SystemClock());
  std::unique_ptr<Echo> echo;
  std::unique_ptr<Client> client;
  auto listener = Listener::Listen(loop, "127.0.0.1", 0, [&](std::unique_ptr<Stream> stream) {
    EXPECT_EQ(stream->remote_address(), "127.0.0.1");
    echo = std::make_unique<Echo>(std::move(stream));
  });
  ASSERT_THAT(listener, IsOk());
  Connect(loop, "127.0.0.1", (*listener)->port(), [&](Result<std::unique_ptr<Stream>> stream) {
    ASSERT_THAT(stream, IsOk());
    client = std::make_unique<Client>(loop, std::move(*stream));
  });
  loop.Run();
  EXPECT_EQ(client->received, "hello\nworld\n");
}

// Both lie in the kernel before the server looks: they are read in one turn.
TEST(StreamTest, WhoEndsItsSideBehindItsLastWordsIsAnswered) {
  Loop loop(SystemClock());
  std::unique_ptr<Echo> echo;
  auto listener = Listener::Listen(loop, "127.0.0.1", 0, [&](std::unique_ptr<Stream> stream) {
    echo = std::make_unique<Echo>(std::move(stream));
  });
  ASSERT_THAT(listener, IsOk());
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons((*listener)->port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(send(client, "last words\n", 11, 0), 11);
  shutdown(client, SHUT_WR);
  std::thread runner([&] { loop.Run(); });
  char answer[32] = {};
  EXPECT_EQ(recv(client, answer, sizeof answer, MSG_WAITALL), 11);
  EXPECT_STREQ(answer, "last words\n");
  close(client);
  loop.Stop();
  runner.join();
}

TEST(ListenerTest, LoopsShareAnAddressThatIsTakenForEverybodyElse) {
  Loop loop(SystemClock());
  auto first = Listener::Listen(loop, "127.0.0.1", 0, [](auto) {});
  ASSERT_THAT(first, IsOk());
  const uint16_t port = (*first)->port();
  EXPECT_THAT(Listener::Listen(loop, "127.0.0.1", port, [](auto) {}), IsOk());
  EXPECT_THAT(Listener::CheckFree("127.0.0.1", port), FailsWith(ErrorCode::kUnavailable));
  EXPECT_THAT(Listener::CheckFree("127.0.0.1", 0), IsOk());
}

TEST(ListenerTest, NamesWhatIsWrong) {
  Loop loop(SystemClock());
  EXPECT_THAT(Listener::Listen(loop, "localhost:80", 0, [](auto) {}),
              FailsWith(ErrorCode::kInvalidArgument, ::testing::HasSubstr("localhost:80")));
  EXPECT_THAT(Listener::Listen(loop, "203.0.113.1", 0, [](auto) {}),
              FailsWith(ErrorCode::kUnavailable, ::testing::HasSubstr("203.0.113.1")));
}

}  // namespace
}  // namespace tw::io
