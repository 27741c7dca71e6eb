// The flows of one thread: those that call, those that hold event streams, the one that has events
// emitted, and those that tidy up. Each tells its Supervisor when it has come so far.
#pragma once

#include <cstddef>
#include <memory>

#include "mcplb/async/nursery.hpp"

#include "load/context.hpp"

namespace mcplb::bench {

// The thread's runner. The calls may start other jobs, and end none.
class Supervisor {
 public:
  // A caller has opened its sessions, or given up, and waits for the start.
  virtual void on_caller_ready() = 0;
  virtual void on_stream_settled(bool open) = 0;
  // A caller or the emitter has done what it was there for.
  virtual void on_work_done() = 0;
  virtual void on_all_removed() = 0;

 protected:
  ~Supervisor() = default;
};

// Caller `index` of the thread uses the sessions whose index is `index` modulo the number of
// callers, or shares one when there are fewer.
std::unique_ptr<Job> make_caller(Context& context, Supervisor& supervisor, std::size_t index,
                                 std::size_t callers);
// Opens a session and its event stream, and reads that for as long as it lives.
std::unique_ptr<Job> make_stream(Context& context, Supervisor& supervisor);
// Has every backend emit within the window.
std::unique_ptr<Job> make_emitter(Context& context, Supervisor& supervisor);
// Deletes sessions until none is left.
std::unique_ptr<Job> make_remover(Context& context, Supervisor& supervisor);

}  // namespace mcplb::bench
