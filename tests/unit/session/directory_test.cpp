#include "mcplb/session/directory.hpp"

#include <array>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/hash.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"

#include "support/backends.hpp"

using namespace mcplb;
using session::Directory;
using session::SessionUse;
using Learned = Directory::Learned;

namespace {

constexpr milliseconds idle{1000};

struct Sessions {
  test::Backends backends{1, 1};
  Directory directory{backends.registry};
  // A use that ends reads the real clock, so these tests tell their times from it.
  TimePoint now = monotonic_ms();
  BackendId a = backends[0].id();
  BackendId b = backends[1].id();

  Learned learn(std::string_view id, BackendId owner) {
    SessionUse use;
    return directory.learn(id, {owner}, now, use);
  }
  BackendId owner(std::string_view id) { return directory.begin_use(id, now).owner(); }
  std::size_t expire_later() {
    return directory.expire(idle, monotonic_ms() + 2 * idle.count()).size();
  }
};

std::vector<std::string> ids_of_one_shard(std::size_t count) {
  std::vector<std::string> ids;
  for (int i = 0; ids.size() < count; ++i) {
    std::string id = "session-" + std::to_string(i);
    if (hash64(id) >> 58 == 0) ids.push_back(std::move(id));
  }
  return ids;
}

session::Facts opened_by(BackendId owner, const mcp::Principal& principal) {
  session::Facts facts{owner};
  facts.principal = principal;
  return facts;
}

}  // namespace

TEST_SUITE("session/directory") {
  TEST_CASE("remembers who opened a session, and only the first") {
    Sessions s;
    const mcp::Principal alice{{1, 2, 3}};
    const mcp::Principal bob{{4}};
    SessionUse use;
    CHECK(s.directory.learn("bound", opened_by(s.a, alice), s.now, use) == Learned::added);
    CHECK(use.principal() == alice);
    CHECK(s.directory.learn("bound", opened_by(s.a, bob), s.now, use) == Learned::known);
    CHECK(use.principal() == alice);
    CHECK(s.directory.learn("bound", opened_by(s.b, bob), s.now, use) == Learned::conflict);
    SessionUse moved = std::move(use);
    use = std::move(moved);
    CHECK(use.principal() == alice);
    CHECK(s.directory.begin_use("bound", s.now).principal() == alice);
    s.learn("free", s.a);
    CHECK_FALSE(s.directory.begin_use("free", s.now).principal());
  }

  TEST_CASE("a session that is opened again belongs to who opened it last") {
    Sessions s;
    const mcp::Principal alice{{1}};
    const mcp::Principal bob{{2}};
    SessionUse before;
    SessionUse after;
    s.directory.learn("one", opened_by(s.a, alice), s.now, before);
    s.directory.forget("one");
    s.directory.learn("one", opened_by(s.b, bob), s.now, after);
    CHECK(before.principal() == alice);
    CHECK(after.principal() == bob);
    s.directory.forget("one");
    s.learn("one", s.a);
    CHECK_FALSE(s.directory.begin_use("one", s.now).principal());
  }

  TEST_CASE("remembers who owns a session") {
    Sessions s;
    CHECK(s.learn("one", s.a) == Learned::added);
    CHECK(s.learn("two", s.b) == Learned::added);
    CHECK(s.owner("one") == s.a);
    CHECK(s.owner("two") == s.b);
    CHECK(s.directory.size() == 2);
  }

  TEST_CASE("knows nothing of other ids") {
    Sessions s;
    s.learn("one", s.a);
    CHECK_FALSE(s.directory.begin_use("On", s.now));
    CHECK_FALSE(s.directory.begin_use("ONE", s.now));
    CHECK_FALSE(s.directory.begin_use("", s.now));
    CHECK(s.directory.begin_use("three", s.now).owner() == BackendId::none);
  }

  TEST_CASE("an id that is learned again from its owner is known") {
    Sessions s;
    s.learn("one", s.a);
    CHECK(s.learn("one", s.a) == Learned::known);
    CHECK(s.directory.size() == 1);
    CHECK(s.backends[0].sessions() == 1);
  }

  TEST_CASE("an id that is live on another backend is a conflict and changes nothing") {
    Sessions s;
    s.learn("one", s.a);
    SessionUse use;
    CHECK(s.directory.learn("one", {s.b}, s.now, use) == Learned::conflict);
    CHECK_FALSE(use);
    CHECK(s.owner("one") == s.a);
    CHECK(s.backends[1].sessions() == 0);
  }

  TEST_CASE("refuses ids that are empty or beyond their bound") {
    Sessions s;
    CHECK(s.learn("", s.a) == Learned::refused);
    CHECK(s.learn(std::string(limits::session_id_bytes_max + 1, 'x'), s.a) == Learned::refused);
    CHECK(s.learn(std::string(limits::session_id_bytes_max, 'x'), s.a) == Learned::added);
    CHECK(s.directory.size() == 1);
  }

  TEST_CASE("ids are bytes, zeros included") {
    Sessions s;
    s.learn(std::string_view("a\0b", 3), s.a);
    CHECK(s.owner(std::string_view("a\0b", 3)) == s.a);
    CHECK(s.owner("a") == BackendId::none);
  }

  TEST_CASE("counts the sessions of each owner") {
    Sessions s;
    s.learn("one", s.a);
    s.learn("two", s.a);
    s.learn("three", s.b);
    CHECK(s.backends[0].sessions() == 2);
    s.directory.forget("two");
    s.directory.forget("two");
    CHECK(s.backends[0].sessions() == 1);
    CHECK(s.expire_later() == 2);
    CHECK(s.backends[0].sessions() == 0);
    CHECK(s.backends[1].sessions() == 0);
  }

  TEST_CASE("takes its sessions off the counts when it ends") {
    test::Backends backends{1};
    {
      Directory directory(backends.registry);
      SessionUse use;
      directory.learn("one", {backends[0].id()}, 0, use);
      use.end();
      CHECK(backends[0].sessions() == 1);
    }
    CHECK(backends[0].sessions() == 0);
  }

  TEST_CASE("a forgotten session is gone") {
    Sessions s;
    s.learn("one", s.a);
    s.directory.forget("one");
    s.directory.forget("never known");
    CHECK_FALSE(s.directory.begin_use("one", s.now));
    CHECK(s.directory.size() == 0);
  }
}

