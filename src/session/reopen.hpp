// Opening a session again on one backend: `initialize` as the client sent it, what the
// specification wants after it, and what the client has asked the server to remember.
#pragma once

#include <cstdint>
#include <string>

#include "mcplb/async/task.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/session/ask.hpp"
#include "mcplb/session/record.hpp"

namespace mcplb::session {

// What is said to whichever backend it is.
struct Reopening {
  std::string target;
  std::string host;   // empty: the backend's own
  std::string lines;  // header lines of the client's request, each with its CRLF
  Replay replay;      // with an opening
  std::string protocol;  // that the client speaks; empty: not known
};

struct Reopened {
  enum class Outcome : std::uint8_t {
    opened,
    lesser,     // it speaks another revision, can do less, or keeps no session
    forbidden,  // it wants other credentials
    away,       // nobody listens there
    silent      // no answer, or none that decides
  };
  Outcome outcome = Outcome::silent;
  std::string session;   // that it has opened, also when it is of no use
  std::string protocol;  // that it has agreed to
  Refusal refusal;       // with Outcome::forbidden
};

// All are owned by an ancestor of the task. Each request goes over a fresh connection.
Task<Reopened> reopen(Asker::Connector& connector, cluster::Backend& backend,
                      const Reopening& how, Deadline deadline);

// Says what the client had asked for. How many of it the backend did not take: it is the client's
// session also without. `opened` is owned by an ancestor, too.
Task<std::size_t> replay_journal(Asker::Connector& connector, cluster::Backend& backend,
                                 const Reopening& how, const Reopened& opened, Deadline deadline);

}  // namespace mcplb::session
