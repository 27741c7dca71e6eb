// The exchanges of one worker that a backend is busy with, so that they can be told when it is
// marked down, or is to be emptied.
#pragma once

#include <cstdint>

#include "mcplb/base/intrusive_list.hpp"
#include "mcplb/cluster/backend.hpp"
#include "mcplb/net/stream.hpp"
#include "mcplb/net/timers.hpp"

namespace mcplb::proxy {

// One exchange, from the moment when it has a connection to a backend until it is done with it.
// Member of the exchange.
class InFlight final : public ListNode {
 public:
  enum class Wish : std::uint8_t {
    none,
    leave,  // an event stream of a session goes on at another backend, from an event boundary on
    cut     // the backend is given up
  };

  void begin(IntrusiveList<InFlight>& all, cluster::Backend& backend, net::Stream& stream) {
    unlink();
    backend_ = &backend;
    stream_ = &stream;
    wish_ = Wish::none;
    wanted_ = Wish::none;
    silent_since_ = no_look;
    all.push_back(*this);
  }
  void end() {
    unlink();
    stay();
    may_leave_ = false;
  }

  const cluster::Backend* backend() const { return backend_; }
  Wish wish() const { return wish_; }
  // It relays an event stream that may go on elsewhere.
  bool may_leave() const { return may_leave_; }
  void set_may_leave(bool may) { may_leave_ = may; }
  // What was asked for last is void.
  void stay() {
    alarm_.disarm();
    wish_ = Wish::none;
    wanted_ = Wish::none;
  }
  // Wakes the exchange at that time, to find the wish.
  void ask(Wish wish, Deadline when) {
    // Who is given up is not asked for anything else.
    if (wanted_ == Wish::cut) return;
    wanted_ = wish;
    wish_ = Wish::none;
    stream_->timers().arm(alarm_, when);
  }
  // Two looks find out whether the backend was silent in between.
  void look() { silent_since_ = stream_->bytes_read(); }
  bool silent_since_look() const { return silent_since_ == stream_->bytes_read(); }

 private:
  static constexpr std::uint64_t no_look = UINT64_MAX;

  // From a callback of its own: whoever asks may be in the middle of the list.
  struct Alarm final : net::Timer {
    explicit Alarm(InFlight& exchange) : owner(exchange) {}
    void on_timer() override {
      owner.wish_ = owner.wanted_;
      owner.stream_->interrupt();
    }
    InFlight& owner;
  };

  cluster::Backend* backend_ = nullptr;  // the registry's
  net::Stream* stream_ = nullptr;        // of the exchange's lease
  Wish wish_ = Wish::none;
  Wish wanted_ = Wish::none;
  bool may_leave_ = false;
  std::uint64_t silent_since_ = no_look;
  Alarm alarm_{*this};
};

}  // namespace mcplb::proxy
