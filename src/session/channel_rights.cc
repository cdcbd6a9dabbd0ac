// What a channel's claims mean for row changes: values that a database computes, column privileges.
#include <algorithm>

#include "policy/program.h"
#include "session/channel.h"
#include "session/channel_follow.h"
#include "session/session.h"

namespace tw::session {

using protocol::ReplyStatus;

bool Channel::AskRights() {
  SessionServices& services = session_.services_;
  if (services.rights == nullptr || request_.bindings.empty() ||
      services.catalog->claims_sql(claims_->role).empty()) {
    return true;
  }
  const uint64_t number = ++rights_asked_;
  services.rights->Evaluate(
      services.catalog, claims_,
      [this, number, alive = alive_](Result<policy::ClaimsValuesPtr> values) {
        if (!*alive || number != rights_asked_) return;
        values_ = values.ok() ? *values : nullptr;
        OnRights();
      });
  return false;
}

void Channel::OnRights() {
  if (!begun_) return BeginChanges();
  Rebind();
  if (state_ != ChannelState::kLive) return;
  TellBindings();
  if (!spec_.TellsAccess()) return;
  if (!live()) {
    rights_touched_ = true;  // Told behind what it has yet to be told.
    return;
  }
  session_.transport_.OnFrame(
      router::Router::AccessChanged(spec_, session_.services_.feed.head()));
}

policy::AccessPtr Channel::AccessTo(const policy::Catalog::Table& table) const {
  // Of nothing is known: whatever depends on claims is denied.
  static const policy::ClaimsValues none;
  if (session_.services_.catalog->claims_sql(claims_->role).empty()) {
    return table.policy->AccessFor(*claims_);
  }
  return table.policy->AccessFor(*claims_, values_ != nullptr ? values_.get() : &none);
}

std::string Channel::TakePrivileges(const policy::Access& access, const policy::Filter& filter,
                                    std::vector<uint16_t>& selected) const {
  const std::vector<bool>& readable = access.program().readable();
  if (readable.empty()) return {};
  const Relation& relation = *access.program().relation();
  const bool keys = std::ranges::all_of(relation.key, [&](uint16_t c) { return readable[c]; });
  // A filter would tell of values that may not be read.
  if (!keys || !filter.empty()) return "Error 401: Unauthorized";
  std::vector<uint16_t> allowed;
  for (uint16_t column = 0; column < relation.columns.size(); ++column) {
    const bool wanted = selected.empty() || std::ranges::find(selected, column) != selected.end();
    if (wanted && readable[column]) allowed.push_back(column);
  }
  selected = std::move(allowed);
  return {};
}

void Channel::Rebind() {
  if (following_ != nullptr && !following_->at_rest) {
    // What it has not been told yet was committed under the rights that it has.
    if (!following_->rebind_at) following_->rebind_at = session_.services_.feed.head().offset;
    return;
  }
  Resolve();
  // Rows that were read under other rights, or in another shape, are read again.
  if (state_ == ChannelState::kCatchingUp && snapshot_ != nullptr) return AskSnapshot();
  if (state_ == ChannelState::kLive) JoinStream();
}

void Channel::TellBindings() {
  if (!request_.bindings.empty() && binding_errors_.empty()) {
    SendSystem("postgres_changes", ReplyStatus::kOk, "Subscribed to PostgreSQL");
  }
  for (const std::string& error : binding_errors_) {
    SendSystem("postgres_changes", ReplyStatus::kError, error);
  }
}

}  // namespace tw::session
