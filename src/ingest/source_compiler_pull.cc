// SourceCompiler: tenants' credentials, HTTP clients, requests, schedules, jobs, fallback.
#include <algorithm>

#include "base/strings.h"
#include "ingest/source_compiler.h"

namespace tw::ingest {
namespace {

std::string WithoutFinalSlash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace

void SourceCompiler::CompileCredentials() {
  const CredentialsConfig& config = *config_.tenants.credentials;
  const TableView* table = Table(config.table);
  if (table == nullptr) return;
  if (config.key.size() != 2) {
    return problems_.Add(config.table.where,
                         "tenants.credentials.key needs two columns: of the tenant's id and of "
                         "the credential's name");
  }
  CredentialsPlan& plan = source_.tenants.credentials.emplace();
  plan.table = table->name;
  plan.tenant_column = *config.key[0];
  plan.name_column = *config.key[1];
  plan.value_column = *config.value;
  for (const Text* column : {&config.key[0], &config.key[1], &config.value}) {
    (void)Column(*table, **column, column->where);
  }
}

void SourceCompiler::CompileVia() {
  const auto& via = config_.webhook->tenant.via;
  if (!via) return;
  const TableView* table = Table(via->table);
  if (table == nullptr) return;
  (void)Column(*table, *via->column, via->column.where);
  (void)Column(*table, *via->tenant, via->tenant.where);
  source_.tenants.via_table = table->name;
  source_.tenants.via_column = *via->column;
  source_.tenants.via_tenant_column = *via->tenant;
}

Template SourceCompiler::CompileTemplate(std::string_view text, const config::Location& where) {
  auto compiled = Template::Compile(text);
  if (!compiled.ok()) {
    problems_.Add(where, compiled.error().message);
    return {};
  }
  for (const std::string_view name : compiled->names()) {
    constexpr std::string_view kSecret = "secret.";
    constexpr std::string_view kTenant = "tenant.";
    constexpr std::string_view kCredential = "tenant.cred.";
    if (name.starts_with(kSecret)) {
      const std::string_view secret = name.substr(kSecret.size());
      if (!source_.secrets.contains(secret)) {
        std::vector<std::string_view> names;
        for (const auto& item : config_.secrets) names.push_back(item.key);
        Unknown("secret in secrets", secret, names, where);
      }
    } else if (name.starts_with(kCredential)) {
      if (!config_.tenants.credentials) {
        problems_.Add(where, "${" + std::string(name) + "} needs tenants.credentials");
      }
    } else if (name.starts_with(kTenant)) {
      const std::string_view column = name.substr(kTenant.size());
      std::vector<std::string_view> names{"id", "name", "timezone"};
      for (const auto& more : source_.tenants.more) names.push_back(more.first);
      if (std::ranges::find(names, column) == names.end()) {
        Unknown("column in tenants.registry.columns", column, names, where);
      }
    }
  }
  return *std::move(compiled);
}

BodyTemplate SourceCompiler::CompileBody(const config::Node& node) {
  BodyTemplate body{.kind = node.kind()};
  for (const config::Node::Entry& entry : node.entries()) {
    body.members.push_back({entry.key, CompileBody(entry.value)});
  }
  for (const config::Node& item : node.items()) body.members.push_back({"", CompileBody(item)});
  if (node.kind() == config::Node::Kind::kText) {
    body.text = CompileTemplate(node.text(), node.where());
  } else {
    body.literal = node.text();
  }
  return body;
}

std::optional<RequestPlan> SourceCompiler::CompileRequest(const RequestConfig& request,
                                                          const config::Location& where) {
  RequestPlan plan{.method = request.method, .enter_tenant = request.enter_tenant};
  if (!request.http->empty()) {
    const auto index = Lookup("client in http", request.http, config_.http);
    if (!index) return std::nullopt;
    plan.http = *index;
  } else if (config_.http.size() != 1) {
    problems_.Add(where, config_.http.empty() ? "a request needs a client: add http.base_url"
                                              : "which of the clients in http? add http: NAME");
    return std::nullopt;
  }
  plan.absolute = !request.url->empty();
  if (plan.absolute == !request.path->empty()) {
    problems_.Add(where, "a request needs either path or url");
    return std::nullopt;
  }
  const Text& target = plan.absolute ? request.url : request.path;
  if (!plan.absolute && !target->starts_with('/')) {
    problems_.Add(target.where, "a path begins with /");
  }
  plan.target = CompileTemplate(*target, target.where);
  for (const auto& item : request.query) {
    if (!item.value.is_scalar()) {
      problems_.Add(item.where, "query." + item.key + ": expected one value");
      continue;
    }
    plan.query.push_back({item.key, CompileTemplate(item.value.text(), item.value.where())});
  }
  if (!request.json.is_null()) plan.body = CompileBody(request.json);
  return plan;
}

void SourceCompiler::CompileHttp() {
  for (const auto& item : config_.http) {
    const HttpClientConfig& config = item.value;
    HttpPlan plan{.name = item.key,
                  .base_url = WithoutFinalSlash(*config.base_url),
                  .concurrency = config.concurrency,
                  .timeout = config.timeout,
                  .response_bytes_max = config.max_response.bytes,
                  .retry = config.retry,
                  .rate_limit = config.rate_limit,
                  .breaker = config.breaker};
    if (!plan.base_url.starts_with("https://") && !plan.base_url.starts_with("http://")) {
      problems_.Add(config.base_url.where, "base_url begins with https:// or http://");
    }
    plan.bearer = CompileTemplate(*config.auth.bearer, config.auth.bearer.where);
    for (const auto& query : config.auth.query) {
      plan.query.push_back({query.key, CompileTemplate(*query.value, query.value.where)});
    }
    for (const auto& header : config.auth.headers) {
      plan.headers.push_back({header.key, CompileTemplate(*header.value, header.value.where)});
    }
    source_.http.push_back(std::move(plan));
  }
  // Their requests may name any client.
  for (size_t i = 0; i < config_.http.size(); ++i) {
    const auto& item = config_.http.items[i];
    const auto& enter = item.value.enter_tenant;
    if (!enter) continue;
    RequestConfig request = enter->request;
    if (request.http->empty()) request.http = Text(item.key);
    if (auto plan = CompileRequest(request, item.where)) {
      source_.http[i].enter_tenant = {*std::move(plan), enter->settle, enter->verify};
    }
    if (enter->verify && *enter->verify->equals != "tenant.id" &&
        *enter->verify->equals != "tenant.name") {
      problems_.Add(enter->verify->equals.where, "expected tenant.id or tenant.name");
    }
  }
}

std::optional<SchedulePlan> SourceCompiler::CompileSchedule(const ScheduleConfig& schedule,
                                                            const config::Location& where) {
  SchedulePlan plan{.every = schedule.every, .splay = schedule.splay};
  if (schedule.cron->empty() == (schedule.every.count() == 0)) {
    problems_.Add(where, "a schedule needs either cron or every");
    return std::nullopt;
  }
  plan.zone = zones_.Find(*schedule.tz);
  if (plan.zone == nullptr) {
    problems_.Add(schedule.tz.where, "no time zone '" + *schedule.tz + "' in the tz database");
    return std::nullopt;
  }
  if (schedule.cron->empty()) return plan;
  auto cron = Cron::Parse(*schedule.cron);
  if (!cron.ok()) {
    problems_.Add(schedule.cron.where, cron.error().message);
    return std::nullopt;
  }
  plan.cron = *std::move(cron);
  return plan;
}

// Streams whose records are read; totals have none.
std::vector<uint16_t> SourceCompiler::PolledStreams(std::span<const Text> names) {
  std::vector<uint16_t> streams;
  for (const Text& name : names) {
    const auto index = Lookup("stream", name, config_.streams);
    if (!index) continue;
    if (!source_.streams[*index].totals.empty()) {
      problems_.Add(name.where, "stream " + *name + " has totals and no records");
      continue;
    }
    streams.push_back(*index);
  }
  return streams;
}

void SourceCompiler::CompileFallback() {
  const FallbackConfig& config = *config_.fallback;
  FallbackPlan& plan = source_.fallback.emplace();
  plan.check_every = config.check.every;
  plan.quiet_after = config.quiet_after;
  plan.also_every = config.also_every;
  plan.leave_after = config.leave_when.webhook_seen;
  plan.settle = config.settle;
  plan.missed_level = config.missed.alert;
  plan.missed_critical_above = config.missed.critical_above;
  constexpr std::string_view kNames[] = {"n", "fact", "tenant.name"};
  if (auto text = Template::Compile(*config.missed.text, kNames); text.ok()) {
    plan.missed_text = *std::move(text);
  } else {
    problems_.Add(config.missed.text.where, text.error().message);
  }
  plan.streams = PolledStreams(config.streams);
  if (!config_.webhook) {
    problems_.Add(config.streams.empty() ? config::Location() : config.streams.front().where,
                  "a fallback needs a webhook to fall back from");
  }
}

void SourceCompiler::CompileJobs() {
  for (const auto& item : config_.jobs) {
    const JobConfig& config = item.value;
    auto schedule = CompileSchedule(config.schedule, item.where);
    if (!schedule) continue;
    JobPlan plan{.name = item.key,
                 .schedule = *std::move(schedule),
                 .tenants_in_parallel = config.tenants_in_parallel,
                 .on_tenant_error = config.on_tenant_error,
                 .overlap = config.overlap,
                 .misfire = config.misfire,
                 .max_runtime = config.max_runtime,
                 .late_after = config.late_after};
    for (const Text& stream : config.run) {
      // "source.stream" is resolved when all sources are known.
      if (stream->find('.') == std::string::npos && !Lookup("stream", stream, config_.streams)) {
        continue;
      }
      plan.run.push_back(*stream);
    }
    source_.jobs.push_back(std::move(plan));
  }
}

std::optional<WallTime> SchedulePlan::Next(WallTime after) const {
  if (cron) return cron->Next(after, *zone);
  if (every.count() == 0) return std::nullopt;
  const auto period = std::chrono::duration_cast<std::chrono::microseconds>(every).count();
  const int64_t count = after.time_since_epoch().count() / period + 1;
  return WallTime(std::chrono::microseconds(count * period));
}

std::string SchedulePlan::Text() const {
  if (cron) return cron->text();
  return every.count() == 0 ? "on request" : "every " + config::DurationText(every);
}

}  // namespace tw::ingest
