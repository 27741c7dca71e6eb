#include "mcplb/base/log_budget.hpp"

#include <doctest/doctest.h>

namespace mcplb {

TEST_SUITE("base/log_budget") {
  TEST_CASE("so many lines a second are granted, and the next one tells how many were not") {
    LogBudget budget(2);
    CHECK(budget.grant(5000) == 0);
    CHECK(budget.grant(5001) == 0);
    CHECK(!budget.grant(5002));
    CHECK(!budget.grant(5999));
    CHECK(budget.grant(6000) == 2);
    CHECK(budget.grant(6001) == 0);
    CHECK(!budget.grant(6002));
    CHECK(budget.grant(9000) == 1);
  }
}

}  // namespace mcplb
