// For presence.cc and its encoder only: the state of one topic on one loop.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "router/presence.h"

namespace tw::router {

struct PresenceEntry {
  PresenceMetaPtr meta;
  uint64_t claim = 0;
  PresenceMember* owner = nullptr;  // Null for metas of other loops and lost ones.
  bool lost = false;
};

struct PresenceTopic {
  using Changes = std::unordered_map<std::string_view, PresenceMetaPtr>;  // By reference.

  void OnGathered() { hub->Flush(*this); }

  PresenceHub* hub = nullptr;
  Bus bus = Bus::kPublic;
  std::string name;
  StringMap<std::vector<PresenceEntry>> metas;  // By key.
  size_t metas_count = 0;
  size_t attached = 0;  // Members, whether they listen or not.
  std::vector<PresenceMember*> listeners[2];  // By version.
  std::vector<PresenceMember*> waiting;       // For the state.
  // What the listeners have not been told yet.
  Changes joined;
  Changes left;
  io::Timer gathering;
};

// {"key":{"metas":[…]},…} of everything there is.
std::string EncodePresenceState(const PresenceTopic& topic);
// {"joins":{…},"leaves":{…}}
std::string EncodePresenceDiff(const PresenceTopic::Changes& joined,
                               const PresenceTopic::Changes& left);
// Whether some key stands in both.
bool ShareKeys(const PresenceTopic::Changes& a, const PresenceTopic::Changes& b);

}  // namespace tw::router
