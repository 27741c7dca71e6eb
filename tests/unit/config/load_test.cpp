#include <cstdio>
#include <filesystem>
#include <fstream>

#include "unit/config/loading.hpp"

namespace mcplb::config {
namespace {

// A directory of files that goes away with the test.
class Files {
 public:
  Files() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mcplb-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
  }
  ~Files() { std::filesystem::remove_all(directory_); }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  std::string add(const char* name, std::string_view text) {
    const std::string path = directory_ / name;
    std::ofstream(path) << text;
    return path;
  }
  std::string path(const char* name) const { return directory_ / name; }

 private:
  std::filesystem::path directory_;
};

std::string only_problem(const Outcome& outcome) {
  REQUIRE(outcome.problems.size() == 1);
  return to_string(outcome.problems[0]);
}

}  // namespace

TEST_SUITE("config/load") {
  TEST_CASE("later files win: maps merge, lists are replaced") {
    Files files;
    const std::vector<std::string> paths{
        files.add("a.yaml", "log: {level: warn, format: json}\n" + one_pool),
        files.add("b.yaml", "log: {level: debug}\npools: [{backends: [{url: \"http://b\"}]}]\n"),
        files.add("c.yaml", "# nothing\n")};
    const Settings settings = settings_of(load(paths, environment_of({})));
    CHECK(settings.log.level == LogLevel::debug);
    CHECK(settings.log.format == LogFormat::json);
    REQUIRE(settings.pools[0].cluster.backends.size() == 1);
    CHECK(settings.pools[0].cluster.backends[0].host == "b");
  }

  TEST_CASE("a problem names the file that it is in") {
    Files files;
    const std::string good = files.add("good.yaml", one_pool);
    const std::string bad = files.add("bad.yaml", "\nworkers: many\n");
    const std::vector<std::string> paths{good, bad};
    CHECK(only_problem(load(paths, environment_of({}))) ==
          bad + ":2:10: workers: \"many\" is no whole number: auto or 1 to 1024");
  }

  TEST_CASE("files that cannot be read are all named") {
    Files files;
    const std::vector<std::string> paths{files.path("missing.yaml"), files.path(""),
                                         files.add("good.yaml", one_pool)};
    const Outcome outcome = load(paths, environment_of({}));
    REQUIRE(outcome.problems.size() == 2);
    CHECK(to_string(outcome.problems[0]) ==
          paths[0] + ": cannot be read: No such file or directory");
    CHECK(to_string(outcome.problems[1]).find("cannot be read") != std::string::npos);
  }

  TEST_CASE("flags win over files") {
    Files files;
    const std::vector<std::string> paths{files.add(
        "a.yaml", "listeners: [{address: \"h:1\", name: public}]\nadmin: {token: x}\n" + one_pool)};
    Flags flags;
    flags.listen = "127.0.0.1:0";
    flags.admin = "0.0.0.0:0";
    flags.workers = "3";
    const Settings settings = settings_of(load(paths, environment_of({}), flags));
    REQUIRE(settings.listeners.size() == 1);
    CHECK(settings.listeners[0].address == "127.0.0.1:0");
    CHECK(settings.listeners[0].name == "public");
    CHECK(settings.admin.address == "0.0.0.0:0");
    CHECK(settings.admin.token == "x");
    CHECK(settings.workers == 3);
  }

  TEST_CASE("a wrong flag is named") {
    Flags flags;
    flags.workers = "$x";
    const std::vector<std::string> urls{"http://a"};
    CHECK(only_problem(defaults_for_backends(urls, flags)) ==
          "--workers: workers: \"$x\" is no whole number: auto or 1 to 1024");
  }

  TEST_CASE("backends alone make one pool with defaults") {
    const std::vector<std::string> urls{"http://127.0.0.1:3001", "http://127.0.0.1:3002/"};
    const Settings settings = settings_of(defaults_for_backends(urls));
    REQUIRE(settings.pools.size() == 1);
    CHECK(settings.pools[0].cluster.name == "default");
    REQUIRE(settings.pools[0].cluster.backends.size() == 2);
    CHECK(settings.pools[0].cluster.backends[1].id == "127.0.0.1:3002");
    CHECK(settings.listeners[0].address == "127.0.0.1:8080");
  }

  TEST_CASE("a wrong backend URL is a problem of --backend") {
    const std::vector<std::string> urls{"127.0.0.1:3001"};
    CHECK(only_problem(defaults_for_backends(urls)) ==
          "--backend: pools[0].backends[0].url: wants a URL: http://host:port "
            "or https://host:port");
    CHECK(only_problem(defaults_for_backends({})) ==
          "--backend: pools[0].backends needs at least one backend");
  }

  TEST_CASE("no file at all is nothing configured") {
    CHECK(only_problem(load({}, environment_of({}))) ==
          "configuration: nothing configured: pools[].backends is missing");
  }

  TEST_CASE("JSON loads as YAML does") {
    const Settings settings = settings_of(
        R"({"pools":[{"name":"p","backends":[{"url":"http://h:1","weight":2}]}],"workers":2})");
    CHECK(settings.pools[0].cluster.backends[0].weight == 2);
    CHECK(settings.workers == 2);
  }

  TEST_CASE("variables become values of every type, and never YAML") {
    const Environment environment =
        environment_of({{"N", "5"}, {"URL", "http://h"}, {"T", "x, admin: y"}});
    const Settings settings = settings_of(
        loaded("workers: ${N}\nadmin: {token: \"${T}\"}\npools: [{backends: [{url: \"${URL}\"}]}]",
               environment));
    CHECK(settings.workers == 5);
    CHECK(settings.admin.token == "x, admin: y");
  }

  TEST_CASE("a syntax error hides the rules that need the whole file") {
    CHECK(complaints("pools: [\n").find("nothing configured") == std::string::npos);
  }
}

}  // namespace mcplb::config
