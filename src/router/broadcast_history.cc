#include "router/broadcast_history.h"

#include <algorithm>

#include "router/topic_pattern.h"

namespace tw::router {
namespace {

constexpr std::string_view kTopicPrefix = "realtime:";

}  // namespace

BroadcastHistory::BroadcastHistory(uint64_t epoch, const HistoryOptions& options,
                                   telemetry::Registry& metrics)
    : options_(options),
      head_{epoch, 0},
      kept_bytes_(metrics.GetGauge("tidewire_broadcast_history_bytes",
                                   "Memory of the broadcasts kept for members that return.")),
      evicted_(metrics.GetCounter("tidewire_broadcast_history_evicted_total",
                                  "Topics whose history went because all histories together were "
                                  "too large.")) {}

const HistoryLimits& BroadcastHistory::LimitsOf(std::string_view topic) const {
  if (topic.starts_with(kTopicPrefix)) topic.remove_prefix(kTopicPrefix.size());
  for (const HistoryClass& candidate : options_.classes) {
    if (TopicFits(candidate.pattern, topic)) return candidate.limits;
  }
  return options_.limits;
}

BroadcastHistory::Topic& BroadcastHistory::TopicOf(Bus bus, const std::string& name) {
  auto& topics = topics_[IndexOf(bus)];
  if (const auto found = topics.find(name); found != topics.end()) {
    order_.splice(order_.end(), order_, found->second);
    return *found->second;
  }
  order_.push_back({.name = name, .bus = bus, .limits = LimitsOf(name), .forgotten = forgotten_});
  topics.emplace(name, std::prev(order_.end()));
  return order_.back();
}

void BroadcastHistory::ForgetOldest(Topic& topic) {
  const size_t bytes = topic.messages.front()->ApproximateBytes();
  topic.forgotten = topic.messages.front()->position.offset;
  topic.bytes -= bytes;
  bytes_ -= bytes;
  kept_bytes_.Add(-static_cast<int64_t>(bytes));
  topic.messages.pop_front();
}

void BroadcastHistory::Trim(Topic& topic, WallTime now) {
  while (!topic.messages.empty() &&
         (topic.messages.size() > topic.limits.messages_max ||
          topic.bytes > topic.limits.bytes_max ||
          topic.messages.front()->sent_at + topic.limits.age_max < now)) {
    ForgetOldest(topic);
  }
}

void BroadcastHistory::ForgetTopic(Order::iterator topic) {
  while (!topic->messages.empty()) ForgetOldest(*topic);
  forgotten_ = std::max(forgotten_, topic->forgotten);
  topics_[IndexOf(topic->bus)].erase(topic->name);
  order_.erase(topic);
}

BroadcastPtr BroadcastHistory::Append(Broadcast message, WallTime now) {
  message.position = {head_.epoch, ++head_.offset};
  message.sent_at = now;
  auto kept = std::make_shared<const Broadcast>(std::move(message));
  if (LimitsOf(kept->topic).messages_max == 0) return kept;
  Topic& topic = TopicOf(kept->bus, kept->topic);
  const size_t bytes = kept->ApproximateBytes();
  topic.messages.push_back(kept);
  topic.bytes += bytes;
  bytes_ += bytes;
  kept_bytes_.Add(static_cast<int64_t>(bytes));
  Trim(topic, now);
  // Idle topics go when their newest message is too old, or when all together are too many.
  while (order_.size() > 1) {
    const auto oldest = order_.begin();
    Trim(*oldest, now);
    const bool over = bytes_ > options_.total_bytes_max;
    if (!oldest->messages.empty() && !over) break;
    if (!oldest->messages.empty()) evicted_.Add();
    ForgetTopic(oldest);
  }
  return kept;
}

HistoryAnswer BroadcastHistory::Read(const HistoryQuery& query, WallTime now) {
  HistoryAnswer answer{.messages = {}, .head = head_, .recovered = {}, .reason = {}};
  const auto& topics = topics_[IndexOf(query.bus)];
  const auto found = topics.find(query.topic);
  Topic* const topic = found == topics.end() ? nullptr : &*found->second;
  if (topic != nullptr) Trim(*topic, now);
  if (query.after) {
    // Of a topic without a history nothing is known but that all is well as long as nobody spoke.
    const uint64_t forgotten = topic != nullptr                              ? topic->forgotten
                               : LimitsOf(query.topic).messages_max == 0 ? head_.offset
                                                                             : forgotten_;
    answer.recovered = false;
    if (query.after->epoch != head_.epoch) {
      answer.reason = "epoch_changed";
    } else if (query.after->offset > head_.offset) {
      answer.reason = "unknown_position";
    } else if (query.after->offset < forgotten) {
      answer.reason = "expired";
    } else {
      answer.recovered = true;
      for (size_t i = 0; topic != nullptr && i < topic->messages.size(); ++i) {
        const BroadcastPtr& message = topic->messages[i];
        if (message->position.offset > query.after->offset) answer.messages.push_back(message);
      }
    }
    return answer;
  }
  if (!query.since || topic == nullptr) return answer;
  for (const BroadcastPtr& message : topic->messages) {
    if (message->sent_at >= *query.since) answer.messages.push_back(message);
  }
  if (answer.messages.size() > query.limit) {
    answer.messages.erase(answer.messages.begin(), answer.messages.end() - query.limit);
  }
  return answer;
}

}  // namespace tw::router
