// How long after a commit was acknowledged its change is with a client.
//
//   --mode stream: a realtime client of Tidewire (a plain WebSocket that has joined).
//   --mode poll:   a program that asks its own slot every --poll_ms, the way the common relay does.
//
// One connection inserts rows at random times (Poisson, --mean_ms apart); each row carries a stamp. A
// change that arrives before the acknowledgement counts as 0. Prints a table and one line of JSON.
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bench/common/flags.h"
#include "bench/common/histogram.h"
#include "bench/common/net.h"
#include "bench/common/phoenix.h"
#include "bench/common/report.h"
#include "bench/common/websocket.h"

namespace tw::bench {
namespace {

// When a row was acknowledged and when it arrived, whichever was first.
struct Times {
  std::atomic<uint64_t> acknowledged{0};
  std::atomic<uint64_t> received{0};
};

class Database {
 public:
  explicit Database(const std::string& dsn) : handle_(PQconnectdb(dsn.c_str())) {
    if (PQstatus(handle_) != CONNECTION_OK) Die(PQerrorMessage(handle_));
  }
  ~Database() { PQfinish(handle_); }
  // The first column of every row.
  std::vector<std::string> Run(const std::string& sql) {
    PGresult* const result = PQexec(handle_, sql.c_str());
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) Die(PQerrorMessage(handle_));
    std::vector<std::string> texts;
    for (int row = 0; row < PQntuples(result); ++row) texts.emplace_back(PQgetvalue(result, row, 0));
    PQclear(result);
    return texts;
  }

 private:
  PGconn* handle_;
};

void SendAll(int fd, const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t n = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) DieErrno("send");
    sent += static_cast<size_t>(n);
  }
}

// A blocking WebSocket client that joins a table's channel.
class Subscriber {
 public:
  Subscriber(const std::string& url, const std::string& token) {
    Endpoint endpoint = ParseUrl(url);
    endpoint.path = "/realtime/v1/websocket?vsn=2.0.0&apikey=" + token;
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    inet_pton(AF_INET, endpoint.host.c_str(), &address.sin_addr);
    if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) DieErrno("connect");
    SetNoDelay(fd_);
    SendAll(fd_, HandshakeRequest(endpoint));
    while (buffer_.find("\r\n\r\n") == std::string::npos) Receive();
    buffer_.erase(0, buffer_.find("\r\n\r\n") + 4);
    SendAll(fd_, EncodeClientFrame(
                     Opcode::kText,
                     JoinMessage("bench", "{\"config\":{\"postgres_changes\":[{\"event\":\"INSERT\","
                                          "\"schema\":\"public\",\"table\":\"bench\"}]},"
                                          "\"access_token\":\"" + token + "\"}")));
    while (Next().find("Subscribed to PostgreSQL") == std::string::npos) continue;
  }
  ~Subscriber() { close(fd_); }

  // The next message's text.
  std::string Next() {
    for (;;) {
      const FrameView frame = ScanFrame(buffer_.data(), buffer_.size());
      if (frame.size > 0) {
        std::string text = buffer_.substr(frame.payload_offset, frame.payload_size);
        buffer_.erase(0, frame.size);
        return text;
      }
      Receive();
    }
  }

 private:
  void Receive() {
    char bytes[16'384];
    const ssize_t n = recv(fd_, bytes, sizeof bytes, 0);
    if (n <= 0) DieErrno("the server closed");
    buffer_.append(bytes, static_cast<size_t>(n));
  }
  int fd_ = -1;
  std::string buffer_;
};

void Arrived(std::vector<Times>& times, const std::string& text, std::atomic<uint32_t>& count) {
  size_t hint = 0;
  const auto stamp = FindStamp(text, hint);
  if (!stamp || stamp->sequence >= times.size()) return;
  times[stamp->sequence].received.store(NowNs());
  count.fetch_add(1);
}

int Main(int argc, char** argv) {
  Flags flags("Commit to client, Tidewire's stream or a polled slot.",
              {{"mode", "stream", "stream or poll"},
               {"dsn", "", "libpq connection string of the database"},
               {"url", "", "stream: http:// URL of Tidewire"},
               {"token", "", "stream: a token that may read public.bench"},
               {"count", "800", "rows"},
               {"mean_ms", "20", "mean time between two rows"},
               {"poll_ms", "100", "poll: time between two looks"},
               {"json", "", "file that gets one line of JSON"}});
  flags.Parse(argc, argv);
  const auto count = static_cast<uint32_t>(flags.Count("count"));
  std::vector<Times> times(count);
  std::atomic<uint32_t> arrived{0};
  Database writer(flags.Text("dsn"));
  const bool poll = flags.Text("mode") == "poll";
  std::thread receiver;
  if (poll) {
    auto reader = std::make_shared<Database>(flags.Text("dsn"));
    reader->Run("select pg_create_logical_replication_slot('bench_poll', 'test_decoding', true)");
    receiver = std::thread([&, reader] {
      while (arrived.load() < count) {
        for (const std::string& text :
             reader->Run("select data from pg_logical_slot_get_changes('bench_poll', null, null)")) {
          Arrived(times, text, arrived);
        }
        usleep(static_cast<useconds_t>(flags.Count("poll_ms") * 1'000));
      }
    });
  } else {
    auto subscriber = std::make_shared<Subscriber>(flags.Text("url"), flags.Text("token"));
    receiver = std::thread([&, subscriber] {
      while (arrived.load() < count) Arrived(times, subscriber->Next(), arrived);
    });
  }
  std::mt19937_64 random(1);
  std::exponential_distribution<double> wait(1.0 / (flags.Number("mean_ms") * 1'000));
  for (uint32_t i = 0; i < count; ++i) {
    usleep(static_cast<useconds_t>(wait(random)));
    writer.Run("insert into public.bench(note) values('" + ToString(Stamp{i, NowNs()}) + "')");
    times[i].acknowledged.store(NowNs());
  }
  receiver.join();
  Histogram latency;
  for (const Times& row : times) {
    const uint64_t received = row.received.load();
    const uint64_t acknowledged = row.acknowledged.load();
    latency.Record(received > acknowledged ? received - acknowledged : 0);
  }
  Report report;
  report.Text("mode", flags.Text("mode"));
  report.Count("rows", count);
  report.Latency("commit_to_client", latency);
  report.Write(flags.Text("json"));
  return 0;
}

}  // namespace
}  // namespace tw::bench

int main(int argc, char** argv) { return tw::bench::Main(argc, argv); }
