#include <doctest/doctest.h>

#include "mcplb/redis/settings.hpp"

namespace mcplb::redis {
namespace {

// "endpoint,endpoint master user:password db"
std::string parsed(std::string_view text) {
  const ParsedUrl result = parse_url(text);
  if (!result.wrong.empty()) return "wrong: " + result.wrong;
  const Url& url = result.url;
  std::string out;
  for (const Endpoint& endpoint : url.endpoints)
    out += (out.empty() ? "" : ",") + endpoint.text() + (endpoint.tls ? "(tls)" : "");
  return out + " [" + url.master + "] " + url.user + ":" + url.password + " " +
         std::to_string(url.db);
}

}  // namespace

TEST_SUITE("redis/url") {
  TEST_CASE("every form of URL is read") {
    const std::pair<const char*, const char*> cases[] = {
        {"redis://h", "h:6379 [] : 0"},
        {"REDIS://h:1", "h:1 [] : 0"},
        {"redis://h/", "h:6379 [] : 0"},
        {"redis://h:65535/15", "h:65535 [] : 15"},
        {"redis://[::1]", "[::1]:6379 [] : 0"},
        {"redis://[fd00::1]:7000/2", "[fd00::1]:7000 [] : 2"},
        {"redis://:pw@h", "h:6379 [] :pw 0"},
        {"redis://me:pw@h:1/2", "h:1 [] me:pw 2"},
        {"redis://m%40e:p%3A%2f%25@h", "h:6379 [] m@e:p:/% 0"},
        {"redis://:p@w@h", "h:6379 [] :p@w 0"},
        {"redis://:a:b@h", "h:6379 [] :a:b 0"},
        {"rediss://h", "h:6379(tls) [] : 0"},
        {"unix:///run/r.sock", "unix:/run/r.sock [] : 0"},
        {"redis+unix:///run/r@1.sock?db=3", "unix:/run/r@1.sock [] : 3"},
        {"redis+unix://me:pw@/run/r.sock", "unix:/run/r.sock [] me:pw 0"},
        {"redis+sentinel://a/main", "a:26379 [main] : 0"},
        {"redis+sentinel://:pw@a:1,b,[::1]:2/main/4", "a:1,b:26379,[::1]:2 [main] :pw 4"},
    };
    for (const auto& row : cases) {
      const char* const text = row.first;
      const char* const expected = row.second;
      CAPTURE(text);
      CHECK(parsed(text) == expected);
    }
  }

  TEST_CASE("what is wrong is said") {
    const std::pair<const char*, const char*> cases[] = {
        {"", "wants the form"},
        {"h:6379", "wants the form"},
        {"http://h", "wants the form"},
        {"redis://", "names no host"},
        {"redis://:6379", "names no host"},
        {"redis://a b", "names no host"},
        {"redis://h?db=1", "a character in its host"},
        {"redis://a,b", "a character in its host"},
        {"redis://h:0", "port outside"},
        {"redis://h:65536", "port outside"},
        {"redis://h:", "port outside"},
        {"redis://h:6379x", "port outside"},
        {"redis://::1", "names no host"},
        {"redis://[::1", "without its bracket"},
        {"redis://[::1]x", "between the address in brackets"},
        {"redis://[::1]x:1", "between the address in brackets"},
        {"redis://h/x", "database that is no number"},
        {"redis://h/1/2", "database that is no number"},
        {"redis://h/65536", "database that is no number"},
        {"redis://user@h", "a user but no password"},
        {"redis://user:@h", "a user but no password"},
        {"redis://:%zz@h", "broken %"},
        {"redis://:%4@h", "broken %"},
        {"redis+unix://run/r.sock", "absolute path"},
        {"unix://", "absolute path"},
        {"redis+unix:///r?name=1", "other than ?db"},
        {"redis+unix:///r?db=x", "database that is no number"},
        {"redis+sentinel://a:1", "names no master"},
        {"redis+sentinel://a:1/", "names no master"},
        {"redis+sentinel://a,,b/main", "names no host"},
        {"redis+sentinel://a/main/x", "database that is no number"},
    };
    for (const auto& row : cases) {
      const char* const text = row.first;
      const char* const expected = row.second;
      CAPTURE(text);
      const std::string result = parsed(text);
      CAPTURE(result);
      CHECK(result.rfind("wrong: ", 0) == 0);
      CHECK(result.find(expected) != std::string::npos);
    }
    CHECK(parsed("redis+unix:///" + std::string(107, 'x')).find("too long") != std::string::npos);
    std::string many = "redis+sentinel://a";
    for (int i = 0; i < 16; ++i)
      many += ",a";
    CHECK(parsed(many + "/main").find("too many") != std::string::npos);
  }

  TEST_CASE("nothing of a wrong URL is repeated, because it may hold a password") {
    for (const char* text : {"hunter2", "redis://:hun/ter2@h", "redis://hunter2@h",
                             "redis://:hunter2@h:x", "redis://:hunter2%@h", "redis://h/hunter2",
                             "redis://h:hunter2", "redis+unix://:hunter2@r?hunter2"}) {
      CAPTURE(text);
      const std::string result = parsed(text);
      CHECK(result.rfind("wrong: ", 0) == 0);
      CHECK(result.find("hun") == std::string::npos);
      CHECK(result.find("ter2") == std::string::npos);
    }
  }

  TEST_CASE("the masked URL has all but the password and can be read again") {
    const std::pair<const char*, const char*> cases[] = {
        {"redis://h", "redis://h:6379"},
        {"rediss://m%40e:pw@[::1]/2", "rediss://m%40e:***@[::1]:6379/2"},
        {"unix://:pw@/r?db=1", "redis+unix://:***@/r?db=1"},
        {"redis+sentinel://a,b:1/main", "redis+sentinel://a:26379,b:1/main"},
        {"redis+sentinel://:pw@a/main/1", "redis+sentinel://:***@a:26379/main/1"},
    };
    for (const auto& row : cases) {
      const char* const text = row.first;
      const char* const expected = row.second;
      CAPTURE(text);
      const std::string masked = parse_url(text).url.masked();
      CHECK(masked == expected);
      CHECK(parse_url(masked).url.masked() == masked);
    }
    CHECK(Url().masked() == "");
  }
}

}  // namespace mcplb::redis
