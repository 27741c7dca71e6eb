// How the sessions of one pool are kept.
#pragma once

#include <cstdint>

#include "mcplb/base/clock.hpp"

namespace mcplb::session {

enum class Identity : std::uint8_t { learned, sealed, none };
enum class OnUnknown : std::uint8_t { ask, not_found, forward };
enum class OnBackendLoss : std::uint8_t { reestablish, not_found, reroute };
enum class Bind : std::uint8_t { none, authorization };

struct Settings {
  // learned: ids stay as backends mint them. sealed: they carry their owner, so that any balancer
  // with the same secrets finds it. none: the backends need no affinity.
  Identity identity = Identity::learned;
  // A session without any request or stream for this long is forgotten. Longer than the
  // backends' own session timeout.
  milliseconds idle_timeout{30 * 60 * 1000};
  // reroute: backends that share their sessions. not_found: the client initializes again.
  OnBackendLoss on_backend_loss = OnBackendLoss::reestablish;
  OnUnknown on_unknown = OnUnknown::ask;  // of a session that neither memory nor store knows
  int max_per_backend = 0;                                     // 0: no cap
  bool delete_on_expiry = true;  // at the owner
  Bind bind = Bind::none;  // authorization: a session answers only to who opened it
};

}  // namespace mcplb::session
