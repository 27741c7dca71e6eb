// Random numbers that need not be secret (request ids, jitter), and bytes that must be.
#pragma once

#include <cstdint>
#include <string>

namespace mcplb {

// Fast, per thread, seeded from the system. Not for secrets.
std::uint64_t random64();
// 32 hex digits, unique per request; for X-Request-Id.
void append_request_id(std::string& out);
// From the system's generator, for keys and unguessable ids.
std::uint64_t secret_random64();

}  // namespace mcplb
