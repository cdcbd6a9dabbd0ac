#include "testing/postgres_cluster.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace tw::testing {
namespace {

namespace fs = std::filesystem;

// The newest installed version, or $TIDEWIRE_TEST_PG_BIN.
std::string FindPrograms() {
  if (const char* chosen = std::getenv("TIDEWIRE_TEST_PG_BIN")) return chosen;
  std::string best;
  int best_version = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", error)) {
    const int version = std::atoi(entry.path().filename().c_str());
    if (version > best_version && fs::exists(entry.path() / "bin" / "initdb")) {
      best_version = version;
      best = entry.path() / "bin";
    }
  }
  return best;
}

uint16_t FreePort() {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  uint16_t port = 0;
  if (bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    port = ntohs(address.sin_port);
  }
  close(descriptor);
  return port;
}

void WriteText(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::trunc) << text;
}

std::string ReadText(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

Result<std::unique_ptr<PostgresCluster>> PostgresCluster::Start(const PostgresOptions& options) {
  std::unique_ptr<PostgresCluster> cluster(new PostgresCluster);
  cluster->programs_ = FindPrograms();
  if (cluster->programs_.empty()) {
    return Fail(ErrorCode::kNotFound,
                "no PostgreSQL server programs; install the package postgresql-15");
  }
  TW_RETURN_IF_ERROR(cluster->Initialize(options));
  TW_RETURN_IF_ERROR(cluster->Resume());
  return cluster;
}

PostgresCluster& PostgresCluster::Shared() {
  static const std::unique_ptr<PostgresCluster> shared = [] {
    auto started = Start();
    if (!started.ok()) {
      std::fprintf(stderr, "PostgresCluster: %s\n", started.error().message.c_str());
      std::abort();
    }
    return std::move(*started);
  }();
  return *shared;
}

PostgresCluster::~PostgresCluster() {
  (void)Stop(Shutdown::kImmediate);
  std::error_code ignored;
  if (!directory_.empty()) fs::remove_all(directory_, ignored);
}

Status PostgresCluster::Initialize(const PostgresOptions& options) {
  // Short, because a Unix socket's path has at most 107 bytes.
  std::string pattern = "/tmp/tidewire-pg-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) {
    return Fail(ErrorCode::kInternal, "cannot make " + pattern);
  }
  directory_ = pattern;
  user_ = geteuid();
  group_ = getegid();
  if (user_ == 0) {
    const passwd* other = getpwnam("postgres");
    if (other == nullptr) other = getpwnam("nobody");
    if (other == nullptr) return Fail(ErrorCode::kInternal, "no user to run PostgreSQL as");
    user_ = other->pw_uid;
    group_ = other->pw_gid;
    if (chown(directory_.c_str(), user_, group_) != 0) {
      return Fail(ErrorCode::kInternal, "cannot give away " + directory_);
    }
  }
  // Everybody of this machine's tests may use the socket; the data directory stays closed.
  (void)chmod(directory_.c_str(), 0755);
  TW_RETURN_IF_ERROR(Run({"initdb", "-D", directory_ + "/data", "-U", "postgres", "-A", "trust",
                          "--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C.UTF-8"},
                         "initdb.log"));
  port_ = FreePort();
  const char* const sync = options.sync == PostgresOptions::Sync::kOn ? "on" : "off";
  std::string settings = "listen_addresses = '127.0.0.1'\nport = " + std::to_string(port_) +
                         "\nunix_socket_directories = '" + directory_ + "'\nwal_level = " +
                         options.wal_level + "\nfsync = " + sync + "\nfull_page_writes = " + sync +
                         "\nmax_wal_senders = 20\nmax_replication_slots = 20\n"
                         "max_connections = 60\nshared_buffers = 32MB\nlog_min_messages = warning\n"
                         "autovacuum = off\n";
  for (const auto& [name, value] : options.settings) settings += name + " = " + value + "\n";
  WriteText(directory_ + "/data/postgresql.auto.conf", settings);
  WriteText(directory_ + "/data/pg_hba.conf",
            "local all,replication all trust\n"
            "host all,replication locked 127.0.0.1/32 scram-sha-256\n"
            "host all,replication all 127.0.0.1/32 trust\n");
  return {};
}

Result<pid_t> PostgresCluster::Launch(const std::vector<std::string>& arguments,
                                      const std::string& log) const {
  const std::string program = programs_ + "/" + arguments.front();
  const std::string log_path = directory_ + "/" + log;
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const int output = open(log_path.c_str(), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0644);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return Fail(ErrorCode::kInternal, "fork failed");
  if (child > 0) {
    close(output);
    return child;
  }
  // In the child: only calls that are safe after a fork of a program with threads.
  if (geteuid() == 0 && (setgroups(0, nullptr) != 0 || setgid(group_) != 0 || setuid(user_) != 0)) {
    _exit(126);
  }
  // SIGQUIT is an immediate shutdown of the whole server.
  prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (getppid() != parent) _exit(126);
  setsid();
  dup2(open("/dev/null", O_RDONLY), 0);
  dup2(output, 1);
  dup2(output, 2);
  if (chdir(directory_.c_str()) != 0) _exit(126);
  execv(program.c_str(), argv.data());
  _exit(127);
}

Status PostgresCluster::Run(const std::vector<std::string>& arguments,
                            const std::string& log) const {
  TW_ASSIGN_OR_RETURN(const pid_t child, Launch(arguments, log));
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return Fail(ErrorCode::kInternal,
              arguments.front() + " failed: " + ReadText(directory_ + "/" + log));
}

Status PostgresCluster::Resume() {
  TW_ASSIGN_OR_RETURN(server_, Launch({"postgres", "-D", directory_ + "/data"}, "server.log"));
  // The eighth line of postmaster.pid says when the server takes connections.
  const std::string pid_file = directory_ + "/data/postmaster.pid";
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{60};
  while (std::chrono::steady_clock::now() < until) {
    const std::string text = ReadText(pid_file);
    if (text.starts_with(std::to_string(server_) + "\n") &&
        text.find("\nready") != std::string::npos) {
      return {};
    }
    int status = 0;
    if (waitpid(server_, &status, WNOHANG) == server_) {
      server_ = -1;
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  return Fail(ErrorCode::kInternal,
              "the server did not start: " + ReadText(directory_ + "/server.log"));
}

Status PostgresCluster::Stop(Shutdown how) {
  if (server_ < 0) return {};
  kill(server_, how == Shutdown::kFast ? SIGINT : SIGQUIT);
  int status = 0;
  waitpid(server_, &status, 0);
  server_ = -1;
  return {};
}

std::string PostgresCluster::Dsn(std::string_view database, std::string_view user) const {
  return "host=" + directory_ + " port=" + std::to_string(port_) + " dbname=" +
         std::string(database) + " user=" + std::string(user);
}

std::string PostgresCluster::TcpDsn(std::string_view database, std::string_view user,
                                    std::string_view password) const {
  return "postgres://" + std::string(user) +
         (password.empty() ? "" : ":" + std::string(password)) + "@127.0.0.1:" +
         std::to_string(port_) + "/" + std::string(database);
}

std::string PostgresCluster::NewDatabase() {
  const std::string name = "test" + std::to_string(++databases_);
  const Status made = Run({"psql", "-X", "-q", "-h", directory_, "-p", std::to_string(port_), "-U",
                           "postgres", "-d", "postgres", "-c", "create database " + name},
                          "psql.log");
  if (!made.ok()) {
    std::fprintf(stderr, "PostgresCluster: %s\n", made.error().message.c_str());
    std::abort();
  }
  return Dsn(name);
}

}  // namespace tw::testing
