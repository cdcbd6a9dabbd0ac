// Who may read from and write to which private channel: policies on realtime.messages
// (realtime-protocol §6.1), in the language of the tables' policies.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"
#include "policy/policy.h"

namespace tw::policy {

// What a message on a channel belongs to; the column `extension`.
enum class Extension : uint8_t { kBroadcast, kPresence };

// Rights of one set of claims on one topic, per extension.
struct ChannelRights {
  bool broadcast = false;
  bool presence = false;
  bool any() const { return broadcast || presence; }
  bool operator==(const ChannelRights&) const = default;
};

// Immutable; any thread.
class ChannelPolicy {
 public:
  // Policies for select decide about reading, policies for insert about writing; no policy: nobody
  // but service_role. Errors: as TablePolicy::Compile.
  static Result<std::shared_ptr<const ChannelPolicy>> Compile(
      std::span<const PolicyDefinition> read, std::span<const PolicyDefinition> write);

  // `topic` is without "realtime:". An error in a policy denies, and is returned as the message that
  // the client is owed.
  Result<ChannelRights> Readable(const Claims& claims, std::string_view topic) const;
  Result<bool> Writable(const Claims& claims, std::string_view topic, Extension extension) const;

  // realtime.messages: topic, extension, event, payload, private, id, inserted_at, updated_at. A
  // trial row has the first two and `private`; the others are null.
  static const RelationPtr& Messages();

  ChannelPolicy(TablePolicyPtr read, TablePolicyPtr write)
      : read_(std::move(read)), write_(std::move(write)) {}

 private:
  TablePolicyPtr read_;
  TablePolicyPtr write_;
};

using ChannelPolicyPtr = std::shared_ptr<const ChannelPolicy>;

}  // namespace tw::policy
