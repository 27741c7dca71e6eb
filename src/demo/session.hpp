// The sessions of one demo server, in its own memory and nowhere else: what makes it plain.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "mcplb/base/hash.hpp"
#include "mcplb/base/intrusive_list.hpp"
#include "mcplb/net/loop.hpp"

#include "demo/json_rpc.hpp"

namespace mcplb::demo {

class Session;

// Where one flow waits for messages that other requests of its session bring: the event stream
// for notifications, a tool for the client's answer. Lives in the frame of that flow, so the
// client's leaving ends it; a session that ends first closes it.
class Inbox {
 public:
  static constexpr std::size_t messages_max = 100;

  // Registers under `key`, which no other inbox of the session uses.
  Inbox(net::Loop& loop, Session& session, std::int64_t key);
  ~Inbox();
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  // False when too many wait already: the message is dropped.
  bool put(Json message);
  std::optional<Json> take();
  // The session has ended; nothing more will come.
  bool closed() const { return session_ == nullptr; }

  class Awaiter;
  // Waits until a message is there, the inbox is closed or the deadline passes.
  Awaiter arrived(Deadline deadline);

 private:
  friend class Session;
  void close();

  net::Loop& loop_;
  Session* session_;
  std::int64_t key_;
  std::deque<Json> messages_;
  Awaiter* waiting_ = nullptr;
};

// Resumes at the next turn of the loop, never inside put(): the flow that brings a message is
// not done yet, and what it resumes might end the session under it.
class Inbox::Awaiter final : private net::Timer, private Deferred {
 public:
  Awaiter(Inbox& inbox, Deadline deadline) : inbox_(inbox), deadline_(deadline) {}
  ~Awaiter() override {
    if (inbox_.waiting_ == this) inbox_.waiting_ = nullptr;
  }

  bool await_ready() const { return !inbox_.messages_.empty() || inbox_.closed(); }
  void await_suspend(std::coroutine_handle<> waiting);
  void await_resume() const {}

 private:
  friend class Inbox;
  void wake() { inbox_.loop_.defer(*this); }
  void run_deferred() override { resume(); }
  void on_timer() override { resume(); }
  void resume();

  Inbox& inbox_;
  Deadline deadline_;
  std::coroutine_handle<> waiting_;
};

inline Inbox::Awaiter Inbox::arrived(Deadline deadline) {
  return Awaiter(*this, deadline);
}

// Owned by Sessions. No flow keeps a reference to it over a wait: it may be deleted meanwhile.
class Session final : public ListNode {
 public:
  // The inbox of the event stream; requests to the client count from 1.
  static constexpr std::int64_t event_stream = 0;
  static constexpr std::size_t inboxes_max = 100;

  Session(std::string id, std::string version, Json capabilities)
      : id_(std::move(id)),
        version_(std::move(version)),
        capabilities_(std::move(capabilities)) {}
  ~Session();

  const std::string& id() const { return id_; }
  const std::string& version() const { return version_; }
  bool client_can(const char* capability) const {
    return member(capabilities_, capability).is_object();
  }
  std::uint64_t count_call() { return ++calls_; }
  std::int64_t next_request_id() { return ++last_request_id_; }
  // Null when nobody waits under that key.
  Inbox* inbox(std::int64_t key) const;
  bool full() const { return inboxes_.size() >= inboxes_max; }
  bool idle() const { return inboxes_.empty(); }

 private:
  friend class Inbox;
  std::string id_;
  std::string version_;
  Json capabilities_;
  std::uint64_t calls_ = 0;
  std::int64_t last_request_id_ = 0;
  std::map<std::int64_t, Inbox*> inboxes_;  // the inboxes belong to the flows that wait
};

class Sessions {
 public:
  static constexpr std::size_t sessions_max = 10'000;

  // `max` is for tests.
  explicit Sessions(std::size_t max = sessions_max) : max_(max) {}

  // Opens a session with an unguessable id. When there are too many, the one that has been idle
  // for longest goes; null when none is idle.
  Session* open(std::string version, Json capabilities);
  // Null when unknown. Counts as use.
  Session* find(std::string_view id);
  void end(Session& session);
  std::size_t size() const { return by_id_.size(); }

 private:
  bool make_room();

  using Map =
      std::unordered_map<std::string, std::unique_ptr<Session>, StringHash, std::equal_to<>>;
  std::size_t max_;
  IntrusiveList<Session> by_use_;  // the longest unused first
  Map by_id_;                      // owns the sessions; dies before the list that links them
};

}  // namespace mcplb::demo
