// How many changes per second one core authorises and encodes under
//   customer_id in (select id from customers where portal_user_id = auth.uid())
// with N subscribers who are N distinct users of 100 000 customers: typed row → probe → decision →
// frame handed to its receiver. And what a change costs that nobody may see, and what a
// subscription weighs.
//
//   rights_bench [--changes N] [--json]
#include <malloc.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "policy/catalog.h"
#include "policy/schema.h"
#include "router/router.h"

namespace tw::router {
namespace {

constexpr int kCustomers = 100'000;

std::string UuidOf(int number) {
  char text[37];
  std::snprintf(text, sizeof text, "%08x-0000-4000-8000-%012x", number * 7919, number);
  return text;
}

RelationPtr MakeTable(uint32_t id, std::string name,
                      std::vector<std::pair<std::string, ColumnType>> columns) {
  auto relation = std::make_shared<Relation>();
  relation->id = id;
  relation->table = std::move(name);
  for (auto& [column, type] : columns) {
    relation->columns.push_back({std::move(column), type, std::string(TypeName(type))});
  }
  relation->key = {0};
  return relation;
}

struct Counting final : Receiver {
  void OnFrame(const io::SharedBytes& frame) override {
    ++frames;
    bytes += frame.view().size();
  }
  uint64_t frames = 0;
  uint64_t bytes = 0;
};

double CpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

size_t HeapBytes() { return mallinfo2().uordblks; }

Claims ClaimsOf(const std::string& uid) {
  Claims claims;
  claims.text = R"({"role":"authenticated","sub":")" + uid + R"("})";
  claims.document = *json::Parse(claims.text);
  claims.role = "authenticated";
  claims.sub = uid;
  return claims;
}

class Portal {
 public:
  Portal() {
    policy::Schema schema;
    const auto add = [&](const RelationPtr& relation, const char* sql) {
      policy::SchemaTable table;
      table.relation = relation;
      table.policies.push_back({.name = "own", .using_sql = sql, .roles = {}, .where = {}});
      schema.tables.push_back(std::move(table));
    };
    add(customers_, "portal_user_id = auth.uid()");
    add(jobs_, "customer_id in (select id from customers where portal_user_id = auth.uid())");
    auto catalog = policy::CompileEmbedded(schema);
    TW_CHECK(catalog.ok());
    catalog_ = std::move(*catalog);
    auto inner = std::make_unique<policy::InnerTables>(catalog_->inner());
    for (int i = 0; i < kCustomers; ++i) {
      inner->Load(0, {UuidOf(i), UuidOf(1'000'000 + i), "Customer " + std::to_string(i)});
    }
    inner->Loaded(0);
    router_.SetInnerTables(std::move(inner));
  }

  void Subscribe(int subscribers) {
    memberships_ = std::vector<Membership>(static_cast<size_t>(subscribers));
    const auto* table = catalog_->Find("public", "jobs");
    for (int i = 0; i < subscribers; ++i) {
      ChannelSpec spec;
      spec.topic = "realtime:jobs";
      spec.bindings.push_back({.id = 1,
                               .relation = jobs_,
                               .access = table->policy->AccessFor(ClaimsOf(UuidOf(1'000'000 + i))),
                               .filter = {},
                               .selected = {}});
      router_.Join(spec, receiver_, memberships_[static_cast<size_t>(i)]);
    }
  }

  // Batches of `size` changes whose customers are below `customers`, or nobody's.
  double SecondsFor(int changes, int size, int customers) {
    SeededRandom random(1);
    std::vector<Batch> batches;
    for (int done = 0; done < changes; done += size) {
      Batch batch;
      for (int i = 0; i < size; ++i) {
        const int customer = customers > 0 ? static_cast<int>(random.Below(uint64_t(customers)))
                                           : 10'000'000 + i;
        Change change;
        change.offset = ++offset_;
        change.relation = jobs_;
        change.new_row = {int64_t(offset_), UuidOf(customer), "Roof repair " + std::to_string(i),
                          "scheduled", "2026-01-02T03:04:05.678Z", int64_t(4200), true,
                          "Some notes of ordinary length about what is to be done", "north"};
        batch.changes.push_back(std::move(change));
      }
      batch.position = {1, offset_};
      batches.push_back(std::move(batch));
    }
    const double before = CpuSeconds();
    for (const Batch& batch : batches) router_.Publish(batch);
    return CpuSeconds() - before;
  }

  uint64_t frames() const { return receiver_.frames; }

 private:
  RelationPtr customers_ = MakeTable(
      1, "customers",
      {{"id", ColumnType::kUuid}, {"portal_user_id", ColumnType::kUuid}, {"name", ColumnType::kText}});
  RelationPtr jobs_ = MakeTable(2, "jobs",
                                {{"id", ColumnType::kInt8},
                                 {"customer_id", ColumnType::kUuid},
                                 {"title", ColumnType::kText},
                                 {"status", ColumnType::kText},
                                 {"scheduled_at", ColumnType::kTimestamptz},
                                 {"price", ColumnType::kInt8},
                                 {"urgent", ColumnType::kBool},
                                 {"notes", ColumnType::kText},
                                 {"region", ColumnType::kText}});
  policy::CatalogPtr catalog_;
  telemetry::Registry metrics_;
  Router router_{metrics_};
  Counting receiver_;
  std::vector<Membership> memberships_;
  uint64_t offset_ = 0;
};

void Run(int subscribers, int changes, bool json) {
  Portal portal;
  const size_t before = HeapBytes();
  portal.Subscribe(subscribers);
  const double weight = double(HeapBytes() - before) / subscribers;
  portal.SecondsFor(changes / 10, 1, subscribers);  // Warm.
  const uint64_t frames = portal.frames();
  const double single = portal.SecondsFor(changes, 1, subscribers) / changes * 1e6;
  TW_CHECK(portal.frames() - frames == uint64_t(changes));  // Each to its one reader.
  const double bulk = portal.SecondsFor(changes, 1'000, subscribers) / changes * 1e6;
  const double nobody = portal.SecondsFor(changes, 1, 0) / changes * 1e6;
  if (json) {
    std::printf("{\"subscribers\":%d,\"us_per_change\":%.3f,\"us_per_change_bulk\":%.3f,"
                "\"us_unwanted\":%.3f,\"bytes_per_subscription\":%.0f}\n",
                subscribers, single, bulk, nobody, weight);
  } else {
    std::printf("%9d  %10.2f us %10.0f/s %10.2f us bulk %8.2f us unwanted %6.0f B/subscription\n",
                subscribers, single, 1e6 / single, bulk, nobody, weight);
  }
}

}  // namespace
}  // namespace tw::router

int main(int argc, char** argv) {
  int changes = 200'000;
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0) json = true;
    if (std::strcmp(argv[i], "--changes") == 0 && i + 1 < argc) changes = std::atoi(argv[++i]);
  }
  for (const int subscribers : {1'000, 10'000, 100'000}) {
    tw::router::Run(subscribers, changes, json);
  }
}
