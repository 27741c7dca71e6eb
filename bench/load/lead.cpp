#include "load/lead.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "mcplb/base/clock.hpp"
#include "mcplb/net/tcp.hpp"

#include "load/runner.hpp"

namespace mcplb::bench {
namespace {

// How long the last events may take to arrive.
constexpr std::int64_t events_patience_us = 5'000'000;

void say(const char* line) {
  std::fprintf(stderr, "%s\n", line);
  std::fflush(stderr);
}

// Counts what the threads report; the leading thread waits for it.
class Meeting final : public Progress {
 public:
  void on_ready(bool has_sessions) override {
    const std::lock_guard lock(mutex_);
    ++ready_;
    if (!has_sessions) ++empty_;
    changed_.notify_all();
  }
  void on_idle() override {
    const std::lock_guard lock(mutex_);
    ++idle_;
    changed_.notify_all();
  }
  // False when some thread could open nothing.
  bool wait_until_ready(std::size_t threads) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ready_ == threads; });
    return empty_ == 0;
  }
  void wait_until_idle(std::size_t threads) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return idle_ == threads; });
  }
  void wait_until(std::int64_t when_us) {
    std::unique_lock lock(mutex_);
    const auto wait = std::chrono::microseconds(when_us - monotonic_us());
    changed_.wait_for(lock, wait, [&] { return monotonic_us() >= when_us; });
  }

 private:
  std::mutex mutex_;  // guards everything
  std::condition_variable changed_;
  std::size_t ready_ = 0;
  std::size_t empty_ = 0;
  std::size_t idle_ = 0;
};

std::uint32_t share(std::uint32_t total, std::uint32_t threads, std::uint32_t index) {
  return total / threads + (index < total % threads ? 1 : 0);
}

// Without a mix, sessions may be all that is wanted: to see what they cost in memory.
std::uint32_t sessions_wanted(const Scenario& scenario) {
  const bool wanted = scenario.mix.empty() ? !scenario.modern : uses_sessions(scenario);
  return wanted ? scenario.sessions : 0;
}

std::uint32_t callers_wanted(const Scenario& scenario) {
  const bool idle = scenario.mix.empty() && sessions_wanted(scenario) == 0;
  return idle ? 0 : scenario.connections;
}

class Lead {
 public:
  Lead(const Scenario& scenario, const net::Address& address) : scenario_(scenario) {
    for (std::uint32_t i = 0; i < scenario.threads; ++i) {
      Runner::Share part;
      part.index = i;
      part.connections = share(callers_wanted(scenario), scenario.threads, i);
      part.sessions = share(sessions_wanted(scenario), scenario.threads, i);
      part.streams = share(scenario.streams.count, scenario.threads, i);
      runners_.push_back(std::make_unique<Runner>(scenario, address, part, events_, meeting_));
    }
  }

  Run go() {
    say("opening");
    std::vector<std::thread> threads;
    for (auto& runner : runners_)
      threads.emplace_back([&runner] { runner->run(); });
    Run out;
    if (meeting_.wait_until_ready(runners_.size())) measure();
    else out.error = "no session or stream could be opened at " + scenario_.url.authority();
    for (auto& runner : runners_)
      out.error.empty() ? runner->finish() : runner->stop();
    for (std::thread& thread : threads) thread.join();
    for (const auto& runner : runners_) out.tally.merge(runner->tally());
    return out;
  }

 private:
  void measure() {
    constexpr double us_per_second = 1e6;
    Window window;
    const std::int64_t start_us = monotonic_us();
    const auto warmup_us = static_cast<std::int64_t>(scenario_.warmup_seconds * us_per_second);
    window.begin_us = start_us + warmup_us;
    window.end_us =
        window.begin_us + static_cast<std::int64_t>(scenario_.seconds * us_per_second);
    say("warming up");
    for (auto& runner : runners_) runner->begin(window);
    meeting_.wait_until(window.begin_us);
    say("measuring");
    meeting_.wait_until(window.end_us);
    say("measured");
    for (auto& runner : runners_) runner->note_open_streams();
    meeting_.wait_until_idle(runners_.size());
    wait_for_events();
  }

  void wait_for_events() {
    constexpr std::int64_t step_us = 20'000;
    const std::int64_t give_up_us = monotonic_us() + events_patience_us;
    while (events_.received.load() < events_.expected.load() && monotonic_us() < give_up_us)
      meeting_.wait_until(monotonic_us() + step_us);
  }

  const Scenario& scenario_;
  EventCounts events_;
  Meeting meeting_;
  std::vector<std::unique_ptr<Runner>> runners_;
};

}  // namespace

Run run(const Scenario& scenario) {
  net::raise_open_files_limit();
  auto address = net::Address::from_ip(scenario.url.ip, scenario.url.port);
  if (!address) return {{}, "the URL's host is no IP address: " + scenario.url.ip};
  Lead lead(scenario, *address);
  return lead.go();
}

}  // namespace mcplb::bench
