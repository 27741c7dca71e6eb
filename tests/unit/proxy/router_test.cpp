#include "mcplb/proxy/router.hpp"

#include <string>
#include <utility>

#include <doctest/doctest.h>

using namespace mcplb;
using namespace mcplb::proxy;

namespace {

Route route(std::string host, std::string path, std::size_t pool, std::string listener = "") {
  Route made;
  made.match.host = std::move(host);
  made.match.path = std::move(path);
  made.match.listener = std::move(listener);
  made.pool = pool;
  return made;
}

Route stripping(std::string path) {
  Route made = route("*", std::move(path), 0);
  made.match.strip_prefix = true;
  return made;
}

// The pool that is found, -1 when there is none.
int pool_of(const Router& router, std::string_view authority, std::string_view path,
            std::string_view listener = "main") {
  const Route* found = router.find(listener, authority, path);
  return found == nullptr ? -1 : static_cast<int>(found->pool);
}

}  // namespace

TEST_SUITE("proxy/router") {
  TEST_CASE("nothing matches without a route") {
    CHECK(pool_of(Router({}), "a.example", "/") == -1);
    CHECK(pool_of(Router({route("a.example", "/", 0)}), "b.example", "/") == -1);
    CHECK(pool_of(Router({route("*", "/a", 0)}), "b.example", "/") == -1);
  }

  TEST_CASE("exact hosts come before suffixes, longer suffixes before shorter, * last") {
    const Router router({route("*", "/", 0), route("*.example", "/", 1),
                         route("*.eu.example", "/", 2), route("a.eu.example", "/", 3)});
    CHECK(pool_of(router, "a.eu.example", "/") == 3);
    CHECK(pool_of(router, "b.eu.example", "/") == 2);
    CHECK(pool_of(router, "x.b.eu.example", "/") == 2);
    CHECK(pool_of(router, "eu.example", "/") == 1);
    CHECK(pool_of(router, "example", "/") == 0);
    CHECK(pool_of(router, "", "/") == 0);
  }

  TEST_CASE("the host decides before the path, the path before the listener") {
    const Router router({route("*", "/very/long", 0), route("a", "/", 1), route("a", "/x", 2),
                         route("a", "/", 3, "main")});
    CHECK(pool_of(router, "a", "/very/long") == 3);
    CHECK(pool_of(router, "a", "/very/long", "other") == 1);
    CHECK(pool_of(router, "a", "/x") == 2);
    CHECK(pool_of(router, "b", "/very/long") == 0);
  }

  TEST_CASE("the route that was written first wins among equals") {
    const Router router({route("*", "/a", 0), route("*", "/a", 1)});
    CHECK(pool_of(router, "h", "/a") == 0);
  }

  TEST_CASE("a named listener excludes all others") {
    const Router router({route("*", "/", 0, "inner")});
    CHECK(pool_of(router, "a", "/", "inner") == 0);
    CHECK(pool_of(router, "a", "/", "main") == -1);
  }

  TEST_CASE("a path covers whole segments only") {
    const Router router({route("*", "/a", 0), route("*", "/a/b", 1), route("*", "/s/", 2)});
    CHECK(pool_of(router, "h", "/a") == 0);
    CHECK(pool_of(router, "h", "/a/") == 0);
    CHECK(pool_of(router, "h", "/a/bc") == 0);
    CHECK(pool_of(router, "h", "/a/b/c") == 1);
    CHECK(pool_of(router, "h", "/ab") == -1);
    CHECK(pool_of(router, "h", "/A") == -1);
    CHECK(pool_of(router, "h", "/s/x") == 2);
    CHECK(pool_of(router, "h", "/s") == -1);
  }

  TEST_CASE("hosts are compared without port and without case") {
    const Router router({route("a.example", "/", 0), route("*.b.example", "/", 1)});
    for (const char* host : {"a.example", "A.Example", "a.example:80", "a.example:"}) {
      CAPTURE(host);
      CHECK(pool_of(router, host, "/") == 0);
    }
    CHECK(pool_of(router, "X.B.example:8080", "/") == 1);
    CHECK(pool_of(router, ".b.example", "/") == -1);
    CHECK(pool_of(router, "xb.example", "/") == -1);
  }

  TEST_CASE("the colons of an IPv6 host are not a port") {
    const Router router({route("[::1]", "/", 0), route("[2001:db8::7]", "/", 1)});
    CHECK(pool_of(router, "[::1]", "/") == 0);
    CHECK(pool_of(router, "[::1]:8080", "/") == 0);
    CHECK(pool_of(router, "[2001:DB8::7]:80", "/") == 1);
    CHECK(pool_of(router, "[::]", "/") == -1);
  }

  TEST_CASE("a well-known path is routed by the path that it names") {
    const Router router({route("*", "/", 0), route("*", "/mcp", 1)});
    for (const std::string base :
         {"/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server",
          "/.well-known/openid-configuration"}) {
      CAPTURE(base);
      CHECK(pool_of(router, "h", base) == 0);
      CHECK(pool_of(router, "h", base + "/") == 0);
      CHECK(pool_of(router, "h", base + "/mcp") == 1);
      CHECK(pool_of(router, "h", base + "/mcp/deeper") == 1);
      CHECK(pool_of(router, "h", base + "x/mcp") == 0);
    }
    CHECK(pool_of(router, "h", "/.well-known/other/mcp") == 0);
    CHECK(pool_of(router, "h", "/mcp/.well-known/openid-configuration") == 1);
  }
}

TEST_SUITE("proxy/backend_target") {
  TEST_CASE("stays as it is unless the route strips a prefix") {
    std::string stripped;
    CHECK(backend_target(route("*", "/mcp", 0), "/mcp/x?y", stripped) == "/mcp/x?y");
    CHECK(backend_target(stripping("/"), "/mcp", stripped) == "/mcp");
    CHECK(stripped.empty());
  }

  TEST_CASE("loses the prefix and stays a path") {
    struct Case {
      const char* path;
      const char* target;
      const char* expected;
    };
    const Case cases[] = {
        {"/mcp", "/mcp", "/"},
        {"/mcp", "/mcp/", "/"},
        {"/mcp", "/mcp?a=/mcp", "/?a=/mcp"},
        {"/mcp", "/mcp/x/mcp", "/x/mcp"},
        {"/mcp/", "/mcp/x", "/x"},
        {"/a/b", "/a/b/c?d", "/c?d"},
        {"/mcp", "*", "*"},
        {"/mcp", "/.well-known/openid-configuration/mcp", "/.well-known/openid-configuration"},
        {"/mcp", "/.well-known/oauth-protected-resource/mcp/x?q",
         "/.well-known/oauth-protected-resource/x?q"},
    };
    for (const Case& c : cases) {
      CAPTURE(c.target);
      std::string stripped = "left over";
      CHECK(backend_target(stripping(c.path), c.target, stripped) == c.expected);
    }
  }
}
