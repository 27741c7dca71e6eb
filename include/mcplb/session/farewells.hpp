// Tells owners that their sessions are over: nobody will use what they still keep for them. Best
// effort, because every server has a session timeout of its own.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "mcplb/async/nursery.hpp"
#include "mcplb/async/task.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/cluster/backend.hpp"
#include "mcplb/cluster/lease.hpp"
#include "mcplb/net/stream.hpp"
#include "mcplb/net/timers.hpp"
#include "mcplb/session/record.hpp"

namespace mcplb::session {

// A DELETE that ends a session. The values stood in parsed heads; empty ones are not sent.
struct Deletion {
  std::string session;  // as the backend knows it
  std::string target;
  std::string host;
  std::string protocol;
  std::string authorization;
  std::string lines;  // further header fields as whole lines, each with its CRLF
};

// The status of the answer. The stream is not usable afterwards; it is owned by an ancestor of
// the task. Errors have side backend.
Task<Result<int>> delete_session(net::Stream& stream, Deletion deletion, Deadline deadline);

// May be read on any thread.
struct FarewellStats {
  Counter deleted;  // by the owner, or it knew nothing of it, or it deletes nothing on demand
  Counter refused;  // 401 or 403: credentials are never kept, so there are none to show
  Counter failed;   // another answer or none: not tried again
  Counter skipped;  // not sent: nobody knows where to, or its owner is down or has just been silent
};

// Of one pool. Lives on the control loop.
class Farewells {
 public:
  // A fresh connection, which is closed with its lease.
  using Connect = std::function<Task<Result<cluster::Lease>>(cluster::Backend&, Deadline)>;

  // Both outlive the farewells, whose flows run in `nursery`: it is destroyed first.
  Farewells(Nursery& nursery, net::Timers& timers, Connect connect);
  Farewells(const Farewells&) = delete;
  Farewells& operator=(const Farewells&) = delete;

  // Soon. At most limits::farewells_max wait, limits::farewells_at_once are being said.
  void say(cluster::Backend& owner, std::string session, Place place);
  std::size_t waiting() const { return waiting_.size(); }
  const FarewellStats& stats() const { return stats_; }

 private:
  struct Farewell {
    cluster::Backend* owner = nullptr;
    std::string session;
    Place place;
  };
  Task<void> flow();
  Task<void> say_one(Farewell farewell);
  bool is_worth_trying(const cluster::Backend& owner) const;
  void note(int status);

  Nursery& nursery_;
  net::Timers& timers_;
  const Connect connect_;
  std::deque<Farewell> waiting_;
  std::size_t flows_ = 0;
  std::vector<const cluster::Backend*> silent_;  // until all that waits is done
  FarewellStats stats_;
};

}  // namespace mcplb::session
