#include "mcplb/async/nursery.hpp"

#include <memory>

#include <doctest/doctest.h>

#include "support/fake_clock.hpp"
#include "support/manual_defer_queue.hpp"

using namespace mcplb;

namespace {

struct Flows {
  test::FakeClock clock;
  test::ManualDeferQueue queue;
  Nursery nursery{queue};
  int alive = 0;
  int ended = 0;
};

// Waits a while; holds a share of `alive` as long as it exists.
class Waiting : public Job {
 public:
  explicit Waiting(Flows& flows) : flows_(flows) { ++flows_.alive; }
  ~Waiting() override { --flows_.alive; }

 protected:
  Task<void> run() override {
    const Deadline deadline = flows_.clock.in(milliseconds(100));
    co_await flows_.clock.timers().sleep(deadline);
    ++flows_.ended;
  }
  Flows& flows_;
};

// Asks for its own end and goes on running until its next wait.
class CancelsItself final : public Waiting {
 public:
  using Waiting::Waiting;

 private:
  Task<void> run() override {
    cancel_soon();
    cancel_soon();
    ++flows_.ended;
    co_await flows_.clock.timers().sleep(flows_.clock.in(milliseconds(100)));
    ++flows_.ended;
  }
};

// Cancels another job when it is destroyed.
class TakesAlong final : public Waiting {
 public:
  TakesAlong(Flows& flows, Job& other) : Waiting(flows), other_(other) {}
  ~TakesAlong() override { flows_.nursery.cancel_soon(other_); }

 private:
  Job& other_;
};

Task<void> end_at_once(int& ended) {
  ++ended;
  co_return;
}

}  // namespace

TEST_SUITE("async/nursery") {
  TEST_CASE("runs a job to its first wait at once and destroys it a turn after its end") {
    Flows flows;
    flows.nursery.spawn(std::make_unique<Waiting>(flows));
    CHECK(flows.nursery.size() == 1);
    flows.clock.advance(milliseconds(120));
    CHECK(flows.ended == 1);
    CHECK(flows.alive == 1);
    flows.queue.run();
    CHECK(flows.alive == 0);
    CHECK(flows.nursery.empty());
  }

  TEST_CASE("a job may end while it is spawned, and is good until the next turn") {
    Flows flows;
    int ended = 0;
    Job& job = flows.nursery.spawn(end_at_once(ended));
    CHECK(ended == 1);
    flows.nursery.cancel_soon(job);
    CHECK(flows.nursery.size() == 1);
    flows.queue.run();
    CHECK(flows.nursery.empty());
  }

  TEST_CASE("a job may ask for its own end while it runs") {
    Flows flows;
    flows.nursery.spawn(std::make_unique<CancelsItself>(flows));
    CHECK(flows.ended == 1);
    CHECK(flows.alive == 1);
    flows.queue.run();
    CHECK(flows.alive == 0);
    flows.clock.advance(milliseconds(1000));
    CHECK(flows.ended == 1);
  }

  TEST_CASE("cancelling is done at the next turn, once, however often it is asked") {
    Flows flows;
    Job& job = flows.nursery.spawn(std::make_unique<Waiting>(flows));
    flows.nursery.cancel_soon(job);
    flows.nursery.cancel_soon(job);
    CHECK(flows.alive == 1);
    flows.queue.run();
    CHECK(flows.alive == 0);
    CHECK(flows.ended == 0);
    CHECK(flows.queue.empty());
  }

  TEST_CASE("a job that ends after it was cancelled is destroyed once") {
    Flows flows;
    Job& job = flows.nursery.spawn(std::make_unique<Waiting>(flows));
    flows.nursery.cancel_soon(job);
    flows.clock.advance(milliseconds(120));
    CHECK(flows.ended == 1);
    flows.queue.run();
    CHECK(flows.alive == 0);
    CHECK(flows.nursery.empty());
  }

  TEST_CASE("cancel_all_soon() ends every job, and others may follow") {
    Flows flows;
    for (int i = 0; i < 3; ++i)
      flows.nursery.spawn(std::make_unique<Waiting>(flows));
    flows.nursery.cancel_all_soon();
    CHECK(flows.nursery.size() == 3);
    flows.queue.run();
    CHECK(flows.nursery.empty());
    flows.nursery.spawn(std::make_unique<Waiting>(flows));
    flows.clock.advance(milliseconds(120));
    CHECK(flows.ended == 1);
  }

  TEST_CASE("a job that dies may cancel another, in the same turn") {
    Flows flows;
    Job& other = flows.nursery.spawn(std::make_unique<Waiting>(flows));
    Job& job = flows.nursery.spawn(std::make_unique<TakesAlong>(flows, other));
    flows.nursery.cancel_soon(job);
    flows.queue.run();
    CHECK(flows.alive == 0);
    CHECK(flows.nursery.empty());
  }

  TEST_CASE("a nursery that dies takes its running and its doomed jobs along") {
    Flows flows;
    {
      Nursery nursery(flows.queue);
      nursery.spawn(std::make_unique<Waiting>(flows));
      Job& doomed = nursery.spawn(std::make_unique<Waiting>(flows));
      nursery.cancel_soon(doomed);
      CHECK(flows.alive == 2);
    }
    CHECK(flows.alive == 0);
    // Nothing of it is left in the queue.
    CHECK(flows.queue.empty());
    flows.queue.run();
  }
}
