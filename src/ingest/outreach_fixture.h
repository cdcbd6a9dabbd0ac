// Test-only: the outreach example on a database in a temporary directory, and its payloads.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/check.h"
#include "config/environment.h"
#include "ingest/apply/applier.h"
#include "ingest/source.h"
#include "sqlite/sqlite.h"
#include "telemetry/metrics.h"
#include "testing/fake_clock.h"

namespace tw::ingest {

class FixedEnvironment final : public config::Environment {
 public:
  std::optional<std::string> Variable(const std::string& name) const override {
    if (name == "TIDEWIRE_HOOK_TOKEN") return "dev";
    if (name == "TIDEWIRE_HOOK_SECRET") return "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    if (name == "TIDEWIRE_OUTREACH_URL") return "https://outreach.example.com/api";
    return std::nullopt;
  }
  Result<std::string> ReadFile(const std::string& path, size_t) const override {
    return Fail(ErrorCode::kNotFound, path);
  }
};

inline std::string ReadExample(const std::string& name) {
  std::ifstream file(std::string(TW_SOURCE_DIR) + "/examples/outreach/" + name);
  TW_CHECK(file.good());
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) ADD_FAILURE() << result.error();
  TW_CHECK(result.ok());
  return std::move(result).value();
}
inline void MustOk(const Status& status) {
  ASSERT_TRUE(status.ok()) << status.error();
}

inline WallTime At(std::string_view text) {
  return *ParseTimestamp(text);
}

// What a payload says; empty parts are left out of it.
struct Payload {
  std::string type = "EMAIL_SENT";
  std::string workspace = "37";  // JSON text
  std::string workspace_name = "Northwind";
  int64_t lead = 632586;
  std::string email = "ada@example.com";
  std::string at;  // RFC 3339
  int64_t campaign = 42;
  int64_t sender = 12;
  int64_t reply = 0;
  int64_t scheduled = 0;
  std::string first_name = "Ada";
  std::string phone;
  std::string salt;

  std::string Text() const;
};

inline std::string Payload::Text() const {
  const std::string kind = ToLower(type);
  const auto quoted = [](const std::string& text) { return "\"" + text + "\""; };
  std::string text =
      "{\"event\":{\"type\":" + quoted(type) + ",\"name\":" + quoted(type) +
      ",\"instance_url\":\"https://send.example.com\",\"workspace_id\":" + workspace +
      ",\"workspace_name\":" + quoted(workspace_name);
  const bool by_event = kind.ends_with("unsubscribed") || kind.ends_with("bounced");
  if (by_event && !at.empty()) text += ",\"timestamp\":" + quoted(at);
  if (!salt.empty()) text += ",\"salt\":" + quoted(salt);
  text += "},\"data\":{\"lead\":{\"id\":" + std::to_string(lead) + ",\"email\":" + quoted(email) +
          ",\"first_name\":" + (first_name.empty() ? "null" : quoted(first_name)) +
          ",\"last_name\":\"Lovelace\",\"status\":\"verified\",\"title\":\"Countess\","
          "\"company\":\"Engines\",\"custom_variables\":[";
  if (!phone.empty()) text += "{\"name\":\"Phone\",\"value\":" + quoted(phone) + "}";
  text += "]},\"campaign\":{\"id\":" + std::to_string(campaign) +
          ",\"name\":\"Autumn\"},\"sender_email\":{\"id\":" + std::to_string(sender) +
          ",\"email\":\"s@example.com\",\"name\":\"S\"}";
  if (scheduled != 0) text += ",\"scheduled_email\":{\"id\":" + std::to_string(scheduled) + "}";
  const bool replies = kind.ends_with("replied") || kind.ends_with("interested");
  if (replies || kind == "manual_email_sent") {
    text += ",\"reply\":{\"id\":" + std::to_string(reply) + ",\"uuid\":\"u-" +
            std::to_string(reply) + "\"";
    if (!at.empty()) text += (replies ? ",\"date_received\":" : ",\"date_sent\":") + quoted(at);
    text += ",\"from_name\":\"Ada\",\"from_email_address\":" + quoted(email) + "}";
  }
  text += ",\"email\":{\"subject\":\"Hello\"";
  if (kind == "email_sent" && !at.empty()) text += ",\"sent_at\":" + quoted(at);
  if (kind == "email_opened" && !at.empty()) text += ",\"opened_at\":" + quoted(at);
  return text + "}}}";
}

