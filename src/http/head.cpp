#include "mcplb/http/head.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "mcplb/base/text.hpp"

namespace mcplb::http {
namespace {

struct KnownName {
  std::string_view text;
  Name name;
};

constexpr std::array known_names{
    KnownName{"accept", Name::accept},
    KnownName{"accept-encoding", Name::accept_encoding},
    KnownName{"authorization", Name::authorization},
    KnownName{"connection", Name::connection},
    KnownName{"content-encoding", Name::content_encoding},
    KnownName{"content-length", Name::content_length},
    KnownName{"content-type", Name::content_type},
    KnownName{"cookie", Name::cookie},
    KnownName{"date", Name::date},
    KnownName{"expect", Name::expect},
    KnownName{"host", Name::host},
    KnownName{"keep-alive", Name::keep_alive},
    KnownName{"last-event-id", Name::last_event_id},
    KnownName{"mcp-method", Name::mcp_method},
    KnownName{"mcp-name", Name::mcp_name},
    KnownName{"mcp-protocol-version", Name::mcp_protocol_version},
    KnownName{"mcp-session-id", Name::mcp_session_id},
    KnownName{"proxy-authenticate", Name::proxy_authenticate},
    KnownName{"proxy-authorization", Name::proxy_authorization},
    KnownName{"proxy-connection", Name::proxy_connection},
    KnownName{"te", Name::te},
    KnownName{"traceparent", Name::traceparent},
    KnownName{"tracestate", Name::tracestate},
    KnownName{"trailer", Name::trailer},
    KnownName{"transfer-encoding", Name::transfer_encoding},
    KnownName{"upgrade", Name::upgrade},
    KnownName{"x-forwarded-for", Name::x_forwarded_for},
    KnownName{"x-forwarded-host", Name::x_forwarded_host},
    KnownName{"x-forwarded-proto", Name::x_forwarded_proto},
    KnownName{"x-real-ip", Name::x_real_ip},
    KnownName{"x-request-id", Name::x_request_id},
};
static_assert(known_names.size() + 1 == static_cast<std::size_t>(Name::count_));

// Length and first letter tell the known names apart. They select a slot, of which each known name
// has one of its own: a look-up touches one line of the caches. The factor is looked for by the
// compiler.
constexpr std::size_t length_max = 20;
constexpr std::size_t slots_count = 128;

struct alignas(32) Slot {
  std::array<char, length_max> text{};
  std::uint8_t size = 0;  // 0: no name has this slot
  Name name = Name::other;
};

constexpr std::size_t slot_of(std::string_view text, std::size_t factor) {
  // The low five bits of a letter are the same in both cases.
  const std::size_t letter = static_cast<unsigned char>(text.front()) & 31U;
  return (letter * factor + text.size()) % slots_count;
}

constexpr bool tells_all_apart(std::size_t factor) {
  std::array<bool, slots_count> taken{};
  for (const KnownName& known : known_names) {
    bool& slot = taken[slot_of(known.text, factor)];
    if (slot) return false;
    slot = true;
  }
  return true;
}

constexpr std::size_t find_factor() {
  std::size_t factor = 1;
  while (factor < slots_count && !tells_all_apart(factor)) ++factor;
  return factor;
}
constexpr std::size_t factor = find_factor();
static_assert(factor < slots_count, "no factor gives each name a slot of its own");

constexpr std::array<Slot, slots_count> make_slots() {
  std::array<Slot, slots_count> slots{};
  for (const KnownName& known : known_names) {
    Slot& slot = slots[slot_of(known.text, factor)];
    std::copy(known.text.begin(), known.text.end(), slot.text.begin());
    slot.size = static_cast<std::uint8_t>(known.text.size());
    slot.name = known.name;
  }
  return slots;
}
constexpr std::array<Slot, slots_count> slots = make_slots();

// With this bit a letter is small. Of the other bytes that it changes none becomes a letter, and
// only CR becomes '-': no line of a head has one.
template <class Word>
bool same_letters(const char* text, const char* lower) {
  constexpr Word small = std::numeric_limits<Word>::max() / 0xff * 0x20;
  Word a = 0;
  Word b = 0;
  std::memcpy(&a, text, sizeof a);
  std::memcpy(&b, lower, sizeof b);
  return (a | small) == b;
}

// Both are as long as `lower`, a known name. The last word overlaps the one before it.
template <class Word>
bool same_words(const char* text, std::string_view lower) {
  const std::size_t last = lower.size() - sizeof(Word);
  for (std::size_t i = 0; i < last; i += sizeof(Word)) {
    if (!same_letters<Word>(text + i, lower.data() + i)) return false;
  }
  return same_letters<Word>(text + last, lower.data() + last);
}

// Every field of every head is looked up: a word at a time.
bool is_spelling_of(const char* text, std::string_view lower) {
  if (lower.size() >= 8) return same_words<std::uint64_t>(text, lower);
  if (lower.size() >= 4) return same_words<std::uint32_t>(text, lower);
  return same_words<std::uint16_t>(text, lower);
}

}  // namespace

Name name_of(std::string_view text) {
  if (text.empty()) return Name::other;
  const Slot& slot = slots[slot_of(text, factor)];
  if (slot.size != text.size()) return Name::other;
  const std::string_view known(slot.text.data(), slot.size);
  return is_spelling_of(text.data(), known) ? slot.name : Name::other;
}

Name Fields::add(std::string_view name, std::string_view value, bool plain) {
  const Name id = name_of(name);
  const std::uint64_t bit = std::uint64_t{1} << static_cast<unsigned>(id);
  if ((present_ & bit) == 0) {
    first_[static_cast<unsigned>(id)] = static_cast<std::uint16_t>(fields_.size());
  }
  repeated_ |= present_ & bit;
  present_ |= bit;
  fields_.push_back(Field{id, plain, name, value});
  return id;
}

std::string_view Fields::get(std::string_view name) const {
  for (const Field& field : fields_) {
    if (equals_ignoring_case(field.name, name)) return field.value;
  }
  return {};
}

std::size_t Fields::count(Name id) const {
  if (!has(id)) return 0;
  if (!repeated(id)) return 1;
  std::size_t found = 0;
  for (const Field& field : fields_)
    found += field.id == id ? 1U : 0U;
  return found;
}

// Both keep the fields' memory, so that a reused head does not allocate.
void RequestHead::clear() {
  Fields kept = std::move(fields);
  *this = RequestHead{};
  fields = std::move(kept);
  fields.clear();
}

void ReplyHead::clear() {
  Fields kept = std::move(fields);
  *this = ReplyHead{};
  fields = std::move(kept);
  fields.clear();
}

}  // namespace mcplb::http
