#include "mcp/mac.hpp"

#include <array>
#include <string>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "mcplb/base/assert.hpp"

namespace mcplb::mcp {
namespace {

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

void Mac::Free::operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }

// The library fails here only without memory, or without SHA-256: nothing could be kept apart then.
Mac::Mac(std::string_view key) {
  EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  MCPLB_ASSERT(hmac != nullptr);
  context_.reset(EVP_MAC_CTX_new(hmac));
  EVP_MAC_free(hmac);  // the context keeps it
  MCPLB_ASSERT(context_ != nullptr);
  std::string digest_name = "SHA256";
  const std::array<OSSL_PARAM, 2> params{
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name.data(), 0),
      OSSL_PARAM_construct_end()};
  const int ready = EVP_MAC_init(context_.get(), bytes_of(key), key.size(), params.data());
  MCPLB_ASSERT(ready == 1);
}

Digest Mac::over(std::initializer_list<std::string_view> parts) {
  // Without a key the context starts again with the prepared one.
  int done = EVP_MAC_init(context_.get(), nullptr, 0, nullptr);
  for (const std::string_view part : parts) {
    if (!part.empty()) done &= EVP_MAC_update(context_.get(), bytes_of(part), part.size());
  }
  Digest digest{};
  std::size_t size = 0;
  done &= EVP_MAC_final(context_.get(), digest.data(), &size, digest.size());
  MCPLB_ASSERT(done == 1 && size == digest.size());
  return digest;
}

std::vector<Mac> derive_macs(const std::vector<std::string>& secrets, std::string_view purpose,
                             std::string_view scope) {
  using namespace std::string_view_literals;
  std::vector<Mac> macs;
  macs.reserve(secrets.size());
  for (const std::string& secret : secrets) {
    const Digest key = Mac(secret).over({"mcplb "sv, purpose, "\0"sv, scope});
    macs.emplace_back(text_of(key));
  }
  return macs;
}

Digest sha256(std::string_view text) {
  Digest digest{};
  unsigned int size = 0;
  const int done =
      EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  MCPLB_ASSERT(done == 1 && size == digest.size());
  return digest;
}

bool equals_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace mcplb::mcp
