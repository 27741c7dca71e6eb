#include "redis/pending.hpp"

#include <utility>

namespace mcplb::redis {

PendingReplies::~PendingReplies() {
  for (Waiter* waiter : waiters_) {
    if (waiter == nullptr) continue;
    waiter->pending_ = nullptr;
    waiter->disarm();
  }
}

PendingReplies::Waiter* PendingReplies::pop() {
  Waiter* const waiter = waiters_.front();
  waiters_.pop_front();
  ++first_;
  if (waiter != nullptr) waiter->pending_ = nullptr;
  return waiter;
}

void PendingReplies::answer(Reply reply) {
  MCPLB_ASSERT(!empty());
  Waiter* const waiter = pop();
  if (waiter != nullptr) waiter->complete(std::move(reply));
}

void PendingReplies::fail_all(const Error& error) {
  // One by one: each may destroy any of the others.
  while (!empty()) {
    Waiter* const waiter = pop();
    if (waiter != nullptr) waiter->complete(error);
  }
}

PendingReplies::Waiter::Waiter(PendingReplies& pending, net::Timers& timers, Deadline deadline)
    : pending_(&pending),
      number_(pending.first_ + pending.waiters_.size()),
      timers_(timers),
      deadline_(deadline) {
  pending.waiters_.push_back(this);
}

void PendingReplies::Waiter::leave() {
  if (pending_ == nullptr) return;
  pending_->waiters_[static_cast<std::size_t>(number_ - pending_->first_)] = nullptr;
  pending_ = nullptr;
}

void PendingReplies::Waiter::complete(Result<Reply> result) {
  disarm();
  result_.emplace(std::move(result));
  waiting_.resume();
}

void PendingReplies::Waiter::on_timer() {
  leave();
  complete(Error{Error::Kind::timeout, Error::Side::self, 0, "the store did not answer in time"});
}

}  // namespace mcplb::redis
