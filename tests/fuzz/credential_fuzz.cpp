// Any bytes as a session id, as a credential, and as the payload of a JWT: no bytes open a seal,
// all come back from one, and a principal is what a parser of the whole payload finds in it.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "mcplb/base/limits.hpp"
#include "mcplb/mcp/principal.hpp"
#include "mcplb/mcp/seal.hpp"

namespace {

using namespace mcplb::mcp;
using Json = nlohmann::json;

const std::vector<std::string> secrets{"the first of two", "the second of two"};

void require(bool claim) {
  if (!claim) std::abort();
}

std::string base64url(std::string_view text) {
  static constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6)
      out += digits[bits >> (count - 6) & 63];
  }
  if (count > 0) out += digits[bits << (6 - count) & 63];
  return out;
}

// What the identity has to be, for payloads that leave no doubt.
std::optional<std::string> expected(std::string_view payload) {
  // This reader takes NUL for the end of its input and would not see what follows.
  if (payload.find('\0') != std::string_view::npos) return std::nullopt;
  int issuers = 0;
  int subjects = 0;
  const auto count = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1) {
      issuers += parsed == "iss";
      subjects += parsed == "sub";
    }
    return true;
  };
  const Json json = Json::parse(payload, count, false);
  if (!json.is_object() || issuers != 1 || subjects != 1) return std::nullopt;
  if (!json["iss"].is_string() || !json["sub"].is_string()) return std::nullopt;
  const auto& issuer = json["iss"].get_ref<const std::string&>();
  return "j" + std::to_string(issuer.size()) + ":" + issuer +
         json["sub"].get_ref<const std::string&>();
}

void check_principal(std::string_view bytes) {
  static Principals principals(secrets);
  const std::string whole(principals.identity(bytes));
  require(whole == principals.identity(bytes));
  require(principals.fits(principals.of(bytes), bytes));
  if (bytes.size() > mcplb::limits::jwt_payload_bytes_max / 2) return;
  const std::string token = "Bearer e30." + base64url(bytes) + ".x";
  const std::string identity(principals.identity(token));
  require(identity == "c" + token || identity.front() == 'j');
  const auto right = expected(bytes);
  if (right) require(identity == *right);
}

void check_seal(std::string_view bytes) {
  static Seal seal(secrets, "session/fuzzed");
  require(!seal.unwrap(bytes));
  const std::string sealed = seal.wrap(owner_tag("a"), bytes);
  if (sealed.empty()) return;
  const auto unsealed = seal.unwrap(sealed);
  require(unsealed && unsealed->id == bytes && unsealed->owner == owner_tag("a"));
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer looks for this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_principal(bytes);
  check_seal(bytes);
  return 0;
}