TEST_SUITE("session/directory expiry") {
  TEST_CASE("a session expires when nothing was open for the idle time") {
    Sessions s;
    s.learn("one", s.a);
    const TimePoint ended = monotonic_ms();
    CHECK(s.directory.expire(idle, ended + idle.count() - 100).size() == 0);
    CHECK(s.directory.expire(idle, ended + idle.count()).size() == 1);
    CHECK_FALSE(s.directory.begin_use("one", s.now));
  }

  TEST_CASE("a sweep over many sessions takes all that are due and no others") {
    Sessions s;
    constexpr int count = 50'000;
    for (int i = 0; i < count; ++i)
      s.learn("session-" + std::to_string(i), s.a);
    SessionUse in_use = s.directory.begin_use("session-77", s.now);
    std::size_t expired = 0;
    for (int sweeps = 0; sweeps < 10; ++sweeps)
      expired += s.expire_later();
    CHECK(expired == count - 1);
    CHECK(s.directory.size() == 1);
    in_use.end();
    CHECK(s.expire_later() == 1);
  }

  TEST_CASE("a session with an open stream does not expire, however long that takes") {
    Sessions s;
    SessionUse learned;
    s.directory.learn("one", {s.a}, s.now, learned);
    CHECK(s.directory.expire(idle, s.now + 1'000'000).size() == 0);
    SessionUse stream = s.directory.begin_use("one", s.now);
    learned.end();
    CHECK(s.directory.expire(idle, s.now + 1'000'000).size() == 0);
    stream.end();
    stream.end();
    CHECK(s.expire_later() == 1);
  }

  TEST_CASE("the end of a use counts as seen") {
    Sessions s;
    SessionUse use;
    // Begun long ago: it would be due at once.
    s.directory.learn("one", {s.a}, s.now - 1'000'000, use);
    use.end();
    CHECK(s.directory.expire(idle, s.now + idle.count() - 100).size() == 0);
  }

  TEST_CASE("a use that moves ends once") {
    Sessions s;
    s.learn("one", s.a);
    SessionUse first = s.directory.begin_use("one", s.now);
    SessionUse second = std::move(first);
    CHECK_FALSE(first);
    CHECK(second.owner() == s.a);
    first.end();
    CHECK(s.expire_later() == 0);
    second = SessionUse();
    CHECK(s.expire_later() == 1);
  }

  TEST_CASE("learning into a use of the same session ends the old use") {
    Sessions s;
    SessionUse use;
    s.directory.learn("one", {s.a}, s.now, use);
    CHECK(s.directory.learn("one", {s.a}, s.now, use) == Learned::known);
    CHECK(s.expire_later() == 0);
    use.end();
    CHECK(s.expire_later() == 1);
  }
}

