// The exchanges of one worker that a backend is busy with, so that they can be told when it is
// marked down, when it is to be emptied, and when we stop.
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
  // The more urgent, the greater.
  enum class Wish : std::uint8_t {
    none,
    leave,  // an event stream of a session goes on at another backend, from an event boundary on
    stop,   // an event stream on which no answer is owed ends at an event boundary
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
    alarm_.disarm();
    wish_ = Wish::none;
    wanted_ = Wish::none;
    may_leave_ = false;
    may_stop_ = false;
  }

  const cluster::Backend* backend() const { return backend_; }
  Wish wish() const { return wish_; }
  // It relays an event stream that may go on elsewhere.
  bool may_leave() const { return may_leave_; }
  void set_may_leave(bool may) { may_leave_ = may; }
  // It relays an event stream that we may end.
  bool may_stop() const { return may_stop_; }
  void set_may_stop(bool may) { may_stop_ = may; }
  // It need not leave any more.
  void stay() {
    if (wanted_ != Wish::leave) return;
    alarm_.disarm();
    wish_ = Wish::none;
    wanted_ = Wish::none;
  }
  // Wakes the exchange at that time, to find the wish.
  void ask(Wish wish, Deadline when) {
    if (wanted_ > wish || (wanted_ == wish && wish != Wish::leave)) return;
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
  bool may_stop_ = false;
  std::uint64_t silent_since_ = no_look;
  Alarm alarm_{*this};
};

// Asks those for which `concerned(exchange)`, one after the other within that time, so that their
// clients do not all come in the same moment.
template <class Concerned>
void ask_in_turn(IntrusiveList<InFlight>& all, InFlight::Wish wish, net::Timers& timers,
                 milliseconds within, Concerned concerned) {
  std::int64_t count = 0;
  all.for_each([&](const InFlight& exchange) { count += concerned(exchange) ? 1 : 0; });
  std::int64_t index = 0;
  all.for_each([&](InFlight& exchange) {
    if (!concerned(exchange)) return;
    exchange.ask(wish, timers.in(within * index / count));
    ++index;
  });
}

}  // namespace mcplb::proxy
