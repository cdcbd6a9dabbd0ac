#include "ingest/webhook/verifiers.h"

#include "base/strings.h"

namespace tw::ingest {
namespace {

// Puts `text`'s meaning into `knob`, when it is given.
template <typename T>
void Choose(const Text& text, std::string_view what,
            std::initializer_list<std::pair<std::string_view, T>> choices, T& knob,
            config::Problems& problems) {
  if (text->empty()) return;
  std::string names;
  for (const auto& [name, value] : choices) {
    if (name == *text) {
      knob = value;
      return;
    }
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  problems.Add(text.where, std::string(what) + ": expected " + names + ", found '" + *text + "'");
}

void Override(const Text& text, std::string& knob) {
  if (!text->empty()) knob = *text;
}

Scheme Configure(const AuthenticateConfig& config, Scheme scheme, config::Problems& problems) {
  Override(config.header, scheme.header);
  Override(config.prefix, scheme.prefix);
  Override(config.message, scheme.message);
  Override(config.timestamp_header, scheme.timestamp_header);
  if (!config.id_header->empty()) {
    scheme.id_header = *config.id_header;
    // A delivery id that the message leaves out can be forged by whoever replays the body.
    scheme.id_is_signed = scheme.message.find("{id}") != std::string::npos;
  }
  if (config.tolerance.count() > 0) scheme.tolerance = config.tolerance;
  using crypto::HashAlgorithm;
  Choose<HashAlgorithm>(config.algorithm, "algorithm",
                        {{"sha1", HashAlgorithm::kSha1},
                         {"sha256", HashAlgorithm::kSha256},
                         {"sha512", HashAlgorithm::kSha512}},
                        scheme.algorithm, problems);
  Choose<Scheme::Encoding>(config.encoding, "encoding",
                           {{"hex", Scheme::Encoding::kHex},
                            {"base64", Scheme::Encoding::kBase64},
                            {"base64url", Scheme::Encoding::kBase64Url}},
                           scheme.encoding, problems);
  Choose<Scheme::KeyForm>(config.key, "key",
                          {{"utf8", Scheme::KeyForm::kUtf8},
                           {"base64", Scheme::KeyForm::kBase64},
                           {"hex", Scheme::KeyForm::kHex}},
                          scheme.key_form, problems);
  Choose<Scheme::TimestampUnit>(
      config.timestamp_unit, "timestamp_unit",
      {{"s", Scheme::TimestampUnit::kSeconds}, {"ms", Scheme::TimestampUnit::kMilliseconds}},
      scheme.unit, problems);
  if (!config.timestamp_header->empty() &&
      scheme.message.find("{timestamp}") == std::string::npos) {
    problems.Add(config.timestamp_header.where,
                 "the message must hold {timestamp}: a time that is not signed proves nothing");
  }
  return scheme;
}

}  // namespace

std::vector<Verifier> BuildVerifiers(const WebhookConfig& config, config::Problems& problems) {
  std::vector<Verifier> verifiers;
  const auto pattern = ParsePathPattern(*config.path);
  for (const AuthenticateConfig& entry : config.authenticate.any_of) {
    const Scheme* preset = FindPreset(*entry.scheme);
    if (preset == nullptr) {
      std::string message = "no signature scheme '" + *entry.scheme + "'";
      if (const auto nearest = Nearest(*entry.scheme, PresetNames())) {
        message += "; did you mean '" + std::string(*nearest) + "'?";
      }
      problems.Add(entry.scheme.where, std::move(message));
      continue;
    }
    const size_t before = problems.count();
    Scheme scheme = Configure(entry, *preset, problems);
    scheme.public_url = *config.public_url;
    while (scheme.public_url.ends_with('/')) scheme.public_url.pop_back();
    if (scheme.public_url.empty() && scheme.message.find("{url}") != std::string::npos) {
      problems.Add(entry.scheme.where, "scheme " + scheme.name +
                                           " signs the address that the sender calls: set "
                                           "webhook.public_url");
    }
    if (problems.count() > before) continue;
    if (scheme.kind == Scheme::Kind::kPathToken &&
        (!pattern.ok() || pattern->parameter.empty() || pattern->parameter != *entry.param)) {
      problems.Add(entry.param.where.known() ? entry.param.where : entry.scheme.where,
                   "path-token needs param: the name of the path's {parameter}");
      continue;
    }
    std::vector<std::string> secrets;
    for (const config::Secret& secret : entry.secret) secrets.push_back(secret.Reveal());
    auto verifier = Verifier::Create(std::move(scheme), secrets, *entry.user);
    if (verifier.ok()) {
      verifiers.push_back(*std::move(verifier));
    } else {
      problems.Add(entry.scheme.where, verifier.error().message);
    }
  }
  if (config.authenticate.any_of.empty()) {
    problems.Add(config.path.where,
                 "webhook.authenticate.any_of is empty; write scheme: none to "
                 "accept anything from anyone");
  }
  return verifiers;
}

std::optional<std::string_view> PathPattern::Match(std::string_view path) const {
  if (parameter.empty()) return path == before ? std::optional(path.substr(0, 0)) : std::nullopt;
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) ||
      !path.ends_with(after)) {
    return std::nullopt;
  }
  const std::string_view value =
      path.substr(before.size(), path.size() - before.size() - after.size());
  if (value.find('/') != std::string_view::npos) return std::nullopt;
  return value;
}

Result<PathPattern> ParsePathPattern(std::string_view text) {
  const auto bad = [&](std::string_view reason) {
    return Fail(ErrorCode::kInvalidArgument,
                "path '" + std::string(text) + "': " + std::string(reason));
  };
  if (!text.starts_with('/')) return bad("must begin with /");
  const size_t open = text.find('{');
  if (open == std::string_view::npos) {
    if (text.find('}') != std::string_view::npos) return bad("} without {");
    return PathPattern{.before = std::string(text)};
  }
  const size_t close = text.find('}', open);
  if (close == std::string_view::npos) return bad("{ without }");
  PathPattern pattern{.before = std::string(text.substr(0, open)),
                      .parameter = std::string(text.substr(open + 1, close - open - 1)),
                      .after = std::string(text.substr(close + 1))};
  if (pattern.parameter.empty()) return bad("a parameter needs a name");
  if (pattern.after.find('{') != std::string::npos) return bad("one parameter at most");
  if (!pattern.before.ends_with('/') || (!pattern.after.empty() && pattern.after[0] != '/')) {
    return bad("a parameter must be a whole segment");
  }
  return pattern;
}

}  // namespace tw::ingest
