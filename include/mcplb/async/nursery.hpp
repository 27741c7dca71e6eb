// The owner of root tasks. Ended and cancelled ones are destroyed at the next turn of the loop,
// never while they run.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "mcplb/async/task.hpp"
#include "mcplb/base/intrusive_list.hpp"

namespace mcplb {

// Work for the next turn of a loop.
class Deferred : public ListNode {
 public:
  virtual ~Deferred() = default;
  Deferred() = default;
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;
  virtual void run_deferred() = 0;
};

// Implemented by net::Loop, and by a manual one in tests.
class DeferQueue {
 public:
  virtual ~DeferQueue() = default;
  DeferQueue() = default;
  DeferQueue(const DeferQueue&) = delete;
  DeferQueue& operator=(const DeferQueue&) = delete;
  // Runs `work` once at the next turn; asking again before then changes nothing.
  virtual void defer(Deferred& work) = 0;
};

class Nursery;

// A long-lived flow and the state that it needs: derive, keep the state as members, write run().
class Job : public ListNode {
 public:
  virtual ~Job() = default;
  Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

 protected:
  virtual Task<void> run() = 0;
  // Ends this job at the next turn; safe from inside run() and from callbacks. Idempotent.
  void cancel_soon();

 private:
  friend class Nursery;
  static void on_done(void* job);
  Nursery* nursery_ = nullptr;
  bool doomed_ = false;
  Task<void> task_;  // refers to the members of the derived class, so it is reset before them
};

// Owned by a loop's owner (worker, control); outlived by nothing that it runs.
class Nursery final : private Deferred {
 public:
  explicit Nursery(DeferQueue& queue) : queue_(queue) {}
  ~Nursery() override;

  // Starts the job at once; it may even end before this returns.
  Job& spawn(std::unique_ptr<Job> job);
  // A flow without state of its own.
  Job& spawn(Task<void> task);
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void cancel_soon(Job& job);
  void cancel_all_soon();

 private:
  friend class Job;
  void run_deferred() override;
  void destroy(Job& job);

  DeferQueue& queue_;
  IntrusiveList<Job> running_;  // owns the jobs
  IntrusiveList<Job> doomed_;   // owns them until the next turn
  std::size_t size_ = 0;
};

}  // namespace mcplb
