#include "session/channel_bus.h"

#include <memory>
#include <utility>

namespace tw::session {

ChannelBus::ChannelBus(uint64_t epoch, uint16_t own, const ChannelBusOptions& options,
                       router::BroadcastHub& members, io::TimerWheel& timers, const Clock& clock,
                       Random& random, telemetry::Registry& registry)
    : members_(members),
      clock_(clock),
      history_(epoch, options.history, registry),
      presence_(own, options.presence, *this, timers, clock, random, registry),
      own_(own) {}

void ChannelBus::Connect(std::vector<Peer> peers) { peers_ = std::move(peers); }

size_t ChannelBus::HomeOf(router::Bus bus, const std::string& topic) const {
  if (peers_.size() < 2) return own_;
  return (std::hash<std::string>{}(topic) + router::IndexOf(bus)) % peers_.size();
}

void ChannelBus::Publish(router::Broadcast message) {
  const size_t home = HomeOf(message.bus, message.topic);
  if (home == own_) return Order(std::move(message));
  peers_[home].post([bus = peers_[home].bus, message = std::move(message)]() mutable {
    bus->Order(std::move(message));
  });
}

void ChannelBus::Order(router::Broadcast message) {
  const router::BroadcastPtr ordered = history_.Append(std::move(message), clock_.Wall());
  members_.Send(*ordered);
  for (size_t i = 0; i < peers_.size(); ++i) {
    if (i == own_) continue;
    peers_[i].post([bus = peers_[i].bus, ordered] { bus->members_.Send(*ordered); });
  }
}

void ChannelBus::ReadHistory(router::HistoryQuery query,
                             Function<void(router::HistoryAnswer)> done) {
  const size_t home = HomeOf(query.bus, query.topic);
  if (home == own_) return done(history_.Read(query, clock_.Wall()));
  peers_[home].post([this, home = peers_[home].bus, query = std::move(query),
                     done = std::move(done)]() mutable {
    auto answer = home->history_.Read(query, home->clock_.Wall());
    home->peers_[own_].post([done = std::move(done), answer = std::move(answer)]() mutable {
      done(std::move(answer));
    });
  });
}

void ChannelBus::SendPresence(router::PresenceChange change) {
  if (peers_.size() < 2) return;
  const auto shared = std::make_shared<const router::PresenceChange>(std::move(change));
  for (size_t i = 0; i < peers_.size(); ++i) {
    if (i == own_) continue;
    peers_[i].post([bus = peers_[i].bus, shared] { bus->presence_.Apply(*shared); });
  }
}

}  // namespace tw::session
