// The whole of capture against a real server.
#include "capture/postgres/postgres_capture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "capture/postgres/position.h"
#include "json/json.h"
#include "testing/matchers.h"
#include "testing/postgres_cluster.h"

namespace tw::capture {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::FailsWith;
using testing::IsOk;
using testing::PostgresCluster;

constexpr std::chrono::seconds kPatience{60};

// Keeps what comes as lines of text.
class RecordingSink final : public PostgresSink {
 public:
  void OnHistory(Position head) override {
    Add("history");
    const std::lock_guard lock(mutex_);
    head_ = head;
  }
  Status OnCatalog(const std::vector<RelationPtr>& relations, postgres::Connection&) override {
    const std::lock_guard lock(mutex_);
    relations_ = relations;
    ++catalogs_;
    return {};
  }
  void OnBatch(BatchPtr batch) override {
    {
      const std::lock_guard lock(mutex_);
      EXPECT_EQ(batch->after, head_.offset) << "a gap";
      EXPECT_EQ(batch->position.epoch, head_.epoch);
      head_ = batch->position;
      changes_ += batch->changes.size();
      catalogs_at_last_batch_ = catalogs_;
    }
    for (const Change& change : batch->changes) Add(Text(change));
    Add("commit");
  }
  void OnMessage(std::string_view prefix, std::string_view content) override {
    Add(std::string(prefix) + ":" + std::string(content));
  }
  void OnMutations(std::vector<std::string> ids, Position position) override {
    {
      const std::lock_guard lock(mutex_);
      EXPECT_EQ(position, head_) << "before its commit was handed over, or after the next one";
    }
    for (const std::string& id : ids) Add("mutation " + id);
  }
  void OnTruncate(const Relation& relation) override { Add("truncate " + relation.table); }
  Result<bool> OnTick(postgres::Connection&) override { return false; }
  void OnState(const std::string&) override {}
  bool Congested() override { return false; }

  // The lines so far once one contains `text` and, if it is a change, its batch is whole.
  std::vector<std::string> WaitFor(const std::string& text) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(more_.wait_for(lock, kPatience, [&] {
      const auto found = std::ranges::find_if(lines_, [&](const auto& line) {
        return line.find(text) != std::string::npos;
      });
      // A change is followed by the end of its batch.
      if (found == lines_.end() || *found == "history" || found->starts_with("mutation")) {
        return found != lines_.end();
      }
      return std::find(found, lines_.end(), "commit") != lines_.end();
    })) << "no '" << text << "' in " << ::testing::PrintToString(lines_);
    return std::exchange(lines_, {});
  }
  bool WaitForChanges(uint64_t count) {
    std::unique_lock lock(mutex_);
    return more_.wait_for(lock, kPatience, [&] { return changes_ >= count; });
  }
  int catalogs() {
    const std::lock_guard lock(mutex_);
    return catalogs_;
  }
  // As of the last batch that came.
  int catalogs_at_last_batch() {
    const std::lock_guard lock(mutex_);
    return catalogs_at_last_batch_;
  }
  Position head() {
    const std::lock_guard lock(mutex_);
    return head_;
  }
  void set_head(Position head) {
    const std::lock_guard lock(mutex_);
    head_ = head;
  }
  std::vector<RelationPtr> relations() {
    const std::lock_guard lock(mutex_);
    return relations_;
  }
  void KeepLines(bool keep) { keep_ = keep; }

