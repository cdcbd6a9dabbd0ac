#include "ingest/poll/request_builder.h"

#include <algorithm>

#include "json/json.h"

namespace tw::ingest {
namespace {

std::unexpected<Error> Missing(const std::string& name) {
  return Fail(ErrorCode::kFailedPrecondition, "there is no value for ${" + name + "}");
}

void AppendBody(json::Writer& writer, const BodyTemplate& body, const TemplateValues& values,
                std::string& missing) {
  switch (body.kind) {
    case config::Node::Kind::kMap:
      writer.Object();
      for (const auto& [key, member] : body.members) {
        writer.Key(key);
        AppendBody(writer, member, values, missing);
      }
      writer.End();
      return;
    case config::Node::Kind::kList:
      writer.Array();
      for (const auto& [key, member] : body.members) AppendBody(writer, member, values, missing);
      writer.End();
      return;
    case config::Node::Kind::kText:
      writer.String(body.text.Fill(values, missing));
      return;
    case config::Node::Kind::kNull:
      writer.Null();
      return;
    case config::Node::Kind::kBool:
    case config::Node::Kind::kInt:
    case config::Node::Kind::kFloat:
      writer.Raw(body.literal);
      return;
  }
}

bool HasQuery(std::string_view url, std::string_view name) {
  const std::string key = PercentEncode(name) + "=";
  const size_t query = url.find('?');
  if (query == std::string_view::npos) return false;
  const std::string_view parameters = url.substr(query + 1);
  return parameters.starts_with(key) || parameters.find("&" + key) != std::string_view::npos;
}

Status AddCredentials(const HttpPlan& http, const TemplateValues& values, fetch::Request& request) {
  std::string missing;
  if (!http.bearer.empty()) {
    request.headers.push_back({"Authorization", "Bearer " + http.bearer.Fill(values, missing)});
  }
  for (const auto& [name, value] : http.headers) {
    request.headers.push_back({name, value.Fill(values, missing)});
    request.credential_headers.push_back(name);
  }
  for (const auto& [name, value] : http.query) {
    if (!HasQuery(request.url, name)) AddQuery(request.url, name, value.Fill(values, missing));
  }
  if (!missing.empty()) return Missing(missing);
  return {};
}

void SetLimits(const HttpPlan& http, fetch::Request& request) {
  request.deadlines = {http.timeout.connect, http.timeout.first_byte, http.timeout.total};
  request.response_bytes_max = http.response_bytes_max;
}

}  // namespace

StringMap<std::string> RequestNames(const Source& source, const PulledTenant& tenant) {
  StringMap<std::string> names;
  names["tenant.id"] = tenant.tenant.id;
  names["tenant.name"] = tenant.tenant.name;
  names["tenant.timezone"] = tenant.tenant.timezone;
  for (const auto& [name, value] : tenant.more) names["tenant." + name] = value;
  for (const auto& [name, value] : tenant.credentials) names["tenant.cred." + name] = value;
  for (const auto& [name, secret] : source.secrets) names["secret." + name] = secret.Reveal();
  return names;
}

void AddQuery(std::string& url, std::string_view name, std::string_view value) {
  url += url.find('?') == std::string::npos ? '?' : '&';
  url += PercentEncode(name) + "=" + PercentEncode(value);
}

Result<fetch::Request> BuildRequest(const Source& source, const RequestPlan& plan,
                                    const TemplateValues& values) {
  const HttpPlan& http = source.http[plan.http];
  fetch::Request request;
  request.method =
      plan.method == HttpMethod::kPost ? fetch::Method::kPost : fetch::Method::kGet;
  std::string missing;
  const std::string target =
      plan.target.Fill(values, missing, plan.absolute ? nullptr : &PercentEncode);
  if (!missing.empty()) return Missing(missing);
  request.url = plan.absolute ? target : http.base_url + target;
  for (const auto& [name, value] : plan.query) {
    std::string absent;
    const std::string text = value.Fill(values, absent);
    // Without a cursor yet the source is asked for everything.
    if (absent == "cursor") continue;
    if (!absent.empty()) return Missing(absent);
    AddQuery(request.url, name, text);
  }
  if (plan.body) {
    json::Writer writer;
    AppendBody(writer, *plan.body, values, missing);
    if (!missing.empty()) return Missing(missing);
    request.body = writer.Take();
    request.headers.push_back({"Content-Type", "application/json"});
  }
  TW_RETURN_IF_ERROR(AddCredentials(http, values, request));
  SetLimits(http, request);
  return request;
}

Result<fetch::Request> BuildLink(const Source& source, const RequestPlan& plan,
                                 const TemplateValues& values, std::string_view link) {
  const HttpPlan& http = source.http[plan.http];
  const std::string& base = http.base_url;
  std::string url(link);
  if (link.starts_with('/') && !link.starts_with("//")) {
    const size_t path = base.find('/', base.find("://") + 3);
    url = base.substr(0, path) + url;
  }
  const bool below = url.starts_with(base) &&
                     (url.size() == base.size() || url[base.size()] == '/' ||
                      url[base.size()] == '?');
  if (!below || url.find("/..") != std::string::npos || url.find('\\') != std::string::npos) {
    return Fail(ErrorCode::kPermissionDenied,
                "the next page is not below " + fetch::PublicUrl(base) + ": " +
                    fetch::PublicUrl(url));
  }
  fetch::Request request;
  request.url = std::move(url);
  TW_RETURN_IF_ERROR(AddCredentials(http, values, request));
  SetLimits(http, request);
  return request;
}

}  // namespace tw::ingest
