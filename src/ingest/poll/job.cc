#include "ingest/poll/job.h"

#include "base/strings.h"
#include "json/json.h"

namespace tw::ingest {
namespace {

using Sources = std::vector<std::shared_ptr<const Source>>;

constexpr std::chrono::hours kStreamRuntimeMax{1};

std::optional<StreamRef> Find(const Sources& sources, uint16_t own, std::string_view name) {
  const size_t dot = name.find('.');
  for (uint16_t i = 0; i < sources.size(); ++i) {
    const bool named = dot != std::string_view::npos && sources[i]->name == name.substr(0, dot);
    if (!named && !(dot == std::string_view::npos && i == own)) continue;
    const std::string_view stream = dot == std::string_view::npos ? name : name.substr(dot + 1);
    for (uint16_t j = 0; j < sources[i]->streams.size(); ++j) {
      if (sources[i]->streams[j].name == stream) return StreamRef{i, j};
    }
  }
  return std::nullopt;
}

std::unique_ptr<Job> StreamJob(const Source& source, StreamRef ref) {
  const StreamPlan& stream = source.streams[ref.stream];
  auto job = std::make_unique<Job>();
  job->type = "stream";
  job->plan.name = source.name + "." + stream.name;
  job->plan.schedule = *stream.schedule;
  job->plan.tenants_in_parallel = source.http[stream.request.http].concurrency.total;
  job->plan.max_runtime = kStreamRuntimeMax;
  job->streams.push_back(ref);
  return job;
}

std::unique_ptr<Job> FallbackJob(const Source& source, uint16_t index) {
  auto job = std::make_unique<Job>();
  job->type = "fallback";
  job->plan.name = source.name + ".fallback";
  job->plan.schedule.every = source.fallback->check_every;
  job->plan.misfire = Misfire::kSkip;
  job->plan.max_runtime = kStreamRuntimeMax;
  job->purpose = PullPurpose::kFallback;
  job->fallback = std::make_unique<Fallback>(*source.fallback);
  job->fallback_source = index;
  for (const uint16_t stream : source.fallback->streams) job->streams.push_back({index, stream});
  if (!source.http.empty()) {
    job->plan.tenants_in_parallel = source.http.front().concurrency.total;
  }
  return job;
}

// What running a stream means: of totals, the checks that compare them.
std::vector<StreamRef> Runs(const Sources& sources, const StreamRef& ref) {
  const Source& source = *sources[ref.source];
  if (source.streams[ref.stream].totals.empty()) return {ref};
  std::vector<StreamRef> refs;
  if (!source.consistency) return refs;
  for (uint16_t i = 0; i < source.consistency->checks.size(); ++i) {
    const CheckPlan& check = source.consistency->checks[i];
    if (check.stream == ref.stream) {
      refs.push_back({ref.source, ref.stream, i, "check:" + check.name});
    }
  }
  return refs;
}

void AddChecks(const Source& source, uint16_t index, Job& job) {
  for (uint16_t i = 0; i < source.consistency->checks.size(); ++i) {
    const CheckPlan& check = source.consistency->checks[i];
    job.streams.push_back({index, check.stream, i, "check:" + check.name});
  }
}

std::unique_ptr<Job> ConsistencyJob(const Source& source, uint16_t index) {
  auto job = std::make_unique<Job>();
  job->type = "consistency";
  job->plan.name = source.name + ".consistency";
  job->plan.schedule = source.consistency->schedule;
  job->plan.max_runtime = kStreamRuntimeMax;
  job->purpose = PullPurpose::kCheck;
  AddChecks(source, index, *job);
  return job;
}

std::unique_ptr<Job> ReconcileJob(const Source& source, uint16_t index) {
  constexpr std::chrono::hours kRuntimeMax{6};
  auto job = std::make_unique<Job>();
  job->type = "reconcile";
  job->plan.name = source.name + ".reconcile";
  job->plan.max_runtime = kRuntimeMax;
  job->purpose = PullPurpose::kReconcile;
  job->reconciles = index;
  for (const uint16_t stream : source.consistency->reconcile->streams) {
    // A snapshot reads everything anyway, and its passes go on.
    const bool snapshot = source.streams[stream].mode == StreamMode::kSnapshot;
    job->streams.push_back({index, stream, {}, snapshot ? "" : "reconcile"});
  }
  AddChecks(source, index, *job);
  return job;
}

}  // namespace

std::string Job::Endpoint(const Sources& sources) const {
  std::string text;
  for (const StreamRef& ref : streams) {
    text += (text.empty() ? "" : ", ") + sources[ref.source]->name + "." +
            sources[ref.source]->streams[ref.stream].name;
  }
  return text;
}

JobRow Job::Row(const Sources& sources) const {
  return {.name = plan.name,
          .type = type,
          .schedule = plan.schedule.Text(),
          .endpoint = Endpoint(sources),
          .active = true,
          .last_run_at = last_run,
          .last_status = last_status,
          .last_error = last_error,
          .next_run_at = next};
}

std::string Job::EncodeState() const {
  json::Writer writer;
  writer.Object();
  if (next) writer.Key("next").Int(next->time_since_epoch().count());
  if (last_run) writer.Key("last").Int(last_run->time_since_epoch().count());
  writer.Key("status").String(last_status).Key("error").String(last_error).End();
  return writer.Take();
}

void Job::DecodeState(std::string_view text) {
  const auto document = json::Parse(text);
  if (!document.ok()) return;
  const auto time = [&](std::string_view key) -> std::optional<WallTime> {
    const auto micros = document->root()[key].AsInt();
    if (!micros) return std::nullopt;
    return WallTime(std::chrono::microseconds(*micros));
  };
  next = time("next");
  last_run = time("last");
  last_status = document->root()["status"].AsString().value_or("");
  last_error = document->root()["error"].AsString().value_or("");
}

Result<std::vector<std::unique_ptr<Job>>> MakeJobs(const Sources& sources) {
  std::vector<std::unique_ptr<Job>> jobs;
  for (uint16_t i = 0; i < sources.size(); ++i) {
    const Source& source = *sources[i];
    for (const JobPlan& plan : source.jobs) {
      auto job = std::make_unique<Job>();
      job->type = "job";
      job->plan = plan;
      for (const std::string& name : plan.run) {
        const auto ref = Find(sources, i, name);
        if (!ref) {
          return Fail(ErrorCode::kInvalidArgument, "job " + plan.name + ": no stream " + name);
        }
        const auto refs = Runs(sources, *ref);
        if (refs.empty()) {
          return Fail(ErrorCode::kInvalidArgument,
                      "job " + plan.name + ": no check compares the totals of " + name);
        }
        job->streams.insert(job->streams.end(), refs.begin(), refs.end());
      }
      jobs.push_back(std::move(job));
    }
    for (uint16_t j = 0; j < source.streams.size(); ++j) {
      if (source.streams[j].schedule) jobs.push_back(StreamJob(source, {i, j}));
    }
    if (source.fallback) jobs.push_back(FallbackJob(source, i));
    if (source.consistency) {
      jobs.push_back(ConsistencyJob(source, i));
      if (source.consistency->reconcile) jobs.push_back(ReconcileJob(source, i));
    }
  }
  for (size_t i = 0; i < jobs.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (jobs[i]->plan.name == jobs[j]->plan.name) {
        return Fail(ErrorCode::kInvalidArgument, "two jobs are named " + jobs[i]->plan.name);
      }
    }
  }
  return jobs;
}

}  // namespace tw::ingest