 private:
  static std::string RowText(const Relation& relation, const Row& row) {
    std::string text;
    for (size_t i = 0; i < row.size(); ++i) {
      if (!text.empty()) text += ",";
      if (row[i].is_absent()) {
        text += "?";
      } else {
        AppendJson(text, row[i], relation.columns[i].type);
      }
    }
    return "(" + text + ")";
  }
  static std::string Text(const Change& change) {
    std::string text = std::string(ToString(change.op)) + " " + change.relation->table;
    if (!change.old_row.empty()) text += " " + RowText(*change.relation, change.old_row);
    if (!change.new_row.empty()) text += " " + RowText(*change.relation, change.new_row);
    return text;
  }
  void Add(std::string line) {
    const std::lock_guard lock(mutex_);
    if (keep_) lines_.push_back(std::move(line));
    more_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable more_;
  std::vector<std::string> lines_;
  std::vector<RelationPtr> relations_;
  Position head_;
  uint64_t changes_ = 0;
  int catalogs_ = 0;
  int catalogs_at_last_batch_ = 0;
  std::atomic<bool> keep_{true};
};

class PostgresCaptureTest : public ::testing::Test {
 protected:
  PostgresCaptureTest() {
    std::string pattern = ::testing::TempDir() + "tidewire-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    files_ = io::MakePosixFileSystem(directory_);
    options_.dsn = PostgresCluster::Shared().NewDatabase();
    options_.retry_min = std::chrono::milliseconds{10};
    options_.retry_max = std::chrono::milliseconds{50};
    auto opened = postgres::Connection::Open({.dsn = options_.dsn});
    EXPECT_THAT(opened, IsOk());
    sql_.emplace(std::move(*opened));
    // Slots belong to the cluster, which the tests share.
    options_.source.slot = "slot_" + sql_->database();
    Sql("create table public.jobs(id int primary key, title text, done bool)");
  }
  ~PostgresCaptureTest() override {
    End();
    WaitUntilSlotIsFree();
    (void)sql_->Query("select pg_drop_replication_slot(slot_name) from pg_replication_slots where"
                      " slot_name = $1", {postgres::Parameter(options_.source.slot)});
    std::filesystem::remove_all(directory_);
  }

  void Sql(const std::string& text) { ASSERT_THAT(sql_->Execute(text), IsOk()) << text; }

  // Opens the log and follows; the first time "history" comes.
  void Begin() {
    auto log = CommitLog::Open(*files_, "changes", random_, metrics_, 1u << 30);
    ASSERT_THAT(log, IsOk());
    log_ = std::move(*log);
    sink_.set_head(log_->head());
    capture_ = std::make_unique<PostgresCapture>(options_, *log_, *files_, sink_, SystemClock(),
                                                 random_, metrics_);
    capture_->Start();
  }
  void End() {
    capture_.reset();
    log_.reset();
  }
  void WaitUntilFollowing() {
    const auto until = SystemClock().Mono() + kPatience;
    while (!capture_->degraded().empty() && SystemClock().Mono() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds{2});
    }
    ASSERT_EQ(capture_->degraded(), "");
  }
  // The walsender needs a moment to notice that its client has gone; until then its slot cannot be
  // dropped.
  void WaitUntilSlotIsFree() { WaitUntilSlotIsFree(options_.source.slot); }
  void WaitUntilSlotIsFree(const std::string& slot) {
    const auto until = SystemClock().Mono() + kPatience;
    while (SystemClock().Mono() < until) {
      const auto active = sql_->Query("select from pg_replication_slots where slot_name = $1 and"
                                      " active", {postgres::Parameter(slot)});
      if (active.ok() && active->empty()) return;
      std::this_thread::sleep_for(std::chrono::milliseconds{2});
    }
    FAIL() << "the slot stays active";
  }
  // Waits until the log has synced everything up to the sink's head.
  void WaitUntilDurable() {
    const auto until = SystemClock().Mono() + kPatience;
    while (log_->head() != sink_.head() && SystemClock().Mono() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds{2});
    }
    ASSERT_EQ(log_->head(), sink_.head());
  }

  std::string directory_;
  SeededRandom random_{1};
  telemetry::Registry metrics_;
  std::unique_ptr<io::FileSystem> files_;
  PostgresCaptureOptions options_;
  std::optional<postgres::Connection> sql_;
  RecordingSink sink_;
  std::unique_ptr<CommitLog> log_;
  std::unique_ptr<PostgresCapture> capture_;
};

