#include "bench/common/http_client.h"

#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>

#include "bench/common/flags.h"

namespace tw::bench {
namespace {

// The value of a header in `head` (status line and header lines), or nullopt.
std::optional<std::string_view> HeaderValue(std::string_view head, std::string_view name) {
  for (size_t at = head.find("\r\n"); at != head.npos; at = head.find("\r\n", at + 2)) {
    const std::string_view line = head.substr(at + 2);
    if (line.size() > name.size() && line[name.size()] == ':' &&
        strncasecmp(line.data(), name.data(), name.size()) == 0) {
      std::string_view value = line.substr(name.size() + 1);
      value = value.substr(0, value.find("\r\n"));
      while (value.starts_with(' ')) value.remove_prefix(1);
      return value;
    }
  }
  return std::nullopt;
}

struct Reply {
  int status = 0;
  size_t size = 0;  // 0 while incomplete.
  bool closes = false;
};

Reply ScanReply(std::string_view bytes) {
  Reply reply;
  const size_t head_end = bytes.find("\r\n\r\n");
  if (head_end == bytes.npos) return reply;
  const std::string_view head = bytes.substr(0, head_end);
  if (!head.starts_with("HTTP/1.1 ") || head.size() < 12) Die("not an HTTP/1.1 reply");
  reply.status = std::atoi(std::string(head.substr(9, 3)).c_str());
  const auto length = HeaderValue(head, "content-length");
  if (!length && reply.status != 204) Die("the server's reply has no Content-Length");
  const size_t body = length ? std::strtoull(std::string(*length).c_str(), nullptr, 10) : 0;
  const auto connection = HeaderValue(head, "connection");
  reply.closes = connection && strncasecmp(connection->data(), "close", 5) == 0;
  if (bytes.size() - head_end - 4 >= body) reply.size = head_end + 4 + body;
  return reply;
}

}  // namespace

HttpConnection::HttpConnection(Poller& poller, const Endpoint& endpoint, OnReply on_reply)
    : poller_(poller),
      endpoint_(endpoint),
      request_start_("POST " + endpoint.path + " HTTP/1.1\r\nHost: " + endpoint.host + ":" +
                     std::to_string(endpoint.port) +
                     "\r\nContent-Type: application/json\r\nContent-Length: "),
      on_reply_(std::move(on_reply)) {}

HttpConnection::~HttpConnection() {
  Disconnect();
}

void HttpConnection::Connect() {
  fd_ = StartConnect(endpoint_, "");
  waits_writable_ = true;
  poller_.Add(fd_, EPOLLIN | EPOLLOUT, this);
}

void HttpConnection::Disconnect() {
  if (fd_ < 0) return;
  poller_.Remove(fd_);
  close(fd_);
  fd_ = -1;
  incoming_.clear();
  outgoing_.clear();
}

void HttpConnection::Post(std::string_view headers, std::string_view body) {
  if (!idle_) std::abort();
  idle_ = false;
  outgoing_.append(request_start_).append(std::to_string(body.size())).append("\r\n");
  outgoing_.append(headers).append("\r\n").append(body);
  if (fd_ < 0) {
    Connect();
  } else if (!waits_writable_) {
    Flush();
  }
}

void HttpConnection::Flush() {
  const ssize_t sent = send(fd_, outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) return;  // The read side reports the broken connection.
  if (sent > 0) outgoing_.erase(0, static_cast<size_t>(sent));
  const bool wait = !outgoing_.empty();
  if (wait != waits_writable_) {
    waits_writable_ = wait;
    poller_.Modify(fd_, wait ? EPOLLIN | EPOLLOUT : EPOLLIN, this);
  }
}

bool HttpConnection::Receive() {
  char buffer[16 * 1024];
  const ssize_t size = recv(fd_, buffer, sizeof buffer, 0);
  if (size > 0) incoming_.append(buffer, static_cast<size_t>(size));
  return size > 0 || (size < 0 && errno == EAGAIN);
}

void HttpConnection::OnReady(uint32_t events) {
  const bool readable = (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0;
  const bool open = !readable || Receive();
  const Reply reply = ScanReply(incoming_);
  if (reply.size > 0) {
    incoming_.erase(0, reply.size);
    if (reply.closes || !open) Disconnect();
    Finish(reply.status);
  } else if (!open) {
    Disconnect();
    if (!idle_) Finish(0);
  } else if ((events & EPOLLOUT) != 0) {
    Flush();
  }
}

void HttpConnection::Finish(int status) {
  idle_ = true;
  on_reply_(*this, status);
}

}  // namespace tw::bench
