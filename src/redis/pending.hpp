// Who waits for which reply. Replies come in the order of the commands, so a waiter that has left
// (its time was over, its task was destroyed) keeps its place until its reply has come.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <optional>

#include "mcplb/base/result.hpp"
#include "mcplb/net/timers.hpp"
#include "mcplb/redis/reply.hpp"

namespace mcplb::redis {

class PendingReplies {
 public:
  class Waiter;
  PendingReplies() = default;
  // Waiters that are left are not resumed any more: their owners destroy them.
  ~PendingReplies();
  PendingReplies(const PendingReplies&) = delete;
  PendingReplies& operator=(const PendingReplies&) = delete;

  bool empty() const { return waiters_.empty(); }
  std::size_t size() const { return waiters_.size(); }
  // A place for a reply that nobody waits for.
  void push_nobody() { waiters_.push_back(nullptr); }
  // Gives the reply to the first in line. Resumes its task, which may send further commands and
  // destroy other waiters.
  void answer(Reply reply);
  // The same for everybody who waits. Nothing may be sent meanwhile.
  void fail_all(const Error& error);

 private:
  Waiter* pop();

  std::deque<Waiter*> waiters_;  // null: has left
  std::uint64_t first_ = 0;      // the number of the first in line
};

// Takes the last place in line when it is made, and waits for its reply.
class PendingReplies::Waiter final : private net::Timer {
 public:
  Waiter(PendingReplies& pending, net::Timers& timers, Deadline deadline);
  ~Waiter() override { leave(); }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    timers_.arm(*this, deadline_);
  }
  Result<Reply> await_resume() { return std::move(*result_); }

 private:
  friend class PendingReplies;
  void on_timer() override;
  void leave();
  void complete(Result<Reply> result);

  PendingReplies* pending_;  // null once the place in line is gone
  std::uint64_t number_;
  net::Timers& timers_;
  Deadline deadline_;
  std::optional<Result<Reply>> result_;
  std::coroutine_handle<> waiting_;
};

}  // namespace mcplb::redis
