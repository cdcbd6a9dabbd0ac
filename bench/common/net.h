// Sockets and the event loop of the bench tools: epoll, IPv4 loopback only.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace tw::bench {

// Nanoseconds of CLOCK_MONOTONIC.
uint64_t NowNs();

// Raises the soft descriptor limit to the hard one and returns it.
uint64_t RaiseDescriptorLimit();

struct Endpoint {
  std::string host;  // A dotted IPv4 address.
  uint16_t port = 0;
  std::string path;  // With query; at least "/".
};

// Reads `ws://` and `http://` URLs. Dies on others, and on hosts outside 127.0.0.0/8: these tools
// are for loopback.
Endpoint ParseUrl(std::string_view url);

// Starts a non-blocking connect from `source` (a dotted address; empty lets the kernel choose).
// Returns the descriptor; dies when the kernel refuses at once.
int StartConnect(const Endpoint& endpoint, const std::string& source);

// Opens a non-blocking listening socket on 127.0.0.1; port 0 picks one. Dies on failure.
struct Listener {
  int fd = -1;
  uint16_t port = 0;
};
Listener Listen(uint16_t port);

void SetNoDelay(int fd);

// Something that epoll calls. The poller borrows it until Remove.
class Pollable {
 public:
  virtual ~Pollable() = default;
  virtual void OnReady(uint32_t events) = 0;
};

class Poller {
 public:
  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  void Add(int fd, uint32_t events, Pollable* pollable);
  void Modify(int fd, uint32_t events, Pollable* pollable);
  void Remove(int fd);

  // Waits for at most `timeout_ns` and calls every ready pollable once. A pollable may be removed
  // by its own call only. Returns how many were ready.
  int Wait(uint64_t timeout_ns);

 private:
  static constexpr int kEventsMax = 1024;
  int fd_;
  epoll_event events_[kEventsMax];
};

}  // namespace tw::bench
