// The event streams that are open on one worker, so that a stop can end them one by one.
#pragma once

#include "mcplb/base/clock.hpp"
#include "mcplb/base/intrusive_list.hpp"
#include "mcplb/net/stream.hpp"
#include "mcplb/net/timers.hpp"

namespace mcplb::proxy {

// One open event stream: member of its relay. Once `end_requested` it ends at the next event
// boundary.
class OpenStream final : public ListNode {
 public:
  explicit OpenStream(net::Stream& backend) : alarm_(backend) {}
  bool end_requested() const { return alarm_.rung; }
  void end_at(Deadline when) { alarm_.backend.timers().arm(alarm_, when); }

 private:
  struct Alarm final : net::Timer {
    explicit Alarm(net::Stream& stream) : backend(stream) {}
    void on_timer() override {
      rung = true;
      backend.interrupt();
    }
    net::Stream& backend;
    bool rung = false;
  };
  Alarm alarm_;
};

class OpenStreams {
 public:
  explicit OpenStreams(net::Timers& timers) : timers_(timers) {}

  void add(OpenStream& stream) {
    streams_.push_back(stream);
    // A stream that opens while we stop does not outstay the others.
    if (stopping_) stream.end_at(timers_.in(milliseconds(0)));
  }
  // Spread out, so that the clients do not all come back in the same moment.
  void end_all(milliseconds within) {
    stopping_ = true;
    std::int64_t count = 0;
    streams_.for_each([&](OpenStream&) { ++count; });
    std::int64_t index = 0;
    streams_.for_each([&](OpenStream& stream) {
      stream.end_at(timers_.in(within * index / (count > 0 ? count : 1)));
      ++index;
    });
  }

 private:
  net::Timers& timers_;
  IntrusiveList<OpenStream> streams_;
  bool stopping_ = false;
};

}  // namespace mcplb::proxy
