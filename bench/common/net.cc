#include "bench/common/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <ctime>

#include "bench/common/flags.h"

namespace tw::bench {
namespace {

sockaddr_in AddressOf(const std::string& host, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) Die("not an IPv4 address: " + host);
  return address;
}

void EpollControl(int epoll, int operation, int fd, uint32_t events, Pollable* pollable) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = pollable;
  if (epoll_ctl(epoll, operation, fd, &event) != 0) DieErrno("epoll_ctl");
}

}  // namespace

uint64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

uint64_t RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) DieErrno("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) DieErrno("setrlimit");
  return limit.rlim_cur;
}

Endpoint ParseUrl(std::string_view url) {
  const std::string whole(url);
  const size_t scheme_end = url.find("://");
  const std::string_view scheme = url.substr(0, scheme_end);
  if (scheme_end == url.npos || (scheme != "ws" && scheme != "http")) {
    Die("not a ws:// or http:// URL: " + whole);
  }
  url.remove_prefix(scheme_end + 3);
  const std::string_view authority = url.substr(0, url.find('/'));
  const size_t colon = authority.find(':');
  Endpoint endpoint;
  endpoint.host = authority.substr(0, colon);
  if (endpoint.host == "localhost") endpoint.host = "127.0.0.1";
  if (!endpoint.host.starts_with("127.")) Die("not a loopback address: " + whole);
  endpoint.port = 80;
  if (colon != authority.npos) {
    const std::string_view port = authority.substr(colon + 1);
    const auto [end, error] =
        std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
    if (error != std::errc() || end != port.data() + port.size()) Die("bad port: " + whole);
  }
  endpoint.path = url.substr(authority.size());
  if (endpoint.path.empty()) endpoint.path = "/";
  return endpoint;
}

int StartConnect(const Endpoint& endpoint, const std::string& source) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) DieErrno("socket");
  const int on = 1;
  if (!source.empty()) {
    // The port is chosen at connect, so that one source address serves many destinations.
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    const sockaddr_in from = AddressOf(source, 0);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) {
      DieErrno("bind " + source);
    }
  }
  SetNoDelay(fd);
  const sockaddr_in to = AddressOf(endpoint.host, endpoint.port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS) {
    DieErrno("connect " + endpoint.host);
  }
  return fd;
}

Listener Listen(uint16_t port) {
  Listener listener;
  listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener.fd < 0) DieErrno("socket");
  const int on = 1;
  setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = AddressOf("127.0.0.1", port);
  socklen_t size = sizeof address;
  if (bind(listener.fd, reinterpret_cast<sockaddr*>(&address), size) != 0) DieErrno("bind");
  if (listen(listener.fd, SOMAXCONN) != 0) DieErrno("listen");
  if (getsockname(listener.fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    DieErrno("getsockname");
  }
  listener.port = ntohs(address.sin_port);
  return listener;
}

void SetNoDelay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Poller::Poller() : fd_(epoll_create1(EPOLL_CLOEXEC)) {
  if (fd_ < 0) DieErrno("epoll_create1");
}

Poller::~Poller() {
  close(fd_);
}

void Poller::Add(int fd, uint32_t events, Pollable* pollable) {
  EpollControl(fd_, EPOLL_CTL_ADD, fd, events, pollable);
}

void Poller::Modify(int fd, uint32_t events, Pollable* pollable) {
  EpollControl(fd_, EPOLL_CTL_MOD, fd, events, pollable);
}

void Poller::Remove(int fd) {
  EpollControl(fd_, EPOLL_CTL_DEL, fd, 0, nullptr);
}

int Poller::Wait(uint64_t timeout_ns) {
  const timespec timeout{static_cast<time_t>(timeout_ns / 1'000'000'000),
                         static_cast<long>(timeout_ns % 1'000'000'000)};
  const int ready = epoll_pwait2(fd_, events_, kEventsMax, &timeout, nullptr);
  if (ready < 0 && errno != EINTR) DieErrno("epoll_pwait2");
  for (int i = 0; i < ready; ++i) {
    static_cast<Pollable*>(events_[i].data.ptr)->OnReady(events_[i].events);
  }
  return ready;
}

}  // namespace tw::bench
