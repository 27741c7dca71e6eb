// Opens a session again on another backend, because its owner is gone or is to be emptied: replays
// how the client opened it, and what it has asked the server to remember since. The client's id
// stays. One attempt at a time, whichever worker or balancer makes it; the others wait for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "mcplb/async/nursery.hpp"
#include "mcplb/async/task.hpp"
#include "mcplb/base/ids.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/net/timers.hpp"
#include "mcplb/session/ask.hpp"
#include "mcplb/session/directory.hpp"
#include "mcplb/session/lookup.hpp"
#include "mcplb/session/store.hpp"

namespace mcplb::session {

struct MoveQuery {
  std::string session;             // as the client calls it; not of the 2024-11-05 transport
  Directory* directory = nullptr;  // outlives the moving
  std::uint32_t generation = 0;    // of the ownership that failed, as the SessionUse was told it
  BackendId from = BackendId::none;
  // The owner lives and does not know the session: it may be the one that opens it again.
  bool from_forgot = false;
  std::string target;  // as the backend sees it
  std::string host;
  // Header lines of the client's request to send along (credentials, forwarding headers), each with
  // its CRLF; without the fields that a request of our own has. Used, never stored.
  std::string fields;
  // A drain: the old owner gets a DELETE after the move, for what it calls the session, unless it
  // has more than `requests_max` requests of the session to answer.
  bool from_lives = false;
  std::string at_backend;
  std::uint32_t requests_max = UINT32_MAX;
};

struct MoveResult {
  enum class Outcome : std::uint8_t {
    moved,      // the directory names the new owner, whoever moved it
    lost,       // it cannot be opened again: how is not known, every server is a lesser one, or it
                // was deleted meanwhile. Forgotten here, unless its old owner lives
    forbidden,  // the new backend wants other credentials; the session is kept as it was
    in_use,     // by requests that only its old owner can answer; it is kept
    no_backend,  // nobody else is usable now; the session is kept
    unavailable  // silence, or somebody else's attempt that did not end in time; it is kept
  };
  Outcome outcome = Outcome::unavailable;
  Refusal refusal;       // with Outcome::forbidden
  const char* why = "";  // static text, for the log
};

// One worker's, or the control loop's; used on its loop only.
class Mover {
 public:
  // All outlive the mover, but `nursery`, which runs its flows and may die first. `store` is null
  // without one. Without a `connector`, backends are met through the scope's dispatcher.
  Mover(net::Timers& timers, Nursery& nursery, Store* store,
        Asker::Connector* connector = nullptr);
  Mover(const Mover&) = delete;
  Mover& operator=(const Mover&) = delete;

  // Ends within limits::session_move and a grace. What was begun goes on when the task is
  // destroyed: nothing is left half done.
  Task<MoveResult> move(const LookupScope& scope, MoveQuery query);
  std::size_t moving() const { return moving_; }

 private:
  class Flight;

  net::Timers& timers_;
  Nursery& nursery_;
  Store* const store_;
  Asker::Connector* const connector_;
  std::size_t moving_ = 0;
  std::size_t goodbyes_ = 0;  // DELETEs that wait or are under way; at most limits::farewells_max
};

}  // namespace mcplb::session
