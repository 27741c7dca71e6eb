#include "proxy/retry.hpp"

#include <doctest/doctest.h>

using namespace mcplb;
using namespace mcplb::proxy;

namespace {

using Kind = Error::Kind;

constexpr Kind kinds[] = {Kind::closed,         Kind::reset,          Kind::refused,
                          Kind::unreachable,    Kind::timeout,        Kind::malformed,
                          Kind::head_too_large, Kind::body_too_large, Kind::overloaded,
                          Kind::interrupted,    Kind::config,         Kind::failed};

struct Asked {
  Kind kind;
  Attempt attempt;
  mcp::Repeat licence;
  bool repeated;

  bool broke() const { return kind == Kind::closed || kind == Kind::reset; }
  Retry answer() const {
    return may_retry({kind, Error::Side::backend, 0, ""}, attempt, licence, repeated);
  }
};

Asked numbered(Kind kind, unsigned bits) {
  Asked asked{kind, {}, mcp::Repeat::never, false};
  asked.attempt.connected = (bits & 1U) != 0;
  asked.attempt.reused = (bits & 2U) != 0;
  asked.attempt.reply_begun = (bits & 4U) != 0;
  asked.attempt.nothing_delivered = (bits & 8U) != 0;
  if ((bits & 16U) != 0) asked.licence = mcp::Repeat::safe;
  asked.repeated = (bits & 32U) != 0;
  return asked;
}

// Every kind of error with every combination of what is known about the try.
template <class Visit>
void for_each_question(Visit visit) {
  for (const Kind kind : kinds) {
    for (unsigned bits = 0; bits < 64; ++bits) {
      const Asked asked = numbered(kind, bits);
      CAPTURE(to_string(kind));
      CAPTURE(bits);
      visit(asked);
    }
  }
}

}  // namespace

TEST_SUITE("proxy/retry") {
  TEST_CASE("without a connection the next backend is asked, whatever else is known") {
    for_each_question([](const Asked& asked) {
      if (!asked.attempt.connected) CHECK(asked.answer() == Retry::next_backend);
    });
  }

  TEST_CASE("nothing is sent again after a byte of a reply") {
    for_each_question([](const Asked& asked) {
      if (!asked.attempt.connected || !asked.attempt.reply_begun) return;
      CHECK(asked.answer() == Retry::give_up);
    });
  }

  TEST_CASE("what provably reached nobody is sent again, by any licence and at any time") {
    for_each_question([](const Asked& asked) {
      const Attempt& attempt = asked.attempt;
      if (!attempt.connected || attempt.reply_begun || !attempt.nothing_delivered) return;
      CHECK(asked.answer() == Retry::same_backend);
    });
  }

  TEST_CASE("what may have arrived is repeated once, when that is safe and the connection broke") {
    for_each_question([](const Asked& asked) {
      const Attempt& attempt = asked.attempt;
      if (!attempt.connected || attempt.reply_begun || attempt.nothing_delivered) return;
      const bool repeats = asked.broke() && asked.licence == mcp::Repeat::safe && !asked.repeated;
      CHECK(asked.answer() == (repeats ? Retry::same_backend : Retry::give_up));
    });
  }

  TEST_CASE("a time-out of the reply is final") {
    Attempt attempt;
    attempt.connected = true;
    const Error error{Kind::timeout, Error::Side::backend, 0, ""};
    CHECK(may_retry(error, attempt, mcp::Repeat::safe, false) == Retry::give_up);
  }
}
