#include "mcplb/session/directory.hpp"

#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/hash.hpp"
#include "mcplb/base/limits.hpp"

#include "support/backends.hpp"

using namespace mcplb;
using session::Directory;
using session::Facts;
using session::PageMark;
using session::SessionUse;

namespace {

struct Pages {
  test::Backends backends{1};
  Directory directory{backends.registry};
  TimePoint now = monotonic_ms();

  SessionUse open(const std::string& id) {
    SessionUse use;
    Facts facts{backends[0].id()};
    facts.place.path = "/mcp";
    directory.learn(id, facts, now, use);
    return use;
  }
  void open_many(const char* stem, int count) {
    for (int i = 0; i < count; ++i)
      open(stem + std::to_string(i));
  }
  // How often each session was shown; `between` runs behind each page.
  template <class Between>
  std::map<std::string, int> walk(std::size_t max, Between between) {
    std::map<std::string, int> seen;
    std::optional<PageMark> mark = PageMark{};
    while (mark) {
      const auto page = directory.page(*mark, max, now);
      CHECK(page.sessions.size() <= max);
      if (page.next) CHECK(page.sessions.size() == max);
      for (const auto& listed : page.sessions)
        ++seen[listed.id];
      mark = page.next;
      between();
    }
    return seen;
  }
  std::map<std::string, int> walk(std::size_t max) {
    return walk(max, [] {});
  }
};

int count_of(const std::map<std::string, int>& seen, const std::string& id) {
  const auto found = seen.find(id);
  return found == seen.end() ? 0 : found->second;
}

}  // namespace

TEST_SUITE("session/directory_page") {
  TEST_CASE("an empty directory is one empty page") {
    Pages p;
    const auto page = p.directory.page({}, 10, p.now);
    CHECK(page.sessions.empty());
    CHECK_FALSE(page.next);
  }

  TEST_CASE("pages show every session once, whatever their size") {
    Pages p;
    p.open_many("s", 300);
    for (const std::size_t max : {1U, 7U, 299U, 300U, 301U, 1000U}) {
      CAPTURE(max);
      const auto seen = p.walk(max);
      CHECK(seen.size() == 300);
      for (const auto& [id, times] : seen)
        CHECK(times == 1);
    }
  }

  TEST_CASE("ten thousand sessions are each seen once while others come and go") {
    Pages p;
    p.open_many("stays", 10'000);
    p.open_many("goes", 1'000);
    int turn = 0;
    const auto seen = p.walk(100, [&] {
      for (int i = 0; i < 50; ++i)
        p.open("comes" + std::to_string(turn) + "-" + std::to_string(i));
      for (int i = 0; i < 10; ++i)
        p.directory.forget("goes" + std::to_string(10 * turn + i));
      ++turn;
    });
    CHECK(turn >= 100);
    CHECK(p.directory.size() > 15'000);  // so that tables have grown on the way
    for (int i = 0; i < 10'000; ++i) {
      const int times = count_of(seen, "stays" + std::to_string(i));
      if (times != 1) FAIL("stays", i, " was seen ", times, " times");
    }
    for (const auto& [id, times] : seen) {
      if (times != 1) FAIL(id, " was seen ", times, " times");
    }
  }

  TEST_CASE("a session that is over but still in use is not shown") {
    Pages p;
    const SessionUse use = p.open("one");
    p.directory.forget("one");
    CHECK(p.walk(10).empty());
  }

  TEST_CASE("a page says what is open in a session") {
    Pages p;
    SessionUse request = p.open("one");
    SessionUse stream = p.directory.begin_use("one", p.now);
    stream.becomes_stream();
    const auto page = p.directory.page({}, 10, p.now + 5000);
    REQUIRE(page.sessions.size() == 1);
    const auto& info = page.sessions.front().info;
    CHECK(info.in_flight == 1);
    CHECK(info.streams == 1);
    CHECK(info.idle.count() == 0);
    CHECK(info.facts.place.path == "/mcp");
    CHECK(info.facts.owner == p.backends[0].id());
  }

  TEST_CASE("where a page ends does not tell the hash of an id") {
    Pages p;
    p.open_many("s", 50);
    const auto page = p.directory.page({}, 10, p.now);
    REQUIRE(page.next);
    CHECK(page.next->key != hash64(page.sessions.back().id) + 1);
  }

  TEST_CASE("a mark that was made up shows some sessions or none") {
    Pages p;
    p.open_many("s", 50);
    CHECK(p.directory.page({64, 0}, 10, p.now).sessions.empty());
    CHECK(p.directory.page({0xffffffff, 1}, 10, p.now).sessions.empty());
    CHECK(p.directory.page({63, ~std::uint64_t{0}}, 10, p.now).sessions.empty());
  }
}

TEST_SUITE("session/directory") {
  TEST_CASE("the revision is learned once, and the store is to hear of it") {
    Pages p;
    p.open("one");
    CHECK_FALSE(p.directory.begin_use("one", p.now).protocol_known());
    p.directory.mark_stored("one", p.now);
    CHECK(p.directory.due_for_store(milliseconds(60'000), p.now, 10).empty());
    p.directory.set_protocol("one", "2025-06-18");
    CHECK(p.directory.begin_use("one", p.now).protocol_known());
    const auto due = p.directory.due_for_store(milliseconds(60'000), p.now, 10);
    REQUIRE(due.size() == 1);
    CHECK(due.front().facts.place.protocol == "2025-06-18");
    CHECK(due.front().facts.place.path == "/mcp");
    p.directory.set_protocol("one", "2025-11-25");
    CHECK(p.directory.look("one", p.now)->facts.place.protocol == "2025-06-18");
    p.directory.set_protocol("other", "2025-06-18");
    CHECK(p.directory.size() == 1);
  }

  TEST_CASE("a revision that was known at the start need not be learned") {
    Pages p;
    Facts facts{p.backends[0].id()};
    facts.place.protocol = "2025-06-18";
    SessionUse use;
    p.directory.learn("one", facts, p.now, use);
    CHECK(use.protocol_known());
    SessionUse moved = std::move(use);
    CHECK(moved.protocol_known());
  }

  TEST_CASE("what is not a revision is not kept") {
    Pages p;
    p.open("one");
    for (const std::string text :
         {"", "2025", "2025-06-1", "x025-06-18", "2025/06/18", "2025-06-18 ", "2025-06-18\x7f",
          "2025-06-18\xc3\xa4", "2025-06-18-23456789-123456789-123"}) {
      CAPTURE(text);
      p.directory.set_protocol("one", text);
      CHECK_FALSE(p.directory.begin_use("one", p.now).protocol_known());
    }
    p.directory.set_protocol("one", "2025-06-18-rc.1");
    CHECK(p.directory.begin_use("one", p.now).protocol_known());
  }

  TEST_CASE("a revision that there is no room for is not tried again") {
    Pages p;
    for (std::size_t i = 0; i < limits::session_places_max; ++i) {
      Facts facts{p.backends[0].id()};
      facts.place.path = "/" + std::to_string(i);
      SessionUse use;
      p.directory.learn("filler" + std::to_string(i), facts, p.now, use);
    }
    p.directory.set_protocol("filler0", "2025-06-18");
    CHECK(p.directory.begin_use("filler0", p.now).protocol_known());
    CHECK(p.directory.look("filler0", p.now)->facts.place.path == "/0");
    CHECK(p.directory.look("filler0", p.now)->facts.place.protocol.empty());
  }
}
