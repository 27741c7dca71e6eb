#include "load/schedule.hpp"

#include <cmath>

namespace mcplb::bench {

std::uint64_t Random::next() {
  state_ += 0x9e3779b97f4a7c15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

double Random::fraction() {
  constexpr double scale = 1.0 / 9007199254740992.0;  // 2^-53
  return static_cast<double>((next() >> 11) + 1) * scale;
}

Schedule::Schedule(const Terms& terms, std::int64_t begin_us)
    : begin_us_(begin_us),
      mean_gap_us_(1e6 / terms.rate),
      poisson_(terms.poisson),
      random_(terms.seed) {
  offset_us_ = poisson_ ? gap_us() : terms.offset * mean_gap_us_;
}

double Schedule::gap_us() {
  return poisson_ ? -std::log(random_.fraction()) * mean_gap_us_ : mean_gap_us_;
}

}  // namespace mcplb::bench
