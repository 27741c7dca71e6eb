// The commands that change a backend of a running instance.
#pragma once

#include <cstdint>
#include <string>

#include "cli_ask.hpp"

namespace mcplb {

// Both return the exit code, and print what has become of it or what is wrong. `name` is
// POOL/BACKEND, or BACKEND alone when there is one pool.

// `command` is drain, activate or disable.
int change_backend(const AdminAccess& access, const std::string& name, const char* command);
// Drains it, and says what is left on it until nothing is, or the time is over (1).
int drain_and_wait(const AdminAccess& access, const std::string& name, std::int64_t timeout_s);

}  // namespace mcplb