TEST_F(PostgresCaptureTest, EachCommitComesWholeAndInOrder) {
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  Sql("begin; insert into public.jobs values(1, 'a', false), (2, null, true);"
      " update public.jobs set title = 'b' where id = 1; delete from public.jobs where id = 2;"
      " commit");
  Sql("begin; insert into public.jobs values(9, 'never', false); rollback");
  Sql("begin; savepoint s; insert into public.jobs values(8, 'never', false); rollback to s;"
      " update public.jobs set id = 3 where id = 1; commit");
  EXPECT_THAT(sink_.WaitFor("(3,"),
              ElementsAre("INSERT jobs (1,\"a\",false)", "INSERT jobs (2,null,true)",
                          "UPDATE jobs (1,?,?) (1,\"b\",false)", "DELETE jobs (2,?,?)", "commit",
                          "UPDATE jobs (1,?,?) (3,\"b\",false)", "commit"));
}

TEST_F(PostgresCaptureTest, AFullIdentityGivesWholeOldRowsAndUnchangedLargeValues) {
  Sql("alter table public.jobs replica identity full; alter table public.jobs alter title set storage"
      " external");
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  Sql("insert into public.jobs values(1, repeat('x', 10000), false)");
  sink_.WaitFor("commit");
  Sql("update public.jobs set done = true where id = 1");
  const std::string large = "\"" + std::string(10'000, 'x') + "\"";
  const auto lines = sink_.WaitFor("commit");
  EXPECT_EQ(lines.front(), "UPDATE jobs (1," + large + ",false) (1," + large + ",true)");
}

TEST_F(PostgresCaptureTest, WithoutAFullIdentityAnUnchangedLargeValueIsAbsent) {
  Sql("alter table public.jobs alter title set storage external");
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  Sql("insert into public.jobs values(1, repeat('x', 10000), false)");
  sink_.WaitFor("commit");
  Sql("update public.jobs set done = true where id = 1");
  EXPECT_EQ(sink_.WaitFor("commit").front(), "UPDATE jobs (1,?,?) (1,?,true)");
}

TEST_F(PostgresCaptureTest, TextIsExactlyWhatPostgresGives) {
  Sql("create type public.mood as enum('ok', 'bad'); create type public.pair as (x int, y text);"
      " create domain public.posint as int check (value > 0);"
      " create table public.kinds(id int primary key, n numeric(30,10), f float8, g float4,"
      " c char(5), b bit(4), m public.mood, p public.pair, d public.posint, a int[], t text[],"
      " ts timestamptz, j jsonb, r int4range, i interval, raw bytea, "
      " twice int generated always as (id * 2) stored)");
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  Sql("insert into public.kinds values(1, '12345678901234567890.1234567890', 0.1, 0.1, 'abc',"
      " B'1010', 'bad', row(1, 'q'), 5, '{1,null,3}', '{\"a b\",null}',"
      " '2026-01-02 03:04:05.678901+02', '{\"a\": 1}', '[1,5)', '1 day 02:03', '\\x0102ff')");
  EXPECT_EQ(sink_.WaitFor("commit").front(),
            "INSERT kinds (1,12345678901234567890.1234567890,0.1,0.1,\"abc  \",\"1010\",\"bad\","
            "{\"x\":1,\"y\":\"q\"},5,[1,null,3],[\"a b\",null],"
            "\"2026-01-02T01:04:05.678901+00:00\",{\"a\":1},\"[1,5)\",\"1 day 02:03:00\","
            "\"0102ff\")");
  const auto relations = sink_.relations();
  const auto kinds = std::ranges::find(relations, "kinds",
                                       [](const RelationPtr& r) { return r->table; });
  ASSERT_NE(kinds, relations.end());
  EXPECT_EQ((*kinds)->columns[9].type_name, "_int4");
  EXPECT_EQ((*kinds)->columns[6].type_name, "mood");
  EXPECT_EQ((*kinds)->columns[8].type_name, "posint");
  EXPECT_EQ((*kinds)->Find("twice"), std::nullopt) << "not in the stream before version 18";
}

TEST_F(PostgresCaptureTest, PartitionsComeUnderTheirRoot) {
  Sql("create table public.log(id int, day date, primary key(id, day)) partition by range(day);"
      " create table public.log_2026 partition of public.log for values from ('2026-01-01') to"
      " ('2027-01-01')");
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  Sql("insert into public.log values(1, '2026-05-05'); delete from public.log_2026");
  EXPECT_THAT(sink_.WaitFor("DELETE"),
              ElementsAre("INSERT log (1,\"2026-05-05\")", "DELETE log (1,\"2026-05-05\")", "commit"));
}

TEST_F(PostgresCaptureTest, ShapesChangeAtTheirPlaceInTheStream) {
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  Sql("begin; insert into public.jobs values(1, 'a', false); alter table public.jobs add column n"
      " int; update public.jobs set n = 7; alter table public.jobs drop column done; update"
      " public.jobs set n = 8; commit");
  EXPECT_THAT(sink_.WaitFor(",8)"),
              ElementsAre("INSERT jobs (1,\"a\",false)", "commit",
                          "UPDATE jobs (1,?,?,?) (1,\"a\",false,7)", "commit",
                          "UPDATE jobs (1,?,?) (1,\"a\",8)", "commit"));
}

TEST_F(PostgresCaptureTest, MessagesAndTruncatesHaveTheirPlace) {
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  Sql("begin; insert into public.jobs values(1, 'a', false); select pg_logical_emit_message(true,"
      " 'note', 'here'); insert into public.jobs values(2, 'b', false); truncate public.jobs; commit;"
      " begin; select pg_logical_emit_message(true, 'note', 'rolled back'); rollback;"
      " insert into public.jobs values(3, 'c', false)");
  EXPECT_THAT(sink_.WaitFor("(3,"),
              ElementsAre("INSERT jobs (1,\"a\",false)", "commit", "note:here",
                          "INSERT jobs (2,\"b\",false)", "commit", "truncate jobs",
                          "INSERT jobs (3,\"c\",false)", "commit"));
}

// Rights change with the commit, for all that it did: what lies between is nobody's to see.
TEST_F(PostgresCaptureTest, TheCatalogueIsReadBeforeATransactionWithDdl) {
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  const int before = sink_.catalogs();
  Sql("begin; insert into public.jobs values(1, 'a', false); select pg_logical_emit_message(true,"
      " 'tidewire.ddl', 'CREATE POLICY'); insert into public.jobs values(2, 'b', false); commit");
  EXPECT_THAT(sink_.WaitFor("(2,"), ElementsAre("INSERT jobs (1,\"a\",false)",
                                                "INSERT jobs (2,\"b\",false)", "commit"));
  EXPECT_EQ(sink_.catalogs_at_last_batch(), before + 1);
}

TEST_F(PostgresCaptureTest, MutationIdsComeBehindAllOfTheirCommit) {
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  Sql("begin; select pg_logical_emit_message(true, 'tidewire.mutation', 'c:1');"
      " insert into public.jobs values(1, 'a', false);"
      " select pg_logical_emit_message(true, 'tidewire.mutation', 'c:2'); commit");
  EXPECT_THAT(sink_.WaitFor("mutation c:2"),
              ElementsAre("INSERT jobs (1,\"a\",false)", "commit", "mutation c:1", "mutation c:2"));
  // Also of a commit that changed nothing, and never of one that was rolled back.
  Sql("begin; select pg_logical_emit_message(true, 'tidewire.mutation', 'c:3'); rollback;");
  Sql("select pg_logical_emit_message(true, 'tidewire.mutation', 'c:4');"
      " insert into public.jobs values(2, 'b', false)");
  Sql("insert into public.jobs values(3, 'c', false)");
  EXPECT_THAT(sink_.WaitFor("(3,"),
              ElementsAre("INSERT jobs (2,\"b\",false)", "commit", "mutation c:4",
                          "INSERT jobs (3,\"c\",false)", "commit"));
}

TEST_F(PostgresCaptureTest, ARestartGoesOnWhereItStopped) {
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  Sql("insert into public.jobs values(1, 'a', false)");
  sink_.WaitFor("commit");
  const Position seen = sink_.head();
  WaitUntilDurable();
  End();
  Sql("insert into public.jobs values(2, 'while away', false)");
  Begin();
  EXPECT_THAT(sink_.WaitFor("commit"), ElementsAre("INSERT jobs (2,\"while away\",false)", "commit"));
  WaitUntilDurable();
  const auto missed = log_->Read(seen.offset, 100);
  ASSERT_THAT(missed, IsOk());
  ASSERT_NE(*missed, nullptr);
  EXPECT_EQ((*missed)->changes.size(), 1u);
  EXPECT_EQ((*missed)->position, sink_.head());
}

// Whoever reads the same WAL gives a change the same position: another process, or this one after a
// crash that lost what it had not synced.
TEST_F(PostgresCaptureTest, AnotherFollowerComputesTheSamePositions) {
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  RecordingSink other_sink;
  PostgresCaptureOptions other_options = options_;
  other_options.source.slot += "_other";
  auto other_log = CommitLog::Open(*files_, "other", random_, metrics_, 1u << 30);
  ASSERT_THAT(other_log, IsOk());
  {
    PostgresCapture other(other_options, **other_log, *files_, other_sink, SystemClock(), random_,
                          metrics_);
    other.Start();
    other_sink.WaitFor("history");
    Sql("begin; insert into public.jobs select i, 'x', false from generate_series(1, 50) i;"
        " delete from public.jobs where id < 20; commit");
    Sql("insert into public.jobs values(100, 'y', false)");
    EXPECT_TRUE(sink_.WaitForChanges(70));
    EXPECT_TRUE(other_sink.WaitForChanges(70));
    EXPECT_EQ(sink_.head(), other_sink.head());
  }
  WaitUntilSlotIsFree(other_options.source.slot);
  EXPECT_THAT(sql_->Query("select pg_drop_replication_slot($1)",
                          {postgres::Parameter(other_options.source.slot)}), IsOk());
}

TEST_F(PostgresCaptureTest, AKilledWalsenderCostsNothing) {
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  for (int i = 1; i <= 5; ++i) {
    Sql("insert into public.jobs values(" + std::to_string(i) + ", 'x', false)");
    ASSERT_THAT(sql_->Query("select pg_terminate_backend(active_pid) from pg_replication_slots"
                            " where slot_name = $1 and active_pid is not null",
                            {postgres::Parameter(options_.source.slot)}),
                IsOk());
  }
  std::vector<std::string> inserts;
  while (inserts.size() < 5) {
    for (std::string& line : sink_.WaitFor("INSERT")) {
      if (line.starts_with("INSERT")) inserts.push_back(std::move(line));
    }
  }
  EXPECT_THAT(inserts, ElementsAre(HasSubstr("(1,"), HasSubstr("(2,"), HasSubstr("(3,"),
                                   HasSubstr("(4,"), HasSubstr("(5,")));
}

TEST_F(PostgresCaptureTest, ADroppedSlotIsAnHonestNewHistory) {
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  const Position before = sink_.head();
  End();
  WaitUntilSlotIsFree();
  Sql("select pg_drop_replication_slot('" + options_.source.slot + "')");
  Sql("insert into public.jobs values(1, 'lost', false)");
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  EXPECT_THAT(log_->Read(before.offset, 10), FailsWith(ErrorCode::kOutOfRange));
  Sql("insert into public.jobs values(2, 'kept', false)");
  EXPECT_THAT(sink_.WaitFor("kept"), ElementsAre("INSERT jobs (2,\"kept\",false)", "commit"));
}

TEST_F(PostgresCaptureTest, ATemporarySlotBeginsAHistoryWithEachStart) {
  options_.source.slot_kind = postgres::SlotKind::kTemporary;
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  const uint64_t epoch = sink_.head().epoch;
  End();
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  EXPECT_NE(sink_.head().epoch, epoch);
  EXPECT_EQ(sql_->Query("select count(*) from pg_replication_slots where slot_name = $1 and not"
                        " temporary", {postgres::Parameter(options_.source.slot)})->Int(0, 0), 0);
}

TEST_F(PostgresCaptureTest, ALargeTransactionGoesThroughTheDiskInParts) {
  options_.assembler.memory_bytes_max = 256 * 1024;
  // The server gives up on whom it does not hear from for a second.
  Sql("alter database " + sql_->database() + " set wal_sender_timeout = '1s'");
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  sink_.KeepLines(false);
  constexpr uint64_t kRows = 140'000;  // More than have a position of their own.
  Sql("insert into public.jobs select i, 'row ' || i, false from generate_series(1, " +
      std::to_string(kRows) + ") i");
  EXPECT_TRUE(sink_.WaitForChanges(kRows));
  WaitUntilDurable();
  EXPECT_THAT(metrics_.Render(), Not(HasSubstr("tidewire_capture_spilled_bytes_total 0\n")));
  EXPECT_THAT(metrics_.Render(), HasSubstr("tidewire_capture_reconnects_total 0\n"));
  // The last ones can be continued from.
  const auto tail = log_->Read(sink_.head().offset - 10, 100);
  ASSERT_THAT(tail, IsOk());
  ASSERT_EQ((*tail)->changes.size(), 10u);
  EXPECT_EQ(*(*tail)->changes.back().new_row[0].AsInt(), static_cast<int64_t>(kRows));
}

TEST_F(PostgresCaptureTest, WhatIsMissingIsNamedWithTheSqlThatMendsIt) {
  const std::string role = "weak_" + sql_->database();
  Sql("create role " + role + " login; create publication tidewire for table public.jobs");
  options_.dsn = PostgresCluster::Shared().Dsn(sql_->database(), role);
  Begin();
  const auto until = SystemClock().Mono() + kPatience;
  while (capture_->degraded().find("RoleLacksReplication") == std::string::npos &&
         SystemClock().Mono() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
  EXPECT_THAT(capture_->degraded(), HasSubstr("alter role \"" + role + "\" replication"));
  Sql("alter role " + role + " replication; grant select on public.jobs to " + role);
  sink_.WaitFor("history");
  WaitUntilFollowing();
}

TEST_F(PostgresCaptureTest, TablesWithoutAKeyAreLeftOutAndTheOthersFlow) {
  Sql("create table public.bare(a int)");
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  Sql("insert into public.bare values(1); insert into public.jobs values(1, 'a', false)");
  EXPECT_THAT(sink_.WaitFor("INSERT"), ElementsAre("INSERT jobs (1,\"a\",false)", "commit"));
  const auto findings = Inspect(*sql_, options_.source);
  ASSERT_THAT(findings, IsOk());
  EXPECT_TRUE(std::ranges::any_of(*findings, [](const Finding& finding) {
    return finding.code == "TableWithoutPrimaryKey" && finding.table == "public.bare";
  }));
}

TEST_F(PostgresCaptureTest, ASnapshotHasAPlaceInTheLog) {
  Begin();
  sink_.WaitFor("history");
  WaitUntilFollowing();
  RecentCommits& recent = capture_->recent();
  for (int i = 1; i <= 20; ++i) {
    Sql("insert into public.jobs values(" + std::to_string(i) + ", 'x', false)");
    const auto place = sql_->Query("select pg_current_snapshot(), pg_current_wal_insert_lsn()");
    ASSERT_THAT(place, IsOk());
    const auto snapshot = ParseSnapshot(place->Text(0, 0));
    ASSERT_THAT(snapshot, IsOk());
    ASSERT_THAT(sql_->Query("select pg_logical_emit_message(true, 'fence', '')"), IsOk());
    ASSERT_TRUE(recent.WaitFor(*postgres::ParseLsn(place->Text(0, 1)), kPatience));
    const auto offset = recent.Locate(*snapshot);
    ASSERT_THAT(offset, IsOk());
    EXPECT_EQ(*offset, sink_.head().offset);
  }
}

}  // namespace
}  // namespace tw::capture
