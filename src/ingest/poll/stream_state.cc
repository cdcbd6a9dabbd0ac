#include "ingest/poll/stream_state.h"

#include "json/json.h"

namespace tw::ingest {
namespace {

std::optional<WallTime> TimeAt(const json::Value& object, std::string_view key) {
  const auto micros = object[key].AsInt();
  if (!micros) return std::nullopt;
  return WallTime(std::chrono::microseconds(*micros));
}

uint64_t CountAt(const json::Value& object, std::string_view key) {
  return static_cast<uint64_t>(std::max<int64_t>(0, object[key].AsInt().value_or(0)));
}

std::string TextAt(const json::Value& object, std::string_view key) {
  return std::string(object[key].AsString().value_or(""));
}

void Write(json::Writer& writer, std::string_view key, const std::optional<WallTime>& time) {
  if (time) writer.Key(key).Int(time->time_since_epoch().count());
}

}  // namespace

StreamState StreamState::Decode(std::string_view text) {
  StreamState state;
  if (text.empty()) return state;
  const auto document = json::Parse(text);
  if (!document.ok()) return state;
  const json::Value root = document->root();
  state.done = TimeAt(root, "done");
  state.seen = TimeAt(root, "seen");
  state.pass = CountAt(root, "pass");
  state.etag = TextAt(root, "etag");
  state.rows = CountAt(root, "rows");
  const json::Value resume = root["resume"];
  const auto started = TimeAt(resume, "started");
  if (!started) return state;
  state.resume = Resume{.run_id = TextAt(resume, "run"),
                        .started = *started,
                        .next = TextAt(resume, "next"),
                        .pages = static_cast<uint32_t>(CountAt(resume, "pages")),
                        .records = CountAt(resume, "records"),
                        .pass = CountAt(resume, "pass"),
                        .slice = static_cast<uint32_t>(CountAt(resume, "slice")),
                        .seen = TimeAt(resume, "seen")};
  return state;
}

std::string StreamState::Encode() const {
  json::Writer writer;
  writer.Object();
  Write(writer, "done", done);
  Write(writer, "seen", seen);
  if (pass > 0) writer.Key("pass").Uint(pass);
  if (!etag.empty()) writer.Key("etag").String(etag);
  if (rows > 0) writer.Key("rows").Uint(rows);
  if (resume) {
    writer.Key("resume").Object().Key("run").String(resume->run_id);
    Write(writer, "started", resume->started);
    writer.Key("next").String(resume->next).Key("pages").Uint(resume->pages);
    writer.Key("records").Uint(resume->records).Key("pass").Uint(resume->pass);
    writer.Key("slice").Uint(resume->slice);
    Write(writer, "seen", resume->seen);
    writer.End();
  }
  writer.End();
  return writer.Take();
}

}  // namespace tw::ingest
