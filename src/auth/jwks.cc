#include "auth/jwks.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "crypto/encoding.h"
#include "crypto/public_key.h"
#include "json/json.h"

namespace tw::auth {
namespace {

std::unexpected<Error> Invalid(std::string message) {
  return Fail(ErrorCode::kInvalidArgument, std::move(message));
}

Result<std::string> Part(const json::Value& key, const char* name) {
  const auto text = key[name].AsString();
  if (!text || text->empty()) return Invalid(std::string("`") + name + "` is missing");
  auto bytes = crypto::DecodeBase64Url(*text);
  if (!bytes.ok()) return Invalid(std::string("`") + name + "` is not base64url");
  return bytes;
}

// For tokens, not for encryption.
bool IsForSigning(const json::Value& key) {
  const auto use = key["use"].AsString();
  if (use && *use != "sig") return false;
  const json::Value operations = key["key_ops"];
  if (!operations.is_array()) return true;
  return std::ranges::any_of(operations.items(), [](const json::Value& operation) {
    return operation.AsString() == "verify" || operation.AsString() == "sign";
  });
}

// The algorithms of a key: what its type allows, narrowed to what it says itself.
Result<std::vector<Algorithm>> Bind(const json::Value& key, std::vector<Algorithm> allowed) {
  const json::Value* const name = key.Find("alg");
  if (name == nullptr) return allowed;
  const auto algorithm = ParseAlgorithm(name->AsString().value_or(""));
  if (!algorithm || std::ranges::find(allowed, *algorithm) == allowed.end()) {
    return Invalid("`alg` is not one of this key's type");
  }
  return std::vector<Algorithm>{*algorithm};
}

Status AddKey(JwtKey& keys, const json::Value& key) {
  const std::string kid(key["kid"].AsString().value_or(""));
  const std::string_view type = key["kty"].AsString().value_or("");
  const auto add_public = [&](Result<crypto::PublicKey> made,
                              std::vector<Algorithm> allowed) -> Status {
    if (!made.ok()) return std::unexpected(made.error());
    TW_ASSIGN_OR_RETURN(const auto algorithms, Bind(key, std::move(allowed)));
    keys.Add(kid, *made, algorithms);
    return {};
  };
  if (type == "oct") {
    TW_ASSIGN_OR_RETURN(const std::string secret, Part(key, "k"));
    TW_ASSIGN_OR_RETURN(const auto algorithms, Bind(key, {Algorithm::kHs256, Algorithm::kHs384,
                                                          Algorithm::kHs512}));
    TW_ASSIGN_OR_RETURN(JwtKey made, JwtKey::Create(secret, algorithms, kid));
    keys.Add(std::move(made));
    return {};
  }
  if (key.Find("d") != nullptr) return Invalid("it holds a private key; give the public part only");
  if (type == "RSA") {
    TW_ASSIGN_OR_RETURN(const std::string n, Part(key, "n"));
    TW_ASSIGN_OR_RETURN(const std::string e, Part(key, "e"));
    return add_public(crypto::PublicKey::Rsa(n, e),
                      {Algorithm::kRs256, Algorithm::kRs384, Algorithm::kRs512});
  }
  const std::string_view curve = key["crv"].AsString().value_or("");
  if (type == "OKP") {
    if (curve != "Ed25519" && curve != "Ed448") return Invalid("`crv` is not Ed25519 or Ed448");
    TW_ASSIGN_OR_RETURN(const std::string x, Part(key, "x"));
    return add_public(crypto::PublicKey::Edwards(curve == "Ed448"
                                                     ? crypto::EdwardsCurve::kEd448
                                                     : crypto::EdwardsCurve::kEd25519,
                                                 x),
                      {Algorithm::kEdDsa});
  }
  if (type != "EC") return Invalid("`kty` is not RSA, EC, OKP or oct");
  TW_ASSIGN_OR_RETURN(const std::string x, Part(key, "x"));
  TW_ASSIGN_OR_RETURN(const std::string y, Part(key, "y"));
  if (curve == "P-256") {
    return add_public(crypto::PublicKey::Elliptic(crypto::Curve::kP256, x, y),
                      {Algorithm::kEs256});
  }
  if (curve == "P-384") {
    return add_public(crypto::PublicKey::Elliptic(crypto::Curve::kP384, x, y),
                      {Algorithm::kEs384});
  }
  if (curve == "P-521") {
    return add_public(crypto::PublicKey::Elliptic(crypto::Curve::kP521, x, y),
                      {Algorithm::kEs512});
  }
  return Invalid("`crv` is not P-256, P-384 or P-521");
}

}  // namespace

Result<JwtKey> ParseJwks(std::string_view text) {
  TW_ASSIGN_OR_RETURN(const json::Document document, json::Parse(text));
  const json::Value& root = document.root();
  std::vector<json::Value> all(root["keys"].items().begin(), root["keys"].items().end());
  if (root.Find("kty") != nullptr) all.push_back(root);
  if (all.empty()) return Invalid("a JSON object with `keys` is expected");
  if (all.size() > kJwksKeysMax) {
    return Invalid("more than " + std::to_string(kJwksKeysMax) + " keys");
  }
  JwtKey keys;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!IsForSigning(all[i])) continue;
    if (const Status added = AddKey(keys, all[i]); !added.ok()) {
      return Annotate(added.error(), "key " + std::to_string(i + 1));
    }
  }
  if (keys.empty()) return Invalid("no key of the set verifies signatures");
  return keys;
}

}  // namespace tw::auth
