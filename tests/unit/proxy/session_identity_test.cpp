#include "proxy/session_identity.hpp"

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

using namespace mcplb;
using namespace mcplb::proxy;
using Found = SessionIdentity::Found;
using Kind = SessionIdentity::Kind;
using session::Bind;
using session::Identity;

namespace {

const std::vector<std::string> secrets{"the secret of all balancers"};

cluster::PoolSettings pool_of(std::initializer_list<const char*> names) {
  cluster::PoolSettings settings;
  settings.name = "tools";
  for (const char* name : names) {
    cluster::BackendSettings backend;
    backend.id = name;
    backend.host = "127.0.0.1";
    settings.backends.push_back(backend);
  }
  return settings;
}

session::Settings sessions_of(Identity identity, Bind bind) {
  session::Settings settings;
  settings.identity = identity;
  settings.bind = bind;
  settings.idle_timeout = milliseconds(1000);
  return settings;
}

// One balancer: what its workers share, and one worker's view of it.
struct Balancer {
  explicit Balancer(Identity identity, Bind bind = Bind::none,
                    std::initializer_list<const char*> names = {"a", "b"},
                    const std::vector<std::string>& keys = secrets)
      : pool(pool_of(names), sessions_of(identity, bind), ForwardSettings{}, registry),
        ids(pool, keys) {}

  const cluster::Backend& backend(const char* name) const { return *pool.pool.view()->find(name); }
  // A session that this backend mints, as the client gets to know it.
  std::string open(const char* id, const char* by, const char* credential = "") {
    const http::Fields fields = fields_of(credential);
    std::string session = ids.outside(Kind::session, id, backend(by), fields);
    session::SessionUse use;
    mcplb::session::Facts facts{backend(by).id()};
    facts.principal = ids.principal_to_keep(fields);
    pool.sessions.learn(session, facts, now, use);
    return session;
  }
  static http::Fields fields_of(const char* credential) {
    http::Fields fields;
    if (*credential != '\0') fields.add("Authorization", credential);
    return fields;
  }
  Found find(const std::string& session, const char* credential = "", bool endpoint = false) {
    mcp::Message message;
    message.session = session;
    message.endpoint_session = endpoint;
    SessionIdentity::Named named;
    const Found found = ids.find(message, fields_of(credential), now, named);
    CHECK((found == Found::known) == static_cast<bool>(named.use));
    owner = found == Found::known ? registry.find(named.use.owner())->name() : "";
    inside = named.backend_session;
    return found;
  }

  cluster::Registry registry;
  SharedPool pool;
  SessionIdentity ids;
  TimePoint now = monotonic_ms();
  std::string owner;   // of the session found last
  std::string inside;  // what its owner calls it
};

}  // namespace

