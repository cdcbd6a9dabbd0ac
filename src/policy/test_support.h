// For this room's tests only: claims, tables and one-line policies.
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/policy.h"

namespace tw::policy {

inline Claims MakeClaims(std::string text) {
  Claims claims;
  claims.text = std::move(text);
  auto document = json::Parse(claims.text);
  if (!document.ok()) ADD_FAILURE() << document.error();
  claims.document = std::move(*document);
  claims.role = std::string(claims.document.root()["role"].AsString().value_or(""));
  claims.sub = std::string(claims.document.root()["sub"].AsString().value_or(""));
  return claims;
}

inline RelationPtr MakeRelation(std::vector<std::pair<std::string, ColumnType>> columns,
                                std::string table = "items") {
  auto relation = std::make_shared<Relation>();
  relation->id = 7;
  relation->table = std::move(table);
  for (auto& [name, type] : columns) {
    relation->columns.push_back({std::move(name), type, std::string(TypeName(type))});
  }
  return relation;
}

// One column of each type, named after it, and n = NULL of type int8.
inline RelationPtr AllTypes() {
  return MakeRelation({{"b", ColumnType::kBool},
                       {"i2", ColumnType::kInt2},
                       {"i4", ColumnType::kInt4},
                       {"i8", ColumnType::kInt8},
                       {"f", ColumnType::kFloat8},
                       {"num", ColumnType::kNumeric},
                       {"t", ColumnType::kText},
                       {"bytes", ColumnType::kBytea},
                       {"j", ColumnType::kJson},
                       {"tz", ColumnType::kTimestamptz},
                       {"ts", ColumnType::kTimestamp},
                       {"d", ColumnType::kDate},
                       {"u", ColumnType::kUuid},
                       {"o", ColumnType::kOther},
                       {"n", ColumnType::kInt8}});
}

inline constexpr std::string_view kUuidA = "5f0c2a4e-9d1b-4c3a-8e7f-0123456789ab";

inline Row SampleRow() {
  return {true,
          3,
          5,
          int64_t{7'000'000'000},
          2.5,
          "1.50",
          "hello",
          Bytes{"\x01\x02"},
          R"({"a":{"b":["x",2]},"tags":["red","blue"],"n":1.0})",
          "2026-01-02T03:04:05Z",
          "2026-01-02 03:04:05",
          "2026-01-02",
          std::string(kUuidA),
          "open",
          Value{}};
}

inline constexpr std::string_view kClaimsText =
    R"({"sub":"5f0c2a4e-9d1b-4c3a-8e7f-0123456789ab","role":"authenticated","org":"5","name":"hello",)"
    R"("app_metadata":{"org":5,"admin":true},"workspaces":["hello","red"],"ids":["5","9"]})";

inline PolicyDefinition Permissive(std::string sql, std::vector<std::string> roles = {}) {
  return {"p", std::move(sql), std::move(roles), PolicyDefinition::Kind::kPermissive,
          "tw.yaml:3:5"};
}
inline PolicyDefinition Restrictive(std::string sql, std::vector<std::string> roles = {}) {
  return {"r", std::move(sql), std::move(roles), PolicyDefinition::Kind::kRestrictive,
          "tw.yaml:4:5"};
}

inline Result<TablePolicyPtr> CompileAll(RelationPtr relation,
                                         std::vector<PolicyDefinition> policies,
                                         const CompileOptions& options = {}) {
  return TablePolicy::Compile(std::move(relation), policies, options);
}

// "true", "false" (FALSE or NULL), "error: …" of the claims, or "refused: …" of the compiler: what
// `sql` says of SampleRow under kClaimsText.
inline std::string Decide(const std::string& sql, const Row& row = SampleRow(),
                          std::string_view claims = kClaimsText) {
  auto policy = CompileAll(AllTypes(), {Permissive(sql)});
  if (!policy.ok()) return "refused: " + policy.error().message;
  const AccessPtr access = (*policy)->AccessFor(MakeClaims(std::string(claims)));
  if (access->error()) return "error: " + access->error()->message;
  return access->Allows(row) ? "true" : "false";
}

// TRUE, FALSE, NULL or an error, told apart with IS TRUE and IS NULL.
inline std::string Truth(const std::string& sql) {
  const std::string is_true = Decide("(" + sql + ") IS TRUE");
  if (is_true != "false") return is_true;
  const std::string is_null = Decide("(" + sql + ") IS NULL");
  if (is_null == "true") return "null";
  return Decide("(" + sql + ") IS FALSE") == "true" ? "false" : "denied";
}

}  // namespace tw::policy
