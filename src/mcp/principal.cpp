#include "mcplb/mcp/principal.hpp"

#include <algorithm>
#include <optional>

// Errors come as codes; this turns the throwing half of the library off.
#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include "mcplb/base/assert.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"

#include "mcp/base64url.hpp"
#include "mcp/mac.hpp"

namespace mcplb::mcp {

namespace ondemand = simdjson::ondemand;

namespace {

// The first bytes of identities: one kind never reads as the other.
constexpr char jwt_kind = 'j';
constexpr char credential_kind = 'c';

// The payload of `Bearer header.payload.signature` (RFC 7515 §3.1), still encoded.
std::optional<std::string_view> jwt_payload(std::string_view authorization) {
  constexpr std::string_view scheme = "Bearer ";
  if (!starts_with_ignoring_case(authorization, scheme)) return std::nullopt;
  const std::string_view token = trimmed(authorization.substr(scheme.size()));
  const std::size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const bool digits = std::all_of(token.begin(), token.end(), [](char c) {
    return c == '.' || base64url_value(c) != no_base64url_digit;
  });
  if (!digits || token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  return token.substr(first + 1, second - first - 1);
}

// Keeps a string value; false when it is none, or there is one already: readers would differ in
// which of two counts.
bool take_text(ondemand::value value, std::optional<std::string_view>& out) {
  std::string_view text;
  if (out || value.get_string().get(text) != simdjson::SUCCESS) return false;
  out = text;
  return true;
}

}  // namespace

struct Principals::State {
  std::vector<Mac> macs;
  ondemand::parser json;
  std::string payload;   // decoded
  std::string identity;

  bool read_jwt(std::string_view authorization);
  bool read_claims(ondemand::document& document);
};

// Fills `identity`; false when this is no JWT that names a principal.
bool Principals::State::read_jwt(std::string_view authorization) {
  const auto encoded = jwt_payload(authorization);
  if (!encoded || encoded->size() > limits::jwt_payload_bytes_max) return false;
  payload.clear();
  payload.reserve(encoded->size() + simdjson::SIMDJSON_PADDING);
  if (!decode_base64url(*encoded, payload)) return false;
  ondemand::document document;
  const simdjson::padded_string_view text(payload.data(), payload.size(), payload.capacity());
  if (json.iterate(text).get(document) != simdjson::SUCCESS) return false;
  return read_claims(document);
}

bool Principals::State::read_claims(ondemand::document& document) {
  ondemand::object claims;
  if (document.get_object().get(claims) != simdjson::SUCCESS) return false;
  std::optional<std::string_view> issuer;
  std::optional<std::string_view> subject;
  for (auto each : claims) {
    ondemand::field field;
    std::string_view key;
    if (std::move(each).get(field) != simdjson::SUCCESS) return false;
    if (field.unescaped_key().get(key) != simdjson::SUCCESS) return false;
    if (key == "iss" && !take_text(field.value(), issuer)) return false;
    if (key == "sub" && !take_text(field.value(), subject)) return false;
  }
  const bool has_trailing = document.current_location().error() == simdjson::SUCCESS;
  if (!issuer || !subject || has_trailing) return false;
  identity = jwt_kind;
  identity += std::to_string(issuer->size());
  identity += ':';
  identity.append(*issuer).append(*subject);
  return true;
}

Principals::Principals(const std::vector<std::string>& secrets)
    : state_(std::make_unique<State>()) {
  MCPLB_ASSERT(!secrets.empty());
  state_->macs = derive_macs(secrets, "principal", "");
}
Principals::~Principals() = default;
Principals::Principals(Principals&& other) noexcept = default;
Principals& Principals::operator=(Principals&& other) noexcept = default;

std::string_view Principals::identity(std::string_view authorization) {
  State& state = *state_;
  if (!state.read_jwt(authorization)) {
    state.identity = credential_kind;
    state.identity += authorization;
  }
  return state.identity;
}

namespace {

Principal principal_of(Mac& mac, std::string_view identity) {
  const Digest digest = mac.over({identity});
  Principal principal;
  std::copy_n(digest.begin(), principal.bytes.size(), principal.bytes.begin());
  return principal;
}

}  // namespace

Principal Principals::of(std::string_view authorization) {
  return principal_of(state_->macs.front(), identity(authorization));
}

bool Principals::fits(const Principal& bound, std::string_view authorization) {
  if (!bound) return false;
  const std::string_view who = identity(authorization);
  return std::any_of(state_->macs.begin(), state_->macs.end(),
                     [&](Mac& mac) { return principal_of(mac, who) == bound; });
}

}  // namespace mcplb::mcp
