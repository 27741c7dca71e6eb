#include "mcplb/admin/exposition.hpp"

#include <doctest/doctest.h>

namespace mcplb::admin {
namespace {

std::string text_of(const Family& family) {
  std::string text;
  family.append_to(text);
  return text;
}

}  // namespace

TEST_SUITE("admin/exposition") {
  TEST_CASE("a family begins with its help and its type, also without series") {
    const Family family("mcplb_x_total", Family::Type::counter, "What x is.");
    CHECK(text_of(family) == "# HELP mcplb_x_total What x is.\n# TYPE mcplb_x_total counter\n");
  }

  TEST_CASE("values of equal labels add up to one series") {
    Family family("m", Family::Type::gauge, "h");
    family.add({{"pool", "p"}}, 2);
    family.add({{"pool", "p"}}, 3);
    family.add({}, 0.25);
    CHECK(text_of(family) == "# HELP m h\n# TYPE m gauge\nm 0.25\nm{pool=\"p\"} 5\n");
  }

  TEST_CASE("a value cannot end its label or its line") {
    Family family("m", Family::Type::gauge, "h");
    family.add({{"a", "x\"} 1\n\\"}}, 1);
    CHECK(text_of(family).ends_with("m{a=\"x\\\"} 1\\n\\\\\"} 1\n"));
  }

  TEST_CASE("large counts keep their digits") {
    Family family("m", Family::Type::counter, "h");
    family.add({}, 123456789012.0);
    CHECK(text_of(family).ends_with("m 123456789012\n"));
  }

  TEST_CASE("a histogram counts up to +Inf, in seconds, and sums up those of equal labels") {
    static constexpr std::array<std::uint64_t, 2> bounds{250, 1'000'000};
    HistogramCounts<2> counts;
    counts.in_bucket = {1, 2, 3};
    counts.sum_us = 1'500'000;
    Family family("m_seconds", Family::Type::histogram, "h");
    family.add({{"pool", "p"}}, counts, bounds);
    family.add({{"pool", "p"}}, counts, bounds);
    CHECK(text_of(family) ==
          "# HELP m_seconds h\n# TYPE m_seconds histogram\n"
          "m_seconds_bucket{pool=\"p\",le=\"0.00025\"} 2\n"
          "m_seconds_bucket{pool=\"p\",le=\"1\"} 6\n"
          "m_seconds_bucket{pool=\"p\",le=\"+Inf\"} 12\n"
          "m_seconds_sum{pool=\"p\"} 3\n"
          "m_seconds_count{pool=\"p\"} 12\n");
  }
}

}  // namespace mcplb::admin
