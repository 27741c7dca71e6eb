// What the directory knows beyond the owner: how a session was opened, that it moves, and whose
// sessions a backend still has.
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/session/directory.hpp"

#include "support/backends.hpp"

using namespace mcplb;
using namespace mcplb::session;
using Learned = Directory::Learned;

namespace {

struct Sessions {
  test::Backends backends{1, 1};
  Directory directory{backends.registry};
  TimePoint now = monotonic_ms();
  BackendId a = backends[0].id();
  BackendId b = backends[1].id();

  SessionUse learn(std::string_view id, BackendId owner) {
    SessionUse use;
    directory.learn(id, {owner}, now, use);
    return use;
  }
  static Facts moved_to(BackendId owner, std::uint32_t generation = 2) {
    Facts facts{owner, generation};
    facts.backend_session = "at-b";
    return facts;
  }
  std::vector<OwnedSession> owned(BackendId owner, bool unused_only = false) const {
    std::vector<OwnedSession> all;
    OwnedMark mark;
    do {
      for (OwnedSession& one : directory.owned_by(owner, 2, unused_only, mark))
        all.push_back(std::move(one));
    } while (!mark.at_end);
    return all;
  }
};

mcp::Opening opening(const std::string& initialize) { return {initialize, "", ""}; }

const std::string about_a = R"({"params":{"uri":"file:///a"}})";

}  // namespace

