#include "mcplb/base/published.hpp"

#include <doctest/doctest.h>

#include <string>
#include <thread>

using namespace mcplb;

TEST_SUITE("base/published") {
  TEST_CASE("a subscription changes only when it is refreshed") {
    Published<std::string> source("first");
    Subscription<std::string> reader(source);
    CHECK_FALSE(reader.refresh());
    source.set("second");
    CHECK(*reader == "first");
    CHECK(reader.refresh());
    CHECK(*reader == "second");
    CHECK_FALSE(reader.refresh());
  }

  TEST_CASE("what was taken stays as it was") {
    Published<std::string> source("first");
    const auto taken = source.get();
    source.set("second");
    CHECK(*taken == "first");
    CHECK(*source.get() == "second");
  }

  TEST_CASE("a reader on another thread sees whole values and the last one in the end") {
    Published<std::string> source(std::string(64, 'a'));
    std::thread writer([&] {
      for (char c = 'b'; c <= 'z'; ++c) source.set(std::string(64, c));
    });
    Subscription<std::string> reader(source);
    while (reader->front() != 'z') {
      reader.refresh();
      REQUIRE(*reader == std::string(64, reader->front()));
    }
    writer.join();
  }
}
