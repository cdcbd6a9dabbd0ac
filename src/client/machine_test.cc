// The shared vectors: what the TypeScript client does, step by step.
#include "client/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "client/token.h"

namespace tw::client {
namespace {

using ::testing::SizeIs;

std::string Read(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string TextOf(const json::Value& value) { return std::string(value.AsString().value_or("")); }
uint64_t ConnOf(const json::Value& event) { return static_cast<uint64_t>(event["conn"].GetInt()); }

// The event of a vector; a frame's text is kept in `frame`.
Event EventOf(const json::Value& event, std::string& frame) {
  const std::string type = TextOf(event["type"]);
  if (type == "subscribe") {
    const json::Value binding = event["binding"];
    const auto since = event["since"].AsString();
    return event::Subscribe{TextOf(event["id"]),
                            {.event = TextOf(binding["event"]),
                             .schema = TextOf(binding["schema"]),
                             .table = TextOf(binding["table"]),
                             .filter = TextOf(binding["filter"])},
                            since ? std::optional(std::string(*since)) : std::nullopt};
  }
  if (type == "unsubscribe") return event::Unsubscribe{TextOf(event["id"])};
  if (type == "token") return event::Token{TextOf(event["token"])};
  if (type == "token_failed") return event::TokenFailed{TextOf(event["error"])};
  if (type == "opened") return event::Opened{ConnOf(event)};
  if (type == "frame") {
    frame = event["frame"].ToText();
    return event::Frame{ConnOf(event), frame};
  }
  if (type == "lost") {
    return event::Lost{ConnOf(event), static_cast<int>(event["code"].GetInt()),
                       TextOf(event["reason"])};
  }
  if (type == "timer") return event::Timer{TextOf(event["name"])};
  if (type == "pause") return event::Pause{};
  if (type == "resume") return event::Resume{};
  if (type == "retry") return event::Retry{};
  EXPECT_EQ(type, "close") << "an event that this client does not have";
  return event::Close{};
}

void Optional(json::Writer& w, std::string_view key, const std::optional<std::string>& text) {
  w.Key(key);
  text ? w.String(*text) : w.Null();
}

// A frame without the client's own name, which is the last member of a join.
std::string WithoutVersion(std::string frame) {
  const size_t at = frame.find(",\"version\":\"tidewire-cpp");
  if (at != frame.npos) frame.erase(at, frame.rfind('}') - at);
  return frame;
}

void Write(json::Writer& w, const effect::AskToken&) { w.Key("type").String("token"); }
void Write(json::Writer& w, const effect::Connect& e) {
  w.Key("type").String("connect").Key("conn").Uint(e.conn).Key("token").String(e.token);
}
void Write(json::Writer& w, const effect::Disconnect& e) {
  w.Key("type").String("disconnect").Key("conn").Uint(e.conn);
  w.Key("code").Int(e.code).Key("reason").String(e.reason);
}
void Write(json::Writer& w, const effect::Send& e) {
  w.Key("type").String("send").Key("conn").Uint(e.conn);
  w.Key("frame").Raw(WithoutVersion(e.frame));
}
void Write(json::Writer& w, const effect::SetTimer& e) {
  w.Key("type").String("timer").Key("name").String(e.name).Key("ms");
  e.delay ? w.Double(e.delay->count()) : w.Null();
}
void Write(json::Writer& w, const effect::Deliver& e) {
  const Change& c = e.change;
  w.Key("type").String("change").Key("id").String(e.id).Key("change").Object();
  w.Key("type").String(c.type).Key("schema").String(c.schema).Key("table").String(c.table);
  Optional(w, "commitTimestamp", c.commit_timestamp);
  w.Key("record");
  c.record ? w.Raw(*c.record) : w.Null();
  w.Key("oldRecord");
  c.old_record ? w.Raw(*c.old_record) : w.Null();
  w.Key("errors").Null();
  Optional(w, "position", c.position);
  w.End();
}
void Write(json::Writer& w, const effect::Tell& e) {
  w.Key("type").String("verdict").Key("id").String(e.id).Key("verdict").Object();
  w.Key("recovered").Bool(e.verdict.recovered).Key("reason");
  e.verdict.recovered ? w.Null() : w.String(e.verdict.reason);
  w.End();
}
void Write(json::Writer& w, const effect::Channel& e) {
  w.Key("type").String("channel").Key("id").String(e.id).Key("phase").String(ToString(e.phase));
  Optional(w, "error", e.error);
}

// Equal whatever the order of members; numbers by their value.
bool Same(const json::Value& a, const json::Value& b) {
  const auto number = [](const json::Value& value) {
    return value.kind() == json::Kind::kInt || value.kind() == json::Kind::kNumber;
  };
  if (number(a) && number(b)) {
    return std::abs(a.GetDouble() - b.GetDouble()) <= 1e-6 * (1 + std::abs(a.GetDouble()));
  }
  if (a.kind() != b.kind()) return false;
  if (a.is_array()) {
    return std::ranges::equal(a.items(), b.items(), Same);
  }
  if (!a.is_object()) return a.ToText() == b.ToText();
  return a.members().size() == b.members().size() &&
         std::ranges::all_of(a.members(), [&b](const json::Member& member) {
           const json::Value* const other = b.Find(member.key);
           return other != nullptr && Same(member.value, *other);
         });
}

TEST(ClientMachineTest, DoesWhatTheSharedVectorsSay) {
  const auto vectors = json::Parse(Read(TW_SOURCE_DIR "/sdk/vectors/client.json"));
  ASSERT_TRUE(vectors.ok());
  size_t steps = 0;
  for (const json::Value& vector : vectors->root().items()) {
    Machine machine;
    size_t at = 0;
    for (const json::Value& step : vector["steps"].items()) {
      std::string frame;
      const Event event = EventOf(step["event"], frame);
      const Env env{Milliseconds(step["env"]["now"].GetDouble()), step["env"]["random"].GetDouble()};
      json::Writer w;
      w.Array();
      for (const Effect& effect : machine.Step(event, env)) {
        w.Object();
        std::visit([&w](const auto& what) { Write(w, what); }, effect);
        w.End();
      }
      w.End();
      const std::string text = w.Take();
      const auto seen = json::Parse(text);
      ASSERT_TRUE(seen.ok()) << text;
      ASSERT_TRUE(Same(seen->root(), step["effects"]))
          << TextOf(vector["name"]) << ", step " << at << "\nevent  " << step["event"].ToText()
          << "\nhere   " << text << "\nthere  " << step["effects"].ToText();
      ++at;
      ++steps;
    }
  }
  EXPECT_GT(steps, 500u);
}

TEST(ClientMachineTest, FailsWhenTheAttemptsAreUsedUpAndTriesOnceAMinute) {
  Machine machine({.attempts_max = 1});
  const Env env{Milliseconds(0), 0.5};
  machine.Step(event::Subscribe{"a", {.table = "t"}, {}}, env);
  machine.Step(event::TokenFailed{"no"}, env);
  EXPECT_EQ(machine.phase(), Phase::kWaiting);
  machine.Step(event::Timer{"retry"}, env);
  const auto effects = machine.Step(event::TokenFailed{"no"}, env);
  EXPECT_EQ(machine.phase(), Phase::kFailed);
  EXPECT_EQ(std::get<effect::SetTimer>(effects.back()).delay, Milliseconds(60'000));
  EXPECT_THAT(machine.Step(event::Timer{"retry"}, env), SizeIs(3));
  EXPECT_EQ(machine.phase(), Phase::kToken);
}

TEST(ClientMachineTest, GarbageChangesNothing) {
  Machine machine;
  const Env env;
  machine.Step(event::Subscribe{"a", {.table = "t"}, "e:5"}, env);
  machine.Step(event::Token{"t"}, env);
  machine.Step(event::Opened{1}, env);
  for (const char* text :
       {"", "{", "[]", "null", "[1,2,3,4,5]", R"([null,null,"realtime:a","postgres_changes"])",
        R"([null,null,"realtime:a","phx_reply",[]])", R"([null,null,"other","phx_close",{}])",
        R"(["9","9","realtime:a","phx_reply",{"status":"ok","response":{}}])",
        R"([null,null,"phoenix","phx_reply",{"response":{"tidewire":{"position":"e:9"}}}])"}) {
    EXPECT_THAT(machine.Step(event::Frame{1, text}, env), SizeIs(0)) << text;
  }
  EXPECT_EQ(machine.PositionOf("a"), "e:5");
}

TEST(ClientMachineTest, PositionsAreComparedWithinAnEpochOnly) {
  EXPECT_EQ(ComparePositions("e:9", "e:10"), -1);
  EXPECT_EQ(ComparePositions("e:18446744073709551616", "e:18446744073709551615"), 1);
  EXPECT_EQ(ComparePositions("e:10", "e:10"), 0);
  for (const char* other : {"f:10", "10", ":10", ""}) {
    EXPECT_EQ(ComparePositions("e:10", other), std::nullopt) << other;
  }
}

TEST(ClientMachineTest, ATokenSaysWhenItExpires) {
  // {"exp":1700000000}
  EXPECT_EQ(ExpiryOf("x.eyJleHAiOjE3MDAwMDAwMDB9.y"), Milliseconds(1'700'000'000'000.0));
  for (const char* opaque : {"", "secret", "x.y", "x.e30.y", "x.%%.y", "x.bm90IGpzb24.y"}) {
    EXPECT_EQ(ExpiryOf(opaque), std::nullopt) << opaque;
  }
}

}  // namespace
}  // namespace tw::client
