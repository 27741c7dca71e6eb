// The "next turn of the loop" happens when a test says so.
#pragma once

#include "mcplb/async/nursery.hpp"

namespace mcplb::test {

class ManualDeferQueue final : public DeferQueue {
 public:
  void defer(Deferred& work) override {
    if (!work.linked()) waiting_.push_back(work);
  }
  bool empty() const { return waiting_.empty(); }
  // One turn: what is deferred meanwhile waits for the next.
  void run() {
    IntrusiveList<Deferred> due;
    due.splice(waiting_);
    while (!due.empty()) {
      Deferred& work = due.front();
      work.unlink();
      work.run_deferred();
    }
  }

 private:
  IntrusiveList<Deferred> waiting_;
};

}  // namespace mcplb::test
