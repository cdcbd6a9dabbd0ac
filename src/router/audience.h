// A group of subscribers that get identical bytes: same topic, version, bindings and rights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/bytes.h"
#include "router/channel_spec.h"

namespace tw::router {

class Audience;
class Router;

// Takes frames for one connection; called in the middle of a fan-out, so it must only queue.
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual void OnFrame(const io::SharedBytes& frame) = 0;
};

// A receiver's place in an audience. Leaves when destroyed.
class Membership {
 public:
  Membership() = default;
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;
  ~Membership() { Leave(); }

  bool joined() const { return audience_ != nullptr; }
  void Leave();

 private:
  friend class Audience;
  friend class Router;
  Router* router_ = nullptr;
  Audience* audience_ = nullptr;
  uint32_t index_ = 0;
};

class Audience {
 public:
  Audience(const ChannelSpec& channel, std::string audience_key)
      : spec(channel), key(std::move(audience_key)) {}

  struct Member {
    Receiver* receiver;
    Membership* membership;
  };

  void Add(Receiver& receiver, Membership& membership);
  // Swaps with the last: the order of members means nothing.
  void Remove(Membership& membership);

  ChannelSpec spec;  // Its bindings share their group's Access.
  const std::string key;
  std::vector<Member> members;
  uint64_t round = 0;  // The last change that was offered.
};

}  // namespace tw::router