TEST_SUITE("proxy/session_identity") {
  TEST_CASE("learned ids are the same outside and inside") {
    Balancer balancer(Identity::learned);
    CHECK(balancer.open("id", "b") == "id");
    CHECK(balancer.find("id") == Found::known);
    CHECK(balancer.owner == "b");
    CHECK(balancer.inside == "id");
    CHECK(balancer.find("other") == Found::unknown);
  }

  TEST_CASE("a sealed session is known to balancers that never saw it") {
    Balancer first(Identity::sealed);
    const std::string session = first.open("id", "b");
    CHECK(session != "id");
    Balancer second(Identity::sealed, Bind::none, {"c", "b", "a"});
    CHECK(second.find(session) == Found::known);
    CHECK(second.owner == "b");
    CHECK(second.inside == "id");
    CHECK(second.pool.sessions.size() == 1);
    CHECK(second.backend("b").sessions() == 1);
    CHECK(second.find(session) == Found::known);
    CHECK(second.pool.sessions.size() == 1);
  }

  TEST_CASE("two backends may mint the same id when ids are sealed") {
    Balancer balancer(Identity::sealed);
    const std::string of_a = balancer.open("id", "a");
    const std::string of_b = balancer.open("id", "b");
    CHECK(balancer.find(of_a) == Found::known);
    CHECK(balancer.owner == "a");
    CHECK(balancer.find(of_b) == Found::known);
    CHECK(balancer.owner == "b");
  }

  TEST_CASE("what is not sealed is nobody's; sealed for a backend that is gone, it is not known") {
    Balancer balancer(Identity::sealed);
    const std::string session = balancer.open("id", "b");
    std::string forged = session;
    forged[0] = 'x';
    CHECK(balancer.find(forged) == Found::invalid);
    CHECK(balancer.find("id") == Found::invalid);
    Balancer without_b(Identity::sealed, Bind::none, {"a"});
    CHECK(without_b.find(session) == Found::unknown);
    CHECK(without_b.pool.sessions.size() == 0);
    Balancer other_secret(Identity::sealed, Bind::none, {"a", "b"}, {"some other secret"});
    CHECK(other_secret.find(session) == Found::invalid);
  }

  TEST_CASE("the two transports do not accept each other's sessions") {
    Balancer balancer(Identity::sealed);
    const http::Fields fields;
    const std::string endpoint =
        balancer.ids.outside(Kind::endpoint, "id", balancer.backend("a"), fields);
    CHECK(balancer.find(endpoint, "", true) == Found::known);
    CHECK(balancer.find(endpoint) == Found::invalid);
    CHECK(balancer.find(balancer.open("id", "a"), "", true) == Found::invalid);
    CHECK(balancer.pool.endpoint_sessions.size() == 1);
  }

  TEST_CASE("a session that was deleted here does not come back until it would be idle") {
    Balancer balancer(Identity::sealed);
    const std::string session = balancer.open("id", "a");
    const std::string other = balancer.open("other", "a");
    balancer.ids.end(session, balancer.now);
    CHECK(balancer.pool.sessions.size() == 1);
    CHECK(balancer.find(session) == Found::invalid);
    CHECK(balancer.find(other) == Found::known);
    balancer.now += 1001;
    CHECK(balancer.find(session) == Found::known);
    Balancer learned(Identity::learned);
    learned.open("id", "a");
    learned.ids.end("id", learned.now);
    learned.open("id", "a");
    CHECK(learned.find("id") == Found::known);
  }

  TEST_CASE("a stream's session ends with it, but for what still uses it") {
    Balancer balancer(Identity::sealed);
    const std::string session =
        balancer.ids.outside(Kind::endpoint, "id", balancer.backend("a"), http::Fields());
    session::SessionUse use;
    const TimePoint now = balancer.now;
    balancer.pool.endpoint_sessions.learn(session, {balancer.backend("a").id()}, now, use);
    use.becomes_stream();
    balancer.ids.end_stream(session, now);
    CHECK(balancer.find(session, "", true) == Found::known);
    use.end();
    balancer.ids.end_stream(session, now);
    CHECK(balancer.find(session, "", true) == Found::invalid);
  }

  TEST_CASE("a session that was forgotten for idling is known again by its seal") {
    Balancer balancer(Identity::sealed);
    const std::string session = balancer.open("id", "a");
    CHECK(balancer.pool.sessions.expire(milliseconds(1000), monotonic_ms() + 2000).size() == 1);
    CHECK(balancer.find(session) == Found::known);
  }

  TEST_CASE("a bound session answers only to the principal that opened it") {
    for (const Identity identity : {Identity::learned, Identity::sealed}) {
      const Found refused = identity == Identity::sealed ? Found::invalid : Found::denied;
      Balancer balancer(identity, Bind::authorization);
      const std::string session = balancer.open("id", "a", "Bearer alice");
      CHECK(balancer.find(session, "Bearer alice") == Found::known);
      CHECK(balancer.find(session, "Bearer bob") == refused);
      CHECK(balancer.find(session, "") == refused);
      const std::string anonymous = balancer.open("anonymous", "a");
      CHECK(balancer.find(anonymous, "") == Found::known);
      CHECK(balancer.find(anonymous, "Bearer alice") == refused);
    }
  }

  TEST_CASE("a session whose opener is not known answers to nobody when sessions are bound") {
    Balancer balancer(Identity::learned, Bind::authorization);
    session::SessionUse use;
    balancer.pool.sessions.learn("id", {balancer.backend("a").id()}, balancer.now, use);
    CHECK(balancer.find("id", "") == Found::denied);
    CHECK(balancer.find("id", "Bearer alice") == Found::denied);
  }

  TEST_CASE("a request that may name two sessions is told from one that names one") {
    Balancer plain(Identity::learned);
    Balancer sealed(Identity::sealed);
    Balancer bound(Identity::learned, Bind::authorization);
    mcp::Message message;
    http::RequestHead head;
    head.method = http::Method::post;
    const auto unchecked = [&](Balancer& balancer, std::string_view query, mcp::Era era,
                               bool endpoint) {
      head.query = query;
      message.era = era;
      message.endpoint_session = endpoint;
      return balancer.ids.names_unchecked_session(head, message);
    };
    using mcp::Era;
    for (Balancer* guarded : {&sealed, &bound}) {
      CHECK_FALSE(unchecked(*guarded, "sessionId=a", Era::legacy, true));
      CHECK(unchecked(*guarded, "sessionId=a", Era::legacy, false));
      CHECK(unchecked(*guarded, "sessionId=a&sessionId=b", Era::legacy, true));
      CHECK(unchecked(*guarded, "sessionId=a&sessio%6e_id=b", Era::legacy, true));
      CHECK_FALSE(unchecked(*guarded, "x=sessionId", Era::legacy, false));
    }
    CHECK(unchecked(bound, "sessionId=a", Era::modern, false));
    CHECK(unchecked(bound, "sessionId=a", Era::none, false));
    CHECK_FALSE(unchecked(sealed, "sessionId=a", Era::modern, false));
    CHECK_FALSE(unchecked(sealed, "sessionId=a", Era::none, false));
    CHECK_FALSE(unchecked(plain, "sessionId=a&sessionId=b", Era::legacy, true));
    head.method = http::Method::get;
    CHECK_FALSE(unchecked(bound, "sessionId=a", Era::none, false));
  }

  TEST_CASE("several Authorization fields are a credential of their own") {
    // {"iss":"i","sub":"s"}
    const char* const alice = "Bearer e30.eyJpc3MiOiJpIiwic3ViIjoicyJ9.x";
    Balancer balancer(Identity::learned, Bind::authorization);
    const std::string session = balancer.open("id", "a", alice);
    CHECK(balancer.find(session, "Bearer e30.eyJpc3MiOiJpIiwic3ViIjoicyJ9.y") == Found::known);
    http::Fields both = Balancer::fields_of(alice);
    both.add("Authorization", "Bearer bob");
    mcp::Message message;
    message.session = session;
    SessionIdentity::Named named;
    CHECK(balancer.ids.find(message, both, balancer.now, named) == Found::denied);
  }

  TEST_CASE("an id that would be too long when sealed is not sealed") {
    Balancer balancer(Identity::sealed);
    const std::string id(limits::session_id_bytes_max, 'x');
    CHECK(balancer.ids.outside(Kind::session, id, balancer.backend("a"), http::Fields()) == "");
  }
}

