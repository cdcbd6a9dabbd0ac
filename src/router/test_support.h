// For this room's tests only: a table of tasks with a policy per organisation, channels on it, and
// receivers that keep what they get.
#pragma once

#include <gmock/gmock.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "policy/test_support.h"
#include "router/router.h"
#include "websocket/decoder.h"

namespace tw::router {

inline RelationPtr Tasks(uint32_t id = 7) {
  auto relation = std::make_shared<Relation>();
  relation->id = id;
  relation->table = "tasks";
  relation->columns = {{"id", ColumnType::kInt8, "int8"},
                       {"org", ColumnType::kInt8, "int8"},
                       {"status", ColumnType::kText, "text"},
                       {"title", ColumnType::kText, "text"}};
  relation->key = {0};
  return relation;
}

inline constexpr std::string_view kOwnOrg = "org = (auth.jwt() ->> 'org')::int";

inline Claims Member(int org) {
  return policy::MakeClaims(R"({"role":"authenticated","sub":"u)" + std::to_string(org) +
                            R"(","org":)" + std::to_string(org) + "}");
}

inline policy::TablePolicyPtr OwnOrgPolicy(RelationPtr relation, std::string_view sql = kOwnOrg) {
  auto compiled = policy::CompileAll(std::move(relation), {policy::Permissive(std::string(sql))});
  if (!compiled.ok()) ADD_FAILURE() << compiled.error();
  TW_CHECK(compiled.ok());
  return std::move(*compiled);
}

struct BindingOptions {
  int64_t id = 11;
  protocol::EventMask events = protocol::EventMask::kAll;
  std::string filter;
  std::vector<uint16_t> selected;
};

inline TableBinding Bind(const RelationPtr& relation, const policy::TablePolicyPtr& rights, int org,
                         const BindingOptions& options = {}) {
  auto filter = policy::Filter::Parse(options.filter, *relation);
  if (!filter.ok()) ADD_FAILURE() << filter.error();
  TW_CHECK(filter.ok());
  return {.id = options.id,
          .events = options.events,
          .relation = relation,
          .access = rights->AccessFor(Member(org)),
          .filter = std::move(*filter),
          .selected = options.selected};
}

// Takes frames as a connection would.
struct Inbox final : Receiver {
  void OnFrame(const io::SharedBytes& frame) override { frames.push_back(frame); }
  std::vector<io::SharedBytes> frames;
};

// "text:…" or "binary:…" of one whole frame from a server; anything else says what it is not.
inline std::string MessageOf(const io::SharedBytes& frame) {
  std::string bytes(frame.view());
  std::span<char> rest(bytes);
  websocket::Decoder decoder(websocket::Role::kClient);
  const websocket::Event event = decoder.Next(rest);
  if (!rest.empty()) return "more than one frame";
  if (event.kind == websocket::Event::Kind::kText) return "text:" + std::string(event.payload);
  if (event.kind == websocket::Event::Kind::kBinary) return "binary:" + std::string(event.payload);
  return "no message";
}

// The text of one whole unmasked WebSocket text frame; "" (and a failure) for anything else.
inline std::string TextOf(const io::SharedBytes& frame) {
  constexpr std::string_view kText = "text:";
  const std::string message = MessageOf(frame);
  if (!message.starts_with(kText)) {
    ADD_FAILURE() << "not exactly one text frame";
    return {};
  }
  return message.substr(kText.size());
}

inline std::vector<std::string> Texts(const Inbox& inbox) {
  std::vector<std::string> texts;
  for (const auto& frame : inbox.frames) texts.push_back(TextOf(frame));
  return texts;
}

// A row of Tasks.
inline Row Task(int id, int org, std::string status = "open", std::string title = "t") {
  return {id, org, std::move(status), std::move(title)};
}

// One commit after another.
class Commits {
 public:
  explicit Commits(RelationPtr relation) : relation_(std::move(relation)) {}

  Commits& Insert(Row row) { return Add(ChangeOp::kInsert, {}, std::move(row)); }
  Commits& Update(Row from, Row to) {
    return Add(ChangeOp::kUpdate, std::move(from), std::move(to));
  }
  Commits& Delete(Row row) { return Add(ChangeOp::kDelete, std::move(row), {}); }

  // What was added since the last call, as one batch.
  BatchPtr Take() {
    auto batch = std::make_shared<Batch>();
    batch->changes = std::exchange(changes_, {});
    batch->after = offset_ - batch->changes.size();
    batch->position = {.epoch = 1, .offset = offset_};
    for (const Change& change : batch->changes) {
      batch->bytes +=
          sizeof(Change) + ApproximateBytes(change.old_row) + ApproximateBytes(change.new_row);
    }
    return batch;
  }

 private:
  Commits& Add(ChangeOp op, Row from, Row to) {
    changes_.push_back({.offset = ++offset_,
                        .op = op,
                        .committed_at = WallTime{std::chrono::milliseconds{1'767'323'045'678}},
                        .relation = relation_,
                        .old_row = std::move(from),
                        .new_row = std::move(to)});
    return *this;
  }

  RelationPtr relation_;
  uint64_t offset_ = 0;
  std::vector<Change> changes_;
};

}  // namespace tw::router
