#include "demo/session.hpp"

#include <utility>

#include "mcplb/base/random.hpp"

namespace mcplb::demo {
namespace {

std::string unguessable_id() {
  static constexpr char digits[] = "0123456789abcdef";
  std::string id;
  for (int half = 0; half < 2; ++half) {
    std::uint64_t bits = secret_random64();
    for (int digit = 0; digit < 16; ++digit, bits >>= 4)
      id += digits[bits & 15];
  }
  return id;
}

}  // namespace

Inbox::Inbox(net::Loop& loop, Session& session, std::int64_t key)
    : loop_(loop),
      session_(&session),
      key_(key) {
  session.inboxes_.emplace(key, this);
}

Inbox::~Inbox() {
  if (session_ != nullptr) session_->inboxes_.erase(key_);
}

bool Inbox::put(Json message) {
  if (messages_.size() >= messages_max) return false;
  messages_.push_back(std::move(message));
  if (waiting_ != nullptr) waiting_->wake();
  return true;
}

std::optional<Json> Inbox::take() {
  if (messages_.empty()) return std::nullopt;
  std::optional<Json> first = std::move(messages_.front());
  messages_.pop_front();
  return first;
}

void Inbox::close() {
  session_ = nullptr;
  if (waiting_ != nullptr) waiting_->wake();
}

void Inbox::Awaiter::await_suspend(std::coroutine_handle<> waiting) {
  MCPLB_ASSERT(inbox_.waiting_ == nullptr);
  waiting_ = waiting;
  inbox_.waiting_ = this;
  inbox_.loop_.timers().arm(*this, deadline_);
}

void Inbox::Awaiter::resume() {
  Timer::disarm();
  Deferred::unlink();
  inbox_.waiting_ = nullptr;
  waiting_.resume();
}

Session::~Session() {
  for (const auto& [key, inbox] : inboxes_)
    inbox->close();
}

Inbox* Session::inbox(std::int64_t key) const {
  const auto found = inboxes_.find(key);
  return found == inboxes_.end() ? nullptr : found->second;
}

Session* Sessions::open(std::string version, Json capabilities) {
  if (by_id_.size() >= max_ && !make_room()) return nullptr;
  std::string id = unguessable_id();
  auto opened = std::make_unique<Session>(id, std::move(version), std::move(capabilities));
  Session& session = *opened;
  by_id_.emplace(std::move(id), std::move(opened));
  by_use_.push_back(session);
  return &session;
}

Session* Sessions::find(std::string_view id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return nullptr;
  Session& session = *found->second;
  session.unlink();
  by_use_.push_back(session);
  return &session;
}

void Sessions::end(Session& session) {
  const auto found = by_id_.find(session.id());
  if (found != by_id_.end()) by_id_.erase(found);
}

bool Sessions::make_room() {
  Session* longest_idle = nullptr;
  by_use_.for_each([&longest_idle](Session& session) {
    if (longest_idle == nullptr && session.idle()) longest_idle = &session;
  });
  if (longest_idle == nullptr) return false;
  end(*longest_idle);
  return true;
}

}  // namespace mcplb::demo
