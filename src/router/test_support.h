// For tests of this room and of the rooms above: a table with a policy, its changes, and receivers.
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/bytes.h"
#include "model/change.h"
#include "model/claims.h"
#include "policy/filter.h"
#include "policy/policy.h"
#include "router/audience.h"
#include "router/channel_spec.h"
#include "websocket/decoder.h"

namespace tw::router {

inline constexpr uint64_t kEpoch = 0xc0ffee;
inline constexpr std::string_view kOwnersOnly = "owner = (auth.jwt() ->> 'sub')";

// tasks(id int8 key, owner text, org int8, title text)
inline RelationPtr TasksRelation(uint32_t id = 7, std::string table = "tasks") {
  auto relation = std::make_shared<Relation>();
  relation->id = id;
  relation->table = std::move(table);
  relation->columns = {{"id", ColumnType::kInt8, "int8"},
                       {"owner", ColumnType::kText, "text"},
                       {"org", ColumnType::kInt8, "int8"},
                       {"title", ColumnType::kText, "text"}};
  relation->key = {0};
  return relation;
}

inline Row Task(int64_t id, std::string_view owner, int64_t org, std::string_view title) {
  return {id, owner, org, title};
}

inline ClaimsPtr ClaimsOf(std::string_view sub, std::string_view role = "authenticated") {
  auto claims = std::make_shared<Claims>();
  claims->text = R"({"sub":")" + std::string(sub) + R"(","role":")" + std::string(role) + R"("})";
  claims->document = *json::Parse(claims->text);
  claims->role = role;
  claims->sub = sub;
  claims->expires_at = WallTime::max();
  return claims;
}

// `using_sql` empty: no row-level security.
inline policy::TablePolicyPtr PolicyOf(RelationPtr relation, std::string_view using_sql) {
  std::vector<policy::PolicyDefinition> definitions;
  policy::CompileOptions options;
  if (using_sql.empty()) {
    options.row_level_security = policy::RowLevelSecurity::kDisabled;
  } else {
    definitions.push_back({.name = "p", .using_sql = std::string(using_sql)});
  }
  auto compiled = policy::TablePolicy::Compile(std::move(relation), definitions, options);
  if (!compiled.ok()) ADD_FAILURE() << compiled.error();
  return *compiled;
}

// What follows a change; offsets and the time are filled in by BatchOf.
inline Change Insert(RelationPtr relation, Row row) {
  return {.op = ChangeOp::kInsert, .relation = std::move(relation), .new_row = std::move(row)};
}
inline Change Update(RelationPtr relation, Row before, Row after) {
  return {.op = ChangeOp::kUpdate,
          .relation = std::move(relation),
          .old_row = std::move(before),
          .new_row = std::move(after)};
}
inline Change Delete(RelationPtr relation, Row row) {
  return {.op = ChangeOp::kDelete, .relation = std::move(relation), .old_row = std::move(row)};
}

// One commit at 2026-01-02T03:04:05.678Z whose first change has offset `first`.
inline BatchPtr BatchOf(uint64_t first, std::vector<Change> changes, uint64_t epoch = kEpoch) {
  auto batch = std::make_shared<Batch>();
  batch->changes = std::move(changes);
  for (Change& change : batch->changes) {
    change.offset = first++;
    change.committed_at = WallTime{std::chrono::microseconds{1'767'323'045'678'000}};
    batch->bytes += ApproximateBytes(change.old_row) + ApproximateBytes(change.new_row);
  }
  batch->position = {epoch, first - 1};
  return batch;
}

// "text:…" or "binary:…" of one whole frame from a server.
inline std::string MessageOf(const io::SharedBytes& frame) {
  std::string bytes(frame.view());
  std::span<char> input(bytes);
  websocket::Decoder decoder(websocket::Role::kClient);
  const websocket::Event event = decoder.Next(input);
  if (!input.empty()) return "more than one frame";
  switch (event.kind) {
    case websocket::Event::Kind::kText:
      return "text:" + std::string(event.payload);
    case websocket::Event::Kind::kBinary:
      return "binary:" + std::string(event.payload);
    case websocket::Event::Kind::kNeedMore:
    case websocket::Event::Kind::kPing:
    case websocket::Event::Kind::kPong:
    case websocket::Event::Kind::kClose:
    case websocket::Event::Kind::kError:
      break;
  }
  return "no message";
}

// The text of a text frame.
inline std::string TextOf(const io::SharedBytes& frame) {
  const std::string message = MessageOf(frame);
  EXPECT_TRUE(message.starts_with("text:")) << message;
  return message.substr(message.find(':') + 1);
}

// Keeps what it gets.
class Recorder : public Receiver {
 public:
  void OnFrame(const io::SharedBytes& frame) override { frames.push_back(frame); }

  // The texts since the last call.
  std::vector<std::string> Take() {
    std::vector<std::string> texts;
    for (const io::SharedBytes& frame : std::exchange(frames, {})) texts.push_back(TextOf(frame));
    return texts;
  }

  std::vector<io::SharedBytes> frames;
};

}  // namespace tw::router
