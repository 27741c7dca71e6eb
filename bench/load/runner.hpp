// One thread of the generator: a loop, its share of the scenario, and the flows that do it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "mcplb/async/nursery.hpp"
#include "mcplb/net/loop.hpp"

#include "load/context.hpp"
#include "load/jobs.hpp"

namespace mcplb::bench {

// What a runner tells of itself. Called on the runner's thread.
class Progress {
 public:
  virtual void on_ready(bool has_sessions) = 0;  // sessions and streams are open
  virtual void on_idle() = 0;                    // the work within the window is done

 protected:
  ~Progress() = default;
};

class Runner final : private Supervisor {
 public:
  struct Share {
    std::uint32_t index = 0;  // of this thread
    std::uint32_t connections = 0;
    std::uint32_t sessions = 0;
    std::uint32_t streams = 0;
  };
  // What is given outlives it. The address is the scenario's.
  Runner(const Scenario& scenario, const net::Address& address, const Share& share,
         EventCounts& events, Progress& progress);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Runs until everything is done. The calling thread is its thread.
  void run();

  // Thread-safe: from the thread that leads. In this order, each once.
  void begin(const Window& window);
  void note_open_streams();
  void finish();
  // Ends run() without more ado.
  void stop() { loop_.stop(); }

  // Once run() has returned.
  const Tally& tally() const { return context_.tally; }

 private:
  void open_more_streams();
  void tell_when_ready();
  void start_work(const Window& window);
  void tidy_up();
  void on_caller_ready() override;
  void on_stream_settled(bool open) override;
  void on_work_done() override;
  void on_all_removed() override;

  const Scenario& scenario_;
  const Share share_;
  Progress& progress_;
  net::Loop loop_;
  Context context_;
  Nursery callers_;
  Nursery streams_;
  std::uint32_t callers_getting_ready_ = 0;
  std::uint32_t streams_begun_ = 0;
  std::uint32_t streams_settled_ = 0;
  std::uint32_t working_ = 0;
  std::uint32_t removing_ = 0;
  std::uint64_t open_streams_ = 0;
  bool told_ready_ = false;
};

}  // namespace mcplb::bench
