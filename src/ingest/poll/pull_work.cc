#include "ingest/poll/pull_work.h"

namespace tw::ingest {

std::string_view ToString(PullPurpose purpose) {
  switch (purpose) {
    case PullPurpose::kPoll:
    case PullPurpose::kFallback:
      return "poll";
    case PullPurpose::kBackfill:
      return "backfill";
    case PullPurpose::kReconcile:
      return "reconcile";
    case PullPurpose::kCheck:
      return "check";
  }
  return "";
}

std::string_view ChannelOf(PullPurpose purpose) {
  return purpose == PullPurpose::kBackfill ? "backfill" : "poll";
}

std::string_view ToString(RunStatus status) {
  switch (status) {
    case RunStatus::kSuccess:
      return "success";
    case RunStatus::kUnchanged:
      return "success";
    case RunStatus::kPartial:
      return "partial";
    case RunStatus::kDeferred:
      return "deferred";
    case RunStatus::kLoop:
      return "loop";
    case RunStatus::kRefused:
      return "refused";
    case RunStatus::kUnauthorized:
      return "unauthorized";
    case RunStatus::kFailed:
      return "failed";
    case RunStatus::kCancelled:
      return "cancelled";
  }
  return "";
}

// A unit separator cannot stand in a configured name.
std::string StreamStateKey(std::string_view source, std::string_view stream,
                           std::string_view tenant) {
  return "stream\x1f" + std::string(source) + "\x1f" + std::string(stream) + "\x1f" +
         std::string(tenant);
}

std::string PlaceKey(std::string_view source, std::string_view stream, std::string_view tenant,
                     std::string_view place) {
  std::string key = StreamStateKey(source, stream, tenant);
  if (!place.empty()) key += "\x1f" + std::string(place);
  return key;
}

std::string JobStateKey(std::string_view job) { return "job\x1f" + std::string(job); }

}  // namespace tw::ingest