TEST_SUITE("proxy/session_identity targets") {
  TEST_CASE("the backend's id takes the place of the client's, and nothing else changes") {
    const auto renamed = [](const std::string& target, std::string_view prefix = "") {
      http::RequestHead head;
      head.target = target;
      head.query = head.target.substr(target.find('?') + 1);
      mcp::Message message;
      message.session = mcp::endpoint_session(head.query);
      message.endpoint_session = true;
      const std::string stripped = target.substr(prefix.size());
      std::string text;
      return std::string(renamed_target(stripped, head, message, "in", text));
    };
    CHECK(renamed("/m?sessionId=outside") == "/m?sessionId=in");
    CHECK(renamed("/outside?x=outside&session_id=outside&y=outside") ==
          "/outside?x=outside&session_id=in&y=outside");
    CHECK(renamed("/tools/m?sessionId=outside&", "/tools") == "/m?sessionId=in&");
    CHECK(renamed("/m?sessionId=&sessionId=o") == "/m?sessionId=&sessionId=in");
  }

  TEST_CASE("a target without the session stays as it is") {
    http::RequestHead head;
    head.target = "/m?sessionId=other";
    head.query = "sessionId=other";
    mcp::Message message;
    message.session = "of the header";
    std::string text;
    CHECK(renamed_target(head.target, head, message, "in", text) == head.target);
    message.session = head.query.substr(10);
    message.endpoint_session = true;
    CHECK(renamed_target(head.target, head, message, "", text) == head.target);
    CHECK(renamed_target(head.target, head, message, "other", text) == head.target);
    CHECK(text.empty());
  }
}
