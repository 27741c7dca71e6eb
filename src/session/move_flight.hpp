// One attempt to move a session: from the claim in the directory to the store's word.
#pragma once

#include <coroutine>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mcplb/base/intrusive_list.hpp"
#include "mcplb/session/move.hpp"

#include "session/own_call.hpp"
#include "session/reopen.hpp"

namespace mcplb::session {

// The request that waits for it. Lives in the request's frame; unlinks itself when that ends first.
class MoveWaiter final : public ListNode {
 public:
  bool await_ready() const { return result.has_value(); }
  void await_suspend(std::coroutine_handle<> waiting) { waiting_ = waiting; }
  void await_resume() const {}
  void complete(MoveResult done) {
    result = std::move(done);
    if (waiting_) waiting_.resume();
  }

  std::optional<MoveResult> result;

 private:
  std::coroutine_handle<> waiting_;
};

// Goes on when the request that began it has left. Holds the claim.
class Mover::Flight final : public Job {
 public:
  Flight(Mover& mover, const LookupScope& scope, MoveQuery query, Deadline deadline);
  ~Flight() override;

  void join(MoveWaiter& waiter) { waiters_.push_back(waiter); }

 private:
  // What ends the attempt early; nothing when it goes on.
  using Early = std::optional<MoveResult>;

  Task<void> run() override;
  Task<MoveResult> attempt();
  Task<Early> agree_with_store();
  Task<bool> lock(Early& early);
  Task<MoveResult> open_somewhere();
  Task<MoveResult> settle(cluster::Backend& backend, Reopened opened);
  Task<MoveResult> after_lost_race(cluster::Backend& backend, Reopened opened);
  Early read_record(Store::Found::State state, const StoredRecord& record);
  MoveResult adopt(const StoredRecord& record);
  MoveResult lose(const char* why);
  std::vector<cluster::Backend*> candidates();
  void merge(const Replay& stored);
  void release();
  void count(const MoveResult& result);
  void log_moved(const cluster::Backend& to) const;
  void say_goodbye(cluster::Backend& backend, std::string session, std::string protocol,
                   milliseconds after = milliseconds(0));
  milliseconds goodbye_after();
  Asker::Connector& connector() {
    return mover_.connector_ != nullptr ? *mover_.connector_ : connecting_;
  }
  Directory& directory() const { return *query_.directory; }

  Mover& mover_;
  const LookupScope& scope_;
  const MoveQuery query_;
  const Deadline deadline_;
  const TimePoint begun_;
  const std::string token_ = random_id();  // of the lock in the store
  Connecting connecting_;
  Facts facts_;  // as the directory knew them
  Reopening how_;
  bool claimed_ = true;
  bool locked_ = false;
  bool store_is_away_ = false;
  bool adopted_ = false;
  struct {
    bool away = false;  // or full, or not tried
    bool silent = false;
    bool lesser = false;
  } answers_;  // of those that did not open it
  IntrusiveList<MoveWaiter> waiters_;
};

}  // namespace mcplb::session
