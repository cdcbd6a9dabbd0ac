// YAML text → described struct, with every finding at its place.
#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/describe.h"
#include "config/environment.h"
#include "config/shape.h"

namespace tw::config {

// Whether a Secret may stand in the file itself.
enum class LiteralSecrets : uint8_t { kRefused, kAllowed };

struct LoadOptions {
  LiteralSecrets literal_secrets = LiteralSecrets::kRefused;
  // "TIDEWIRE" lets TIDEWIRE_SERVER_LISTEN override server.listen; empty turns overrides off.
  std::string_view override_prefix = "TIDEWIRE";
};

// Reads `text` into a T. Starts from T's defaults. Collects up to Problems::kKeptMax findings:
//   tidewire.yaml:3:3: unknown key 'lisen' in server; did you mean 'listen'?
//   tidewire.yaml:4:18: server.ping_interval: expected a duration such as '5s', found integer 25
// Errors: kInvalidArgument, one line per finding.
template <Described T>
Result<T> Load(std::string_view text, std::string_view file, const Environment& environment,
               const LoadOptions& options = {});

// The same for a part that was kept as a Node; without overrides. `path` leads the messages.
template <typename T>
Result<T> LoadNode(const Node& node, std::string_view path, const Environment& environment,
                   const LoadOptions& options = {});

// The same, findings as data: the value is only to be used when `problems` is empty.
template <typename T>
struct Checked {
  T value{};
  Problems problems;
};
template <Described T>
Checked<T> Check(std::string_view text, std::string_view file, const Environment& environment,
                 const LoadOptions& options = {});

// Sets the scalars of `root` for which the environment has PREFIX_PATH: keys upper case, other
// characters than letters and digits as '_'. Reaches struct fields always, the values of maps for
// the keys that the file has, and no list. Overridden nodes name the variable as their file.
void ApplyOverrides(Node& root, const Shape& shape, std::string_view prefix,
                    const Environment& environment);

// What reading needs along the way: where we are, what was found. Used by the templates below.
class Reader {
 public:
  Reader(const Environment& environment, const LoadOptions& options, std::string path)
      : environment_(environment), options_(options), path_(std::move(path)) {}

  Problems& problems() { return problems_; }
  void Fail(const Location& where, std::string_view message);
  void WrongType(const Node& node, std::string_view expected);
  void OutOfBounds(const Node& node, const std::string& min, const std::string& max);
  void UnknownKeys(const Node& map, std::span<const std::string_view> known);
  void Missing(const Node& map, std::string_view key);

  // The path of what is being read, for messages: "server.tls", "checks[2].name".
  size_t Enter(std::string_view key);
  size_t Enter(size_t index);
  void Leave(size_t mark) { path_.resize(mark); }

  std::optional<bool> ReadBool(const Node& node);
  std::optional<int64_t> ReadSigned(const Node& node, int64_t min, int64_t max);
  std::optional<uint64_t> ReadUnsigned(const Node& node, uint64_t min, uint64_t max);
  std::optional<double> ReadDouble(const Node& node);
  std::optional<std::string> ReadText(const Node& node, Key key);
  std::optional<Secret> ReadSecret(const Node& node);
  std::optional<std::chrono::microseconds> ReadDuration(const Node& node);
  std::optional<ByteSize> ReadByteSize(const Node& node);
  std::optional<Percent> ReadPercent(const Node& node);
  std::optional<size_t> ReadChoice(const Node& node, std::span<const std::string_view> names);

  template <typename T, typename B>
  void Read(const Node& node, T& value, const B& bounds, Key key);

 private:
  template <typename T, typename B>
  void ReadItems(std::span<const Node> nodes, std::vector<T>& items, const B& bounds, Key key);
  template <typename T, typename B>
  void ReadMap(const Node& node, OrderedMap<T>& map, const B& bounds, Key key);
  template <typename T>
  void ReadStruct(const Node& node, T& value);
  template <typename T, typename B>
  void ReadScalar(const Node& node, T& value, const B& bounds, Key key);
  template <typename T, typename B>
  void ReadInteger(const Node& node, T& value, const B& bounds);
  template <typename T, typename B>
  void Keep(const Node& node, T& value, const T& read, const B& bounds);
  std::string Named(std::string_view message) const;

  const Environment& environment_;
  const LoadOptions& options_;
  std::string path_;
  Problems problems_;
};

}  // namespace tw::config

#include "config/load_inl.h"