TEST_SUITE("session/directory replay") {
  TEST_CASE("keeps how a session was opened, and shares what is equal") {
    Sessions s;
    s.learn("one", s.a);
    s.learn("two", s.a);
    CHECK(s.directory.replay_of("one")->opening == nullptr);
    CHECK_FALSE(s.directory.replay_of("none"));
    s.directory.set_opening("one", opening("{}"));
    s.directory.set_opening("two", opening("{}"));
    s.directory.set_opening("none", opening("{}"));
    CHECK(s.directory.replay_of("one")->opening == s.directory.replay_of("two")->opening);
    s.directory.add_result("one", {"2025-06-18", R"({"tools":{}})"});
    CHECK(*s.directory.replay_of("one")->opening ==
          mcp::Opening{"{}", "2025-06-18", R"({"tools":{}})"});
    CHECK(s.directory.replay_of("two")->opening->protocol.empty());
    CHECK(s.directory.look("one", s.now)->facts.place.protocol == "2025-06-18");
    s.directory.forget("one");
    CHECK_FALSE(s.directory.replay_of("one"));
  }

  TEST_CASE("an opening beyond its bound is not kept, and counted") {
    Sessions s;
    s.learn("one", s.a);
    const std::uint64_t hits = limit_hits(Limit::session_openings);
    s.directory.set_opening("one",
                            opening(std::string(limits::session_opening_bytes_max + 1, 'x')));
    CHECK(s.directory.replay_of("one")->opening == nullptr);
    CHECK(limit_hits(Limit::session_openings) == hits + 1);
  }

  TEST_CASE("all openings together have a bound, and sessions that end make room") {
    Sessions s;
    const std::uint64_t hits = limit_hits(Limit::session_openings);
    const std::string large(limits::session_opening_bytes_max - 16, 'x');
    const std::size_t fit = limits::session_openings_bytes_max / limits::session_opening_bytes_max;
    for (std::size_t i = 0; i <= fit; ++i) {
      s.learn(std::to_string(i), s.a);
      s.directory.set_opening(std::to_string(i), opening(std::to_string(i) + large));
    }
    CHECK(limit_hits(Limit::session_openings) > hits);
    CHECK(s.directory.replay_of(std::to_string(fit))->opening == nullptr);
    for (int i = 0; i < 200; ++i)
      s.directory.forget(std::to_string(i));
    s.directory.set_opening(std::to_string(fit), opening("again" + large));
    CHECK(s.directory.replay_of(std::to_string(fit))->opening != nullptr);
  }

  TEST_CASE("a session that is opened again has nothing of the former one") {
    Sessions s;
    SessionUse use = s.learn("one", s.a);
    s.directory.set_opening("one", opening("{}"));
    s.directory.note_journal("one", mcp::Method::resources_subscribe, about_a);
    s.directory.forget("one");
    s.learn("one", s.b);
    CHECK(s.directory.replay_of("one")->opening == nullptr);
    CHECK(s.directory.replay_of("one")->journal.empty());
  }

  TEST_CASE("whatever is learned later is due for the store, with all of it") {
    Sessions s;
    s.learn("one", s.a);
    const auto due = [&] { return s.directory.due_for_store(milliseconds(60'000), s.now, 10); };
    CHECK(due().size() == 1);
    CHECK(due().empty());
    s.directory.set_opening("one", opening("{}"));
    REQUIRE(due().size() == 1);
    s.directory.set_opening("one", opening("{}"));
    CHECK(due().empty());
    s.directory.note_journal("one", mcp::Method::resources_subscribe, about_a);
    s.directory.note_journal("one", mcp::Method::resources_unsubscribe, about_a);
    const auto records = due();
    REQUIRE(records.size() == 1);
    CHECK_FALSE(records[0].stored);
    CHECK(records[0].replay.opening->initialize == "{}");
    CHECK(records[0].replay.unsubscribed == std::vector<std::string>{"file:///a"});
    s.directory.note_journal("one", mcp::Method::resources_unsubscribe, about_a);
    CHECK(due().empty());
    CHECK(s.directory.replay_of("one")->unsubscribed.empty());
  }

  TEST_CASE("what was stored is only said to be seen") {
    Sessions s;
    SessionUse use = s.learn("one", s.a);
    s.directory.mark_stored("one", s.now);
    const auto due = s.directory.due_for_store(milliseconds(1000), s.now + 2000, 10);
    REQUIRE(due.size() == 1);
    CHECK(due[0].stored);
  }
}

TEST_SUITE("session/directory moves") {
  TEST_CASE("one claims a session, until it has moved") {
    Sessions s;
    SessionUse before = s.learn("one", s.a);
    CHECK(s.directory.begin_move("one", 1, s.now) == MoveStart::started);
    CHECK(s.directory.begin_move("one", 1, s.now) == MoveStart::in_progress);
    CHECK(s.directory.finish_move("one", Sessions::moved_to(s.b)));
    CHECK(s.directory.begin_move("one", 1, s.now) == MoveStart::moved_already);
    CHECK(s.directory.begin_move("none", 1, s.now) == MoveStart::gone);
    CHECK(s.backends[0].sessions() == 0);
    CHECK(s.backends[1].sessions() == 1);
    // Who used it then goes on with what he was told.
    CHECK(before.owner() == s.a);
    CHECK(before.backend_session().empty());
    SessionUse after = s.directory.begin_use("one", s.now);
    CHECK(after.owner() == s.b);
    CHECK(after.generation() == 2);
    CHECK(after.backend_session() == "at-b");
    CHECK_FALSE(after.unverified());
    // It moves again while it is in use.
    CHECK(s.directory.begin_move("one", 2, s.now) == MoveStart::started);
    CHECK(s.directory.finish_move("one", Sessions::moved_to(s.a, 3)));
    CHECK(after.backend_session() == "at-b");
  }

  TEST_CASE("a claim ends when it is abandoned, or by itself") {
    Sessions s;
    s.learn("one", s.a);
    s.directory.begin_move("one", 1, s.now);
    s.directory.abandon_move("one");
    CHECK(s.directory.begin_move("one", 1, s.now) == MoveStart::started);
    const TimePoint late =
        s.now + (limits::session_move + limits::session_move_grace).count();
    CHECK(s.directory.begin_move("one", 1, late - 1) == MoveStart::in_progress);
    CHECK(s.directory.begin_move("one", 1, late) == MoveStart::started);
  }

  TEST_CASE("nothing but a higher generation moves a session, and nothing a forgotten one") {
    Sessions s;
    SessionUse use = s.learn("one", s.a);
    CHECK_FALSE(s.directory.finish_move("one", Sessions::moved_to(s.b, 1)));
    s.directory.forget("one");
    CHECK_FALSE(s.directory.finish_move("one", Sessions::moved_to(s.b)));
    CHECK(s.directory.begin_move("one", 1, s.now) == MoveStart::gone);
    CHECK(s.backends[1].sessions() == 0);
  }

  TEST_CASE("what is learned from elsewhere raises the generation and never lowers it") {
    Sessions s;
    s.learn("one", s.a);
    SessionUse use;
    CHECK(s.directory.learn("one", Sessions::moved_to(s.b, 3), s.now, use) == Learned::known);
    CHECK(use.owner() == s.b);
    CHECK(use.backend_session() == "at-b");
    // A backend that is asked says that it is the owner, and knows nothing of moves.
    CHECK(s.directory.learn("one", {s.b}, s.now, use) == Learned::known);
    CHECK(use.generation() == 3);
    CHECK(use.backend_session() == "at-b");
    CHECK(s.directory.learn("one", {s.a}, s.now, use) == Learned::conflict);
  }

  TEST_CASE("a session that is distrusted is unverified until it is confirmed") {
    Sessions s;
    s.learn("one", s.a);
    s.learn("two", s.a);
    s.directory.distrust("one");
    CHECK(s.directory.begin_use("one", s.now).unverified());
    CHECK_FALSE(s.directory.begin_use("two", s.now).unverified());
    s.directory.confirm("one");
    CHECK_FALSE(s.directory.begin_use("one", s.now).unverified());
  }

  TEST_CASE("threads that move and use one session agree on its owner in the end") {
    Sessions s;
    s.learn("one", s.a);
    const auto work = [&](BackendId target) {
      for (int i = 0; i < 2000; ++i) {
        SessionUse use = s.directory.begin_use("one", monotonic_ms());
        const std::string called(use.backend_session());
        if (s.directory.begin_move("one", use.generation(), 0) != MoveStart::started) continue;
        s.directory.finish_move("one", Sessions::moved_to(target, use.generation() + 1));
        CHECK(called == use.backend_session());
      }
    };
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread)
      threads.emplace_back(work, thread % 2 == 0 ? s.a : s.b);
    for (std::thread& thread : threads)
      thread.join();
    CHECK(s.backends[0].sessions() + s.backends[1].sessions() == 1);
    const auto owner = s.directory.look("one", s.now)->facts.owner;
    CHECK((owner == s.a ? s.backends[0] : s.backends[1]).sessions() == 1);
  }
}

TEST_SUITE("session/directory owned") {
  TEST_CASE("shows each session of a backend once, and says when that was all") {
    Sessions s;
    std::set<std::string> expected;
    for (int i = 0; i < 500; ++i) {
      s.learn("s-" + std::to_string(i), i % 2 == 0 ? s.a : s.b);
      if (i % 2 == 0) expected.insert("s-" + std::to_string(i));
    }
    std::set<std::string> seen;
    for (const OwnedSession& one : s.owned(s.a))
      CHECK(seen.insert(one.id).second);
    CHECK(seen == expected);
  }

  TEST_CASE("can leave out those that a request uses, not those that only stream") {
    Sessions s;
    SessionUse request = s.learn("busy", s.a);
    SessionUse stream = s.learn("streaming", s.a);
    stream.becomes_stream();
    s.learn("idle", s.a);
    s.learn("gone", s.a);
    SessionUse gone = s.directory.begin_use("gone", s.now);
    s.directory.forget("gone");
    CHECK(s.owned(s.a).size() == 3);
    std::set<std::string> unused;
    for (const OwnedSession& one : s.owned(s.a, true)) {
      CHECK(one.streams == (one.id == "streaming" ? 1 : 0));
      unused.insert(one.id);
    }
    CHECK(unused == std::set<std::string>{"idle", "streaming"});
  }

  TEST_CASE("counts the sessions of a backend, and the streams that it serves") {
    Sessions s;
    SessionUse stream = s.learn("one", s.a);
    stream.becomes_stream();
    s.learn("two", s.a);
    CHECK(s.directory.counts_of(s.a).sessions == 2);
    CHECK(s.directory.counts_of(s.a).streams == 1);
    // A stream stays where it is when its session moves.
    s.directory.finish_move("one", Sessions::moved_to(s.b));
    CHECK(s.directory.counts_of(s.a).sessions == 1);
    CHECK(s.directory.counts_of(s.a).streams == 1);
    CHECK(s.directory.counts_of(s.b).sessions == 1);
    stream.end();
    CHECK(s.directory.counts_of(s.a).streams == 0);
    CHECK(s.directory.counts_of(s.b).streams == 0);
  }
}
