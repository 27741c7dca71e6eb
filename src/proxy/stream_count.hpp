// Counts an open event stream for as long as it lives.
#pragma once

#include <utility>

#include "mcplb/base/metrics.hpp"

namespace mcplb::proxy {

// Member of the exchange; the gauge outlives it.
class StreamCount {
 public:
  StreamCount() = default;
  ~StreamCount() { end(); }
  StreamCount(const StreamCount&) = delete;
  StreamCount& operator=(const StreamCount&) = delete;

  void begin(Gauge& gauge) {
    end();
    gauge_ = &gauge;
    gauge.add(1);
  }

 private:
  void end() {
    if (gauge_ != nullptr) std::exchange(gauge_, nullptr)->add(-1);
  }
  Gauge* gauge_ = nullptr;
};

}  // namespace mcplb::proxy