class OutreachTest : public ::testing::Test {
 protected:
  OutreachTest() {
    std::string pattern = ::testing::TempDir() + "tidewire-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    Open();
    MustOk(db_->Execute(ReadExample("schema.sql")));
    MustOk(db_->Execute(ReadExample("seed.sql")));
    Load(ReadExample("outreach.yaml"));
  }
  ~OutreachTest() override {
    applier_.reset();
    db_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Open() {
    db_.emplace(Must(
        sqlite::Database::Open(directory_ + "/test.db", {.durability = sqlite::Durability::kOff})));
  }
  void Load(const std::string& yaml) {
    const SourceConfig config = Must(LoadSourceConfig(yaml, "outreach.yaml", environment_));
    source_ = Must(CompileSource(config, yaml, *db_));
    Start();
  }
  void Start() {
    applier_.reset();
    applier_ = Must(Applier::Create(*db_, {source_}, clock_, metrics_));
  }
  // As after a kill: memory is gone, the database is what was committed.
  void Restart() {
    applier_.reset();
    db_.reset();
    Open();
    Start();
  }

  Delivery Make(const std::string& body, std::string_view received = {}) {
    Delivery delivery;
    delivery.sequence = ++sequence_;
    delivery.source = "outreach";
    delivery.received_at = received.empty() ? clock_.Wall() : At(received);
    delivery.body = body;
    return delivery;
  }
  ApplyOutcome Apply(const std::vector<Delivery>& deliveries) {
    return Must(applier_->Apply(deliveries));
  }
  ApplyOutcome Send(const std::string& body, std::string_view received = {}) {
    return Apply({Make(body, received)});
  }
  // Rows as "a|b;c|d"; NULL is "-".
  std::string Query(const std::string& sql) {
    auto statement = Must(db_->Prepare(sql));
    std::string rows;
    while (Must(statement.Step())) {
      if (!rows.empty()) rows += ';';
      for (int i = 0; i < statement.ColumnCount(); ++i) {
        if (i > 0) rows += '|';
        rows += statement.ColumnIsNull(i) ? "-" : std::string(statement.ColumnText(i));
      }
    }
    return rows;
  }
  std::string Month(std::string_view metric, std::string_view month,
                    std::string_view workspace = "Northwind") {
    return Query("select " + std::string(metric) + " from client_metrics where metric_date = '" +
                 std::string(month) + "-01' and workspace_name = '" + std::string(workspace) + "'");
  }
  // The oracle: every counter row recomputed from the facts and the adjustments of days.
  void ExpectCountersEqualFacts() {
    EXPECT_EQ(Query("select r.workspace_name, m.value, f.bucket_day, count(*) from tidewire_fact f "
                    "join client_registry r on cast(r.bison_workspace_id as text) = f.tenant, "
                    "json_each('[\"' || replace(f.contribution, ',', '\",\"') || '\"]') m "
                    "where f.merged_into = 0 group by 1, 2, 3 order by 1, 2, 3"),
              Query("select workspace_name, metric, local_day, n from client_metrics_daily "
                    "where n <> 0 order by 1, 2, 3"));
    for (const char* metric :
         {"emails_sent_mtd", "manual_emails_sent_mtd", "opens_mtd", "replies_mtd",
          "positive_replies_mtd", "unsubscribed_mtd", "bounced_mtd"}) {
      EXPECT_EQ(Query(std::string("select workspace_name, metric_date, ") + metric +
                      " from client_metrics where " + metric + " <> 0 order by 1, 2"),
                Query(std::string("select workspace_name, substr(local_day, 1, 7) || '-01', "
                                  "sum(n + adjusted) "
                                  "from client_metrics_daily where metric = '") +
                      metric + "' group by 1, 2 having sum(n + adjusted) <> 0 order by 1, 2"));
    }
  }

  std::string directory_;
  FixedEnvironment environment_;
  testing::FakeClock clock_;
  telemetry::Registry metrics_;
  std::optional<sqlite::Database> db_;
  std::shared_ptr<const Source> source_;
  std::unique_ptr<Applier> applier_;
  uint64_t sequence_ = 0;
};

}  // namespace tw::ingest
