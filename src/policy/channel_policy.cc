#include "policy/channel_policy.h"

#include <string>

namespace tw::policy {
namespace {

Row TrialRow(std::string_view topic, Extension extension) {
  Row row(ChannelPolicy::Messages()->columns.size());
  row[0] = std::string(topic);
  row[1] = std::string(extension == Extension::kBroadcast ? "broadcast" : "presence");
  row[4] = true;
  return row;
}

}  // namespace

const RelationPtr& ChannelPolicy::Messages() {
  static const RelationPtr relation = [] {
    auto made = std::make_shared<Relation>();
    made->schema = "realtime";
    made->table = "messages";
    made->columns = {{"topic", ColumnType::kText, "text"},
                     {"extension", ColumnType::kText, "text"},
                     {"event", ColumnType::kText, "text"},
                     {"payload", ColumnType::kJson, "jsonb"},
                     {"private", ColumnType::kBool, "bool"},
                     {"id", ColumnType::kUuid, "uuid"},
                     {"inserted_at", ColumnType::kTimestamp, "timestamp"},
                     {"updated_at", ColumnType::kTimestamp, "timestamp"}};
    return RelationPtr(std::move(made));
  }();
  return relation;
}

Result<std::shared_ptr<const ChannelPolicy>> ChannelPolicy::Compile(
    std::span<const PolicyDefinition> read, std::span<const PolicyDefinition> write) {
  TW_ASSIGN_OR_RETURN(auto readable, TablePolicy::Compile(Messages(), read));
  TW_ASSIGN_OR_RETURN(auto writable, TablePolicy::Compile(Messages(), write));
  return std::make_shared<const ChannelPolicy>(std::move(readable), std::move(writable));
}

Result<ChannelRights> ChannelPolicy::Readable(const Claims& claims, std::string_view topic) const {
  const AccessPtr access = read_->AccessFor(claims);
  if (access->error()) return std::unexpected(*access->error());
  return ChannelRights{.broadcast = access->Allows(TrialRow(topic, Extension::kBroadcast)),
                       .presence = access->Allows(TrialRow(topic, Extension::kPresence))};
}

Result<bool> ChannelPolicy::Writable(const Claims& claims, std::string_view topic,
                                     Extension extension) const {
  const AccessPtr access = write_->AccessFor(claims);
  if (access->error()) return std::unexpected(*access->error());
  return access->Allows(TrialRow(topic, extension));
}

}  // namespace tw::policy
