#include "worker.hpp"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"

namespace mcplb {

Worker::Worker(const proxy::SharedState& shared)
    : loop_(std::max(limits::buffer_block_bytes, shared.policy.get()->http.head_bytes_max)),
      proxy_(loop_, shared) {}

Worker::~Worker() { stop(); }

void Worker::start() {
  thread_ = std::thread([this] {
    loop_.post([this] { proxy_.start(); });
    loop_.run();
    proxy_.close();
  });
}

void Worker::hand_over(net::Acceptor::Accepted accepted, const proxy::Listener& listener) {
  on_their_way_.fetch_add(1, std::memory_order_relaxed);
  loop_.post([this, accepted = std::move(accepted), &listener] {
    proxy_.serve(accepted, listener);
    on_their_way_.fetch_sub(1, std::memory_order_relaxed);
  });
}

void Worker::tell(std::function<void(proxy::WorkerProxy&)> what) {
  loop_.post([this, what = std::move(what)] { what(proxy_); });
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  loop_.stop();
  thread_.join();
}

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = std::max(1, CPU_COUNT(&set));
  // cgroup v2: "max 100000" or "QUOTA PERIOD", in microseconds.
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  long period = 0;
  if (file >> quota >> period && quota != "max" && period > 0) {
    const auto allowed = static_cast<long>(parse_decimal(quota).value_or(0));
    cores = std::min(cores, std::max(1, static_cast<int>(allowed / period)));
  }
  return cores;
}

}  // namespace mcplb