TEST_SUITE("session/directory forgetting while in use") {
  TEST_CASE("look-ups miss it at once; its use keeps the owner that it was told") {
    Sessions s;
    SessionUse use;
    s.directory.learn("one", {s.a}, s.now, use);
    s.directory.forget("one");
    CHECK_FALSE(s.directory.begin_use("one", s.now));
    CHECK(use.owner() == s.a);
    CHECK(s.directory.size() == 0);
    CHECK(s.backends[0].sessions() == 0);
    CHECK(s.expire_later() == 0);
    use.end();
    CHECK(s.learn("one", s.b) == Learned::added);
  }

  TEST_CASE("it may be learned again with another owner before the old use ends") {
    Sessions s;
    SessionUse old_use;
    s.directory.learn("one", {s.a}, s.now, old_use);
    s.directory.forget("one");
    SessionUse new_use;
    CHECK(s.directory.learn("one", {s.b}, s.now, new_use) == Learned::added);
    CHECK(old_use.owner() == s.a);
    CHECK(new_use.owner() == s.b);
    old_use.end();
    CHECK(s.owner("one") == s.b);
    CHECK(s.directory.size() == 1);
    CHECK(s.backends[0].sessions() == 0);
    CHECK(s.backends[1].sessions() == 1);
    new_use.end();
    CHECK(s.expire_later() == 1);
    CHECK(s.backends[1].sessions() == 0);
  }
}

