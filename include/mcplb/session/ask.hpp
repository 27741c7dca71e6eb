// Asking the backends whose a session is that no directory remembers: after a restart without a
// store, or when the store was emptied. A ping is sent inside of the session to every backend of
// the pool, drained and unhealthy ones too; the one that holds the session answers it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "mcplb/async/nursery.hpp"
#include "mcplb/async/task.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/ids.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/cluster/backend.hpp"
#include "mcplb/cluster/lease.hpp"
#include "mcplb/cluster/pool.hpp"
#include "mcplb/net/timers.hpp"

namespace mcplb::session {

// What of the triggering request goes with the ping. The values stood in a parsed head; `session`
// is a valid session id of the header kind (2025-03-26 and later: a 2024-11-05 server answers on
// another connection). Empty fields are not sent; without a host the backend's own is.
struct Question {
  std::string session;
  std::string target;  // as the backend sees it
  std::string host;
  std::string authorization;
  std::string protocol_version;
};

// A 401 or 403 that one of the backends gave.
struct Refusal {
  int status = 0;
  std::string www_authenticate;
  std::string content_type;
  std::string body;  // at most limits::ask_reply_bytes_max; empty when it did not come whole
};

struct Answer {
  enum class Outcome : std::uint8_t {
    owner,        // exactly one backend claims the session
    shared,       // several do: they share sessions, any of them will do; nothing to remember
    unknown,      // every backend says that it is none of its
    forbidden,    // nobody claims it, nobody is silent, and `refusal` is for the client
    unavailable,  // nobody claims it, and one that was silent may hold it
    overloaded    // nobody was asked: limits::asks_max
  };
  Outcome outcome = Outcome::unavailable;
  BackendId owner = BackendId::none;  // with Outcome::owner
  Refusal refusal;                    // with Outcome::forbidden
};

// One worker's asking. Owned by the worker, used on its loop only.
class Asker {
 public:
  // The way to a backend: a fresh connection, which is closed with its lease.
  class Connector {
   public:
    virtual Task<Result<cluster::Lease>> connect(cluster::Backend& backend,
                                                 Deadline deadline) = 0;

   protected:
    ~Connector() = default;
  };

  // Both outlive the asker, which outlives every asking.
  Asker(net::Timers& timers, DeferQueue& turns) : timers_(timers), turns_(turns) {}
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;

  // Ends within limits::ask_time and a grace, and within limits::ask_grace of the first claim.
  // Cancelling it closes its connections. `dispatcher` or `connector`, and the backends, outlive
  // the asking. Callers share one asking between requests for the same session with the same
  // credentials.
  Task<Answer> ask(cluster::Dispatcher& dispatcher, Question question);
  Task<Answer> ask(Connector& connector, std::vector<cluster::Backend*> backends,
                   Question question);
  std::size_t asking() const { return asking_; }

 private:
  net::Timers& timers_;
  DeferQueue& turns_;
  std::size_t asking_ = 0;
};

}  // namespace mcplb::session
