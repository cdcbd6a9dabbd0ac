#include "app/openapi.h"

#include <algorithm>

#include "app/openapi_schema.h"
#include "app/prepared_store.h"
#include "app/table_facts.h"
#include "json/json.h"

namespace tw::app {
namespace {

using json::Writer;

struct Answer {
  std::string_view status;
  std::string_view description;
};

constexpr Answer kUnauthorized{"401", "No token, or none that holds"};
constexpr Answer kForbidden{"403", "The token's role or the row policies do not allow it"};
constexpr Answer kTooBusy{"503", "Too much waits, or a limit was reached; Retry-After says when"};

// Operations that every server has, whatever it is configured for.
struct FixedOperation {
  std::string_view path;
  std::string_view method;
  std::string_view summary;
  bool open = false;       // Needs no token.
  bool takes_body = false;
  Answer answer;
};

constexpr FixedOperation kFixed[] = {
    {"/health", "get", "Whether all parts work; names what does not", true, false,
     {"200", "Works, or works degraded"}},
    {"/health/live", "get", "Whether the process answers", true, false, {"200", "It does"}},
    {"/health/ready", "get", "Whether it takes clients; 503 while it starts or drains", true, false,
     {"200", "It does"}},
    {"/metrics", "get", "Metrics in Prometheus' text format", true, false, {"200", "Metrics"}},
    {"/realtime/v1/api/broadcast", "post", "Broadcasts to channels, as supabase-js' httpSend", false,
     true, {"202", "Taken"}},
    {"/realtime/v1/api/ping", "get", "Answers at once", true, false, {"200", "Pong"}},
    {"/realtime/v1/websocket", "get", "The realtime connection (WebSocket, RFC 6455)", false, false,
     {"101", "Switching to WebSocket"}},
    {"/realtime/v1/sse", "get", "The realtime connection as server-sent events", false, false,
     {"200", "text/event-stream"}},
    {"/realtime/v1/sse", "post", "Messages of a client on server-sent events", false, true,
     {"200", "Taken"}},
    {"/realtime/v1/poll", "get", "The realtime connection by long polling", false, false,
     {"200", "Messages since the last request"}},
    {"/realtime/v1/poll", "post", "Messages of a client on long polling", false, true,
     {"200", "Taken"}},
    {"/v1/invalidate", "post", "Tells clients that keys are old; service_role only", false, true,
     {"202", "Told"}},
    {"/v1/explain/invalidation", "get",
     "Why results were invalidated lately, newest first; service_role only", false, false,
     {"200", "Reasons"}},
};

void Schema(Writer& out, std::string_view name) {
  out.Object().Key("$ref").String("#/components/schemas/" + std::string(name)).End();
}

void JsonBody(Writer& out, auto&& schema) {
  out.Key("content").Object().Key("application/json").Object().Key("schema");
  schema();
  out.End().End();
}

void Described(Writer& out, const Answer& answer) {
  out.Key(answer.status).Object().Key("description").String(answer.description).End();
}

void Failures(Writer& out, std::initializer_list<Answer> answers) {
  for (const Answer& answer : answers) {
    out.Key(answer.status).Object().Key("description").String(answer.description);
    JsonBody(out, [&] { Schema(out, "Error"); });
    out.End();
  }
}

void HeaderParameter(Writer& out, std::string_view name, std::string_view description) {
  out.Object().Key("name").String(name).Key("in").String("header");
  out.Key("description").String(description);
  out.Key("schema").Object().Key("type").String("string").End().End();
}

void TextParameter(Writer& out, std::string_view name, std::string_view description) {
  out.Object().Key("name").String(name).Key("in").String("query");
  out.Key("description").String(description);
  out.Key("schema").Object().Key("type").String("string").End().End();
}

void WriteFixed(Writer& out) {
  for (size_t i = 0; i < std::size(kFixed); ++i) {
    const FixedOperation& operation = kFixed[i];
    const bool first = i == 0 || kFixed[i - 1].path != operation.path;
    if (first) out.Key(operation.path).Object();
    out.Key(operation.method).Object().Key("summary").String(operation.summary);
    if (operation.open) out.Key("security").Array().End();
    if (operation.takes_body) {
      out.Key("requestBody").Object().Key("required").Bool(true);
      JsonBody(out, [&] { out.Object().End(); });
      out.End();
    }
    out.Key("responses").Object();
    Described(out, operation.answer);
    if (!operation.open) Failures(out, {kUnauthorized});
    out.End().End();
    const bool last = i + 1 == std::size(kFixed) || kFixed[i + 1].path != operation.path;
    if (last) out.End();
  }
}

void WriteFilters(Writer& out, const Relation& relation) {
  for (const Column& column : relation.columns) {
    TextParameter(out, column.name, "Filter as PostgREST writes it, such as eq.1 or in.(1,2)");
  }
}

void WriteTable(Writer& out, const Relation& relation, const std::string& name) {
  const auto rows = [&] {
    out.Object().Key("type").String("array").Key("items");
    Schema(out, name);
    out.End();
  };
  const auto answer = [&](std::string_view status, std::string_view description) {
    out.Key(status).Object().Key("description").String(description);
    JsonBody(out, rows);
    out.End();
  };
  const auto body = [&](std::string_view shape) {
    out.Key("requestBody").Object().Key("required").Bool(true);
    JsonBody(out, [&] { Schema(out, name + "." + std::string(shape)); });
    out.End();
  };
  const auto writes = [&] {
    HeaderParameter(out, "Prefer", "return=representation, count=exact, resolution=…");
    HeaderParameter(out, "Tidewire-Mutation", "Id under which this write is executed once");
  };
  out.Key("/rest/v1/" + relation.table).Object();

  out.Key("get").Object().Key("summary").String("Rows that the caller may see");
  out.Key("parameters").Array();
  TextParameter(out, "select", "Columns, separated by commas");
  TextParameter(out, "order", "column.asc or column.desc, separated by commas");
  for (const std::string_view text : {"limit", "offset"}) TextParameter(out, text, "A number");
  WriteFilters(out, relation);
  HeaderParameter(out, "Prefer", "count=exact");
  out.End().Key("responses").Object();
  answer("200", "Rows, true at the position in Tidewire-Position");
  Failures(out, {{"400", "A filter, order or column that cannot be read"}, kUnauthorized,
                 kForbidden, kTooBusy});
  out.End().End();

  out.Key("post").Object().Key("summary").String("Inserts rows, or upserts them");
  out.Key("parameters").Array();
  TextParameter(out, "on_conflict", "Columns by which a row is the same");
  TextParameter(out, "select", "Columns of the answer");
  writes();
  out.End();
  body("insert");
  out.Key("responses").Object();
  answer("201", "Inserted; rows with Prefer: return=representation");
  Failures(out, {{"400", "A value or constraint"}, kUnauthorized, kForbidden,
                 {"409", "A row with this key is there, or the mutation id is somebody else's"},
                 kTooBusy});
  out.End().End();

  for (const std::string_view method : {"patch", "delete"}) {
    const bool updates = method == "patch";
    out.Key(method).Object().Key("summary").String(
        updates ? "Updates the rows that the filters mean" : "Deletes the rows that they mean");
    out.Key("parameters").Array();
    TextParameter(out, "select", "Columns of the answer");
    WriteFilters(out, relation);
    writes();
    out.End();
    if (updates) body("update");
    out.Key("responses").Object();
    answer("200", "The rows, with Prefer: return=representation");
    Described(out, {"204", "Done"});
    Failures(out, {{"400", "No filter, a value or a constraint"}, kUnauthorized, kForbidden,
                   kTooBusy});
    out.End().End();
  }
  out.End();
}

void WriteQuery(Writer& out, const query::NamedQuery& query) {
  out.Key("/v1/queries/" + query.name).Object().Key("get").Object();
  out.Key("summary").String("Named query " + query.name);
  out.Key("operationId").String(query.name);
  if (!query.tags.empty()) {
    out.Key("tags").Array();
    for (const std::string& tag : query.tags) out.String(tag);
    out.End();
  }
  if (query.access == query::QueryAccess::kPublic) out.Key("security").Array().Object().End().End();
  out.Key("parameters").Array();
  for (const query::Parameter& parameter : query.parameters) WriteParameter(out, parameter);
  HeaderParameter(out, "Min-Position", "Not answered from before this position");
  HeaderParameter(out, "If-None-Match", "The ETag of rows that the caller holds");
  out.End().Key("responses").Object();
  out.Key("200").Object().Key("description").String("Rows, true at Tidewire-Position");
  JsonBody(out, [&] {
    out.Object().Key("type").String("array").Key("items");
    WriteRow(out, query);
    out.End();
  });
  out.End();
  Described(out, {"304", "The rows are those of If-None-Match"});
  Failures(out, {{"400", "A parameter; `pointer` names it"}, kUnauthorized, kForbidden,
                 {"409", "Min-Position belongs to another database"},
                 {"422", "The result is over its limit"}, kTooBusy});
  out.End().End().End();
}

void WriteHook(Writer& out, const ingest::Source& source) {
  out.Key("/hooks/" + source.name + "/{token}").Object();
  out.Key("parameters").Array().Object().Key("name").String("token").Key("in").String("path");
  out.Key("required").Bool(true).Key("schema").Object().Key("type").String("string").End();
  out.End().End();
  out.Key("post").Object().Key("summary").String("Webhooks of " + source.name);
  out.Key("security").Array().End();
  out.Key("requestBody").Object().Key("required").Bool(true);
  JsonBody(out, [&] { out.Object().End(); });
  out.End().Key("responses").Object();
  Described(out, {"200", "Durable; applied soon"});
  Failures(out, {{"400", "Not JSON"}, {"401", "Not signed as configured; kept"},
                 {"413", "Over the limit"}, kTooBusy});
  out.End().End().End();
}

void WriteComponents(Writer& out, auto&& tables) {
  out.Key("components").Object().Key("securitySchemes").Object();
  out.Key("token").Object().Key("type").String("http").Key("scheme").String("bearer");
  out.Key("bearerFormat").String("JWT").End();
  out.Key("apikey").Object().Key("type").String("apiKey").Key("in").String("header");
  out.Key("name").String("apikey").End().End();
  out.Key("schemas").Object().Key("Error").Object().Key("type").String("object");
  out.Key("properties").Object();
  for (const std::string_view name : {"error", "message", "code", "details", "pointer"}) {
    out.Key(name).Object().Key("type").Array().String("string").String("null").End().End();
  }
  out.End().End();
  tables();
  out.End().End();
}

}  // namespace

Result<std::string> OpenApi(const Configuration& configuration, const std::string& path,
                            std::string_view version, Random& random) {
  telemetry::Registry metrics;
  TW_ASSIGN_OR_RETURN(const auto prepared, PrepareStore(configuration, path, {}, random, metrics));
  Writer out;
  out.Object().Key("openapi").String("3.1.0");
  out.Key("info").Object().Key("title").String("Tidewire").Key("version").String(version).End();
  out.Key("servers").Array().Object().Key("url").String("/").End().End();
  out.Key("security").Array().Object().Key("token").Array().End().End();
  out.Object().Key("apikey").Array().End().End().End();
  out.Key("paths").Object();
  WriteFixed(out);
  const auto& tables = prepared.catalog->tables();
  for (size_t i = 0; i < tables.size(); ++i) {
    WriteTable(out, *tables[i].relation, ComponentName(tables[i].relation->table, i));
  }
  if (prepared.queries != nullptr) {
    for (const auto& query : prepared.queries->queries()) WriteQuery(out, *query);
  }
  for (const auto& source : prepared.sources) {
    if (source->webhook) WriteHook(out, *source);
  }
  out.End();
  Status read;
  WriteComponents(out, [&] {
    for (size_t i = 0; i < tables.size(); ++i) {
      const Relation& relation = *tables[i].relation;
      const auto facts = FactsOf(prepared.store->database(), relation.table);
      if (!facts.ok()) {
        read = std::unexpected(facts.error());
        return;
      }
      WriteTableSchemas(out, relation, *facts, ComponentName(relation.table, i));
    }
  });
  TW_RETURN_IF_ERROR(read);
  out.End();
  return out.Take();
}

}  // namespace tw::app