TEST_SUITE("session/directory facts") {
  TEST_CASE("shows what it knows of a session, and what is open") {
    Sessions s;
    SessionUse call;
    const session::Facts facts{s.a, 3, 1'700'000'000, {"/mcp", "example.org", "2025-11-25"}};
    s.directory.learn("one", facts, s.now, call);
    SessionUse stream = s.directory.begin_use("one", s.now);
    stream.becomes_stream();
    stream.becomes_stream();
    auto info = s.directory.look("one", s.now + 5000);
    REQUIRE(info);
    CHECK(info->facts.owner == s.a);
    CHECK(info->facts.generation == 3);
    CHECK(info->facts.created_s == 1'700'000'000);
    CHECK(info->facts.place == facts.place);
    CHECK(info->in_flight == 1);
    CHECK(info->streams == 1);
    CHECK(info->idle.count() == 0);
    stream.end();
    call.end();
    info = s.directory.look("one", monotonic_ms() + 5000);
    CHECK(info->in_flight == 0);
    CHECK(info->streams == 0);
    CHECK(info->idle.count() >= 5000);
    CHECK_FALSE(s.directory.look("two", s.now));
  }

  TEST_CASE("what expires is handed out with all that is known of it") {
    Sessions s;
    SessionUse use;
    s.directory.learn("one", {s.b, 1, 7, {"/mcp", "h", "2025-06-18"}}, s.now, use);
    use.end();
    const auto expired = s.directory.expire(idle, monotonic_ms() + 2 * idle.count());
    REQUIRE(expired.size() == 1);
    CHECK(expired[0].id == "one");
    CHECK(expired[0].facts.owner == s.b);
    CHECK(expired[0].facts.place.path == "/mcp");
  }

  TEST_CASE("a higher generation moves a session, a lower one does not") {
    Sessions s;
    SessionUse use;
    s.directory.learn("one", {s.a, 2}, s.now, use);
    CHECK(s.directory.learn("one", {s.b, 2}, s.now, use) == Learned::conflict);
    CHECK(s.directory.learn("one", {s.b, 1}, s.now, use) == Learned::conflict);
    CHECK(s.directory.learn("one", {s.b, 3}, s.now, use) == Learned::known);
    CHECK(s.owner("one") == s.b);
    CHECK(s.backends[0].sessions() == 0);
    CHECK(s.backends[1].sessions() == 1);
  }

  TEST_CASE("places beyond their bound are not kept, sessions are") {
    Sessions s;
    for (std::size_t i = 0; i <= limits::session_places_max; ++i) {
      SessionUse use;
      const session::Place place{"/mcp", "host-" + std::to_string(i), ""};
      s.directory.learn("s" + std::to_string(i), {s.a, 1, 0, place}, s.now, use);
    }
    CHECK(s.directory.look("s1", s.now)->facts.place.host == "host-1");
    const auto last = "s" + std::to_string(limits::session_places_max);
    CHECK(s.directory.look(last, s.now)->facts.place.host.empty());
  }
}

TEST_SUITE("session/directory as a cache") {
  TEST_CASE("what is new is due for the store once") {
    Sessions s;
    s.learn("one", s.a);
    s.learn("two", s.b);
    CHECK(s.directory.due_for_store(milliseconds(60'000), s.now, 100).size() == 2);
    CHECK(s.directory.due_for_store(milliseconds(60'000), s.now, 100).empty());
    s.directory.mark_not_stored("two");
    const auto due = s.directory.due_for_store(milliseconds(60'000), s.now, 100);
    REQUIRE(due.size() == 1);
    CHECK(due[0].id == "two");
  }

  TEST_CASE("what the store was told of is due again when it was seen since, and not before") {
    Sessions s;
    SessionUse stream;
    s.directory.learn("idle", {s.a}, s.now, stream);
    s.directory.mark_stored("idle", s.now);
    s.directory.learn("streaming", {s.a}, s.now, stream);
    s.directory.mark_stored("streaming", s.now);
    CHECK(s.directory.due_for_store(milliseconds(60'000), s.now + 59'000, 100).empty());
    auto due = s.directory.due_for_store(milliseconds(60'000), s.now + 60'000, 100);
    REQUIRE(due.size() == 1);
    CHECK(due[0].id == "streaming");
    s.directory.begin_use("idle", s.now + 70'000).end();
    due = s.directory.due_for_store(milliseconds(60'000), s.now + 71'000, 100);
    REQUIRE(due.size() == 1);
    CHECK(due[0].id == "idle");
  }

  TEST_CASE("a bounded look goes on where the last one stopped") {
    Sessions s;
    for (int i = 0; i < 1000; ++i)
      s.learn("session-" + std::to_string(i), s.a);
    std::size_t total = 0;
    for (int looks = 0; looks < 10; ++looks) {
      const auto due = s.directory.due_for_store(milliseconds(60'000), s.now, 100);
      CHECK(due.size() == 100);
      total += due.size();
    }
    CHECK(total == 1000);
    CHECK(s.directory.due_for_store(milliseconds(60'000), s.now, 100).empty());
  }

  TEST_CASE("after missed invalidations every owner is unverified until it is confirmed") {
    Sessions s;
    s.learn("one", s.a);
    s.learn("two", s.a);
    CHECK_FALSE(s.directory.begin_use("one", s.now).unverified());
    s.directory.distrust_all();
    CHECK(s.directory.begin_use("one", s.now).unverified());
    s.directory.confirm("one");
    CHECK_FALSE(s.directory.begin_use("one", s.now).unverified());
    CHECK(s.directory.begin_use("two", s.now).unverified());
    s.learn("two", s.a);
    CHECK_FALSE(s.directory.begin_use("two", s.now).unverified());
    s.learn("three", s.a);
    CHECK_FALSE(s.directory.begin_use("three", s.now).unverified());
  }
}

TEST_SUITE("session/directory bounds") {
  TEST_CASE("a full shard lets a session go that is idle, never one in use") {
    Sessions s;
    // Sessions of one shard: the bound is divided among 64.
    constexpr std::size_t share = limits::sessions_max / 64;
    const std::vector<std::string> ids = ids_of_one_shard(share + share / 20);
    const std::uint64_t hits = limit_hits(Limit::sessions);
    SessionUse in_use;
    s.directory.learn(ids[0], {s.a}, s.now, in_use);
    for (std::size_t i = 1; i < ids.size(); ++i)
      s.learn(ids[i], s.b);
    CHECK(s.directory.size() == share);
    CHECK(limit_hits(Limit::sessions) == hits + ids.size() - share);
    CHECK(static_cast<std::size_t>(s.backends[1].sessions()) + 1 == share);
    CHECK(s.owner(ids[0]) == s.a);
    CHECK(s.owner(ids.back()) == s.b);
  }

  TEST_CASE("many threads learn, use, forget and expire the same sessions") {
    test::Backends backends{1, 1};
    Directory directory(backends.registry);
    constexpr int threads_count = 4;
    constexpr int rounds = 3000;
    const auto work = [&](int thread) {
      for (int i = 0; i < rounds; ++i) {
        const std::string id = "session-" + std::to_string(i % 37);
        const BackendId owner = backends[static_cast<std::size_t>(thread % 2)].id();
        SessionUse use;
        directory.learn(id, {owner}, monotonic_ms(), use);
        SessionUse other = directory.begin_use(id, monotonic_ms());
        if (i % 5 == thread) directory.forget(id);
        if (i % 100 == 0) directory.expire(milliseconds(0), monotonic_ms());
        other = SessionUse();
        static_cast<void>(directory.size());
      }
    };
    std::vector<std::thread> threads;
    for (int thread = 0; thread < threads_count; ++thread)
      threads.emplace_back(work, thread);
    for (std::thread& thread : threads)
      thread.join();
    directory.expire(milliseconds(0), monotonic_ms() + 1);
    CHECK(directory.size() == 0);
    CHECK(backends[0].sessions() == 0);
    CHECK(backends[1].sessions() == 0);
  }
}
