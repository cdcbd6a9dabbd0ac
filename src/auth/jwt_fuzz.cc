// Feeds arbitrary text to the token verifier: it must refuse or accept, never crash, and whatever
// it accepts must have a role.
#include <cstdint>
#include <string_view>

#include "auth/jwt.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using tw::auth::Algorithm;
  constexpr std::string_view kSecret = "a-secret-that-the-fuzzer-also-knows-0123456789";
  constexpr Algorithm kAlgorithms[] = {Algorithm::kHs256, Algorithm::kHs512};
  static const auto key = tw::auth::JwtKey::Create(kSecret, kAlgorithms);
  TW_CHECK(key.ok());
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto token = tw::auth::CleanToken(text)) (void)key->Verify(*token);

  // The same bytes as correctly signed claims reach the code behind the signature check.
  if (const auto token = tw::auth::MintToken(text, kSecret, Algorithm::kHs256); token.ok()) {
    const auto verified = key->Verify(*token);
    if (verified) TW_CHECK(!verified->claims->role.empty() && verified->claims->text == text);
  }
  return 0;
}
