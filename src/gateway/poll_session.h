// A realtime client that asks again and again: HTTP long polling.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/http_session.h"
#include "io/bytes.h"
#include "io/loop.h"
#include "io/timer_wheel.h"

namespace tw::gateway {

// The session behind `GET /realtime/v1/poll`. An answer is
//
//   {"session":"0-…","first":1,"seq":3,"messages":[…,…,…],"position":"E:n"}
//
// with the messages numbered `first` to `seq`, as a socket would get them; a binary one is
// {"binary":"<base64>"}. The next request says ack=3. What is not acknowledged is told again, so a
// lost answer loses nothing and repeats under the same numbers. A session that ends says
// "closed":{"code":1012,"reason":"…","retry_ms":…} once.
//
// The gateway owns it; it ends when its client does not ask for as long as it said that it may be
// away (`keep`), kIdleMax by default.
class PollSession final : public session::Transport, public HttpSession, private io::Flushable {
 public:
  static constexpr std::chrono::seconds kWaitMax{25};  // Below common proxies' limits.
  static constexpr std::chrono::seconds kIdleMax{30};
  static constexpr std::chrono::seconds kKeepMax{300};  // For clients that ask now and then.
  static constexpr size_t kAnswerBytesMax = 1u << 20;  // And at least one message.

  PollSession(Gateway& gateway, const Opening& opening);
  ~PollSession() override;

  // A request to answer, perhaps of another loop.
  struct Asker {
    Gateway* gateway;
    uint64_t connection_id;
  };
  // The request that opened the session is answered at the end of this turn.
  void AskFirst(const Asker& asker);
  // What a request says about time, within kWaitMax and kKeepMax.
  struct Patience {
    std::chrono::seconds wait = kWaitMax;  // How long it waits when there is nothing to tell.
    std::chrono::seconds keep = kIdleMax;  // How long the session waits for the next request.
  };
  // A request waits for messages behind `ack`; whoever waited before is answered now.
  void Ask(const Asker& asker, uint64_t ack, const Patience& patience);
  void Drain(std::chrono::milliseconds window);

  void OnFrame(const io::SharedBytes& frame) override;
  bool Congested() override;
  void CloseWith(uint16_t code, std::string_view reason) override;
  session::Session& upstream() override { return session_; }

 private:
  struct Closed {
    uint16_t code;
    std::string reason;
    uint64_t retry_ms;
  };

  void Flush() override;
  void Acknowledge(uint64_t ack);
  void Answer();
  std::string AnswerText();
  void CutSlow();
  void OnWaitEnd();
  void OnIdle();
  void End();

  Gateway& gateway_;
  session::Session session_;
  std::deque<io::SharedBytes> messages_;  // Not acknowledged yet.
  size_t bytes_ = 0;                      // Of those.
  uint64_t first_ = 1;                    // Number of the first of them.
  std::optional<Asker> waiting_;
  std::chrono::seconds keep_ = kIdleMax;
  std::optional<Closed> closed_;
  io::Timer timer_;  // While a request waits: its end. Else: the session's.
  bool resume_wanted_ = false;
  bool lagging_ = false;  // Frames had no room; Session::Resync follows at the end of the turn.
};

}  // namespace tw::gateway
