// How many webhook events per second one core applies: JSON text → facts, counters, leads, log,
// with the outreach example on SQLite, synchronous=FULL, 500 deliveries per transaction.
//
//   apply_bench [--events N] [--json]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "config/environment.h"
#include "ingest/apply/applier.h"

namespace tw::ingest {
namespace {

class DevelopmentEnvironment final : public config::Environment {
 public:
  std::optional<std::string> Variable(const std::string& name) const override {
    if (name == "TIDEWIRE_OUTREACH_URL") return "https://outreach.example.com/api";
    return name == "TIDEWIRE_HOOK_SECRET" ? "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" : "dev";
  }
  Result<std::string> ReadFile(const std::string& path, size_t) const override {
    return Fail(ErrorCode::kNotFound, path);
  }
};

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(result).value();
}

std::string ReadExample(const std::string& name) {
  std::ifstream file(std::string(TW_SOURCE_DIR) + "/examples/outreach/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// About the mix of a running campaign: mostly sends and opens, 8 % that touch a lead.
std::string MakeBody(Random& random, int index, WallTime at) {
  const uint64_t dice = random.Below(100);
  const char* type = dice < 60   ? "EMAIL_SENT"
                     : dice < 92 ? "EMAIL_OPENED"
                     : dice < 97 ? "CONTACT_REPLIED"
                     : dice < 99 ? "LEAD_INTERESTED"
                                 : "EMAIL_BOUNCED";
  const std::string time = FormatTimestampMs(at);
  const std::string lead = std::to_string(random.Below(50'000));
  const std::string id = std::to_string(index);
  return std::string("{\"event\":{\"type\":\"") + type +
         "\",\"name\":\"Event\",\"instance_url\":\"https://send.example.com\",\"workspace_id\":" +
         std::to_string(37 + random.Below(2)) +
         ",\"workspace_name\":\"Northwind\",\"timestamp\":\"" + time +
         "\"},\"data\":{\"lead\":{\"id\":" + lead + ",\"email\":\"lead" + lead +
         "@example.com\",\"first_name\":\"Ada\",\"last_name\":\"Lovelace\",\"status\":\"verified\","
         "\"title\":\"Countess\",\"company\":\"Analytical Engines\",\"custom_variables\":[{"
         "\"name\":\"phone\",\"value\":\"+1 555 0100\"},{\"name\":\"city\",\"value\":\"London\"}]},"
         "\"reply\":{\"id\":" +
         id + ",\"uuid\":\"9b1deb4d-" + id + "\",\"date_received\":\"" + time +
         "\",\"from_name\":\"Ada\",\"from_email_address\":\"ada@example.com\"},"
         "\"campaign\":{\"id\":" +
         std::to_string(random.Below(20)) +
         ",\"name\":\"Autumn\"},\"scheduled_email\":{\"id\":" + id +
         "},\"sender_email\":{\"id\":" + std::to_string(random.Below(50)) +
         ",\"email\":\"sender@example.com\",\"name\":\"Sender\"},\"opened_at\":\"" + time +
         "\",\"email\":{\"subject\":\"Hello\",\"sent_at\":\"" + time + "\"}}}";
}

int Run(int count, bool as_json) {
  const std::filesystem::path directory =
      std::filesystem::temp_directory_path() / ("tidewire-apply-" + SystemRandom().Hex(6));
  std::filesystem::create_directories(directory);
  double seconds = 0;
  ApplyOutcome total;
  {
    auto db = Must(sqlite::Database::Open((directory / "bench.db").string()));
    Must(db.Execute(ReadExample("schema.sql")));
    Must(db.Execute(ReadExample("seed.sql")));
    const std::string yaml = ReadExample("outreach.yaml");
    const auto config = Must(LoadSourceConfig(yaml, "outreach.yaml", DevelopmentEnvironment()));
    auto source = Must(CompileSource(config, yaml, db));
    telemetry::Registry metrics;
    auto applier = Must(Applier::Create(db, {source}, SystemClock(), metrics));
    SeededRandom random(7);
    const WallTime start = SystemClock().Wall();
    std::vector<Delivery> deliveries(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) {
      Delivery& delivery = deliveries[static_cast<size_t>(i)];
      delivery.sequence = static_cast<uint64_t>(i) + 1;
      delivery.source = "outreach";
      delivery.received_at = start + std::chrono::milliseconds(i);
      // One in ten is a retry, as senders do.
      delivery.body = i > 10 && random.Percent(10)
                          ? deliveries[random.Below(static_cast<uint64_t>(i))].body
                          : MakeBody(random, i, delivery.received_at);
    }
    const MonoTime begun = SystemClock().Mono();
    total = Must(applier->Apply(deliveries));
    seconds = std::chrono::duration<double>(SystemClock().Mono() - begun).count();
  }
  std::filesystem::remove_all(directory);
  const double rate = count / seconds;
  if (as_json) {
    std::printf("{\"bench\":\"apply\",\"events\":%d,\"seconds\":%.3f,\"events_per_second\":%.0f}\n",
                count, seconds, rate);
  } else {
    std::printf("%-10s %10s %10s %10s %12s\n", "events", "ok", "duplicate", "seconds", "events/s");
    std::printf("%-10d %10llu %10llu %10.3f %12.0f\n", count,
                static_cast<unsigned long long>(total.ok),
                static_cast<unsigned long long>(total.duplicate), seconds, rate);
  }
  return 0;
}

}  // namespace
}  // namespace tw::ingest

int main(int argc, char** argv) {
  int events = 200'000;
  bool as_json = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0) as_json = true;
    if (std::strcmp(argv[i], "--events") == 0 && i + 1 < argc) events = std::atoi(argv[++i]);
  }
  return tw::ingest::Run(events, as_json);
}
