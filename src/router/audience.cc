#include "router/audience.h"

#include "base/check.h"
#include "router/router.h"

namespace tw::router {

void Membership::Leave() {
  if (audience_ != nullptr) router_->Leave(*this);
}

void Audience::Add(Receiver& receiver, Membership& membership) {
  TW_CHECK(!membership.joined());
  membership.audience_ = this;
  membership.index_ = static_cast<uint32_t>(members.size());
  members.push_back({&receiver, &membership});
}

void Audience::Remove(Membership& membership) {
  TW_CHECK(membership.audience_ == this);
  members[membership.index_] = members.back();
  members[membership.index_].membership->index_ = membership.index_;
  members.pop_back();
  membership.audience_ = nullptr;
}

}  // namespace tw::router
