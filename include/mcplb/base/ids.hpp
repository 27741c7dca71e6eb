// Names of things that outlive an index.
#pragma once

#include <cstdint>

namespace mcplb {

// One backend, for the life of the process: a session's owner is named by it, also across
// reloads. Given out by cluster::Registry, densely from 1.
enum class BackendId : std::uint32_t { none = 0 };

}  // namespace mcplb
