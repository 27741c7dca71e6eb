#include "mcplb/base/log.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

using namespace mcplb;

namespace {

LogFields text() {
  return LogFields(LogFormat::text);
}
LogFields json() {
  return LogFields(LogFormat::json);
}

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream all;
  all << file.rdbuf();
  return all.str();
}

// An access log in a file of its own.
struct AccessLog {
  explicit AccessLog(LogFormat format, LogLevel level = LogLevel::error)
      : path(std::filesystem::temp_directory_path() /
             ("mcplb_log_test_" + std::to_string(::getpid()))) {
    std::filesystem::remove(path);
    LogSettings settings;
    settings.level = level;
    settings.format = format;
    settings.access = path.string();
    log::start(settings, "here");
  }
  ~AccessLog() {
    log::stop();
    log::start({}, "");
    log::stop();
    std::filesystem::remove(path);
  }
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  std::filesystem::path path;
};

}  // namespace

TEST_SUITE("base/log_fields") {
  TEST_CASE("text fields are key=value, quoted where a reader would stumble") {
    CHECK(text().add("a", "b").add("n", 3).text() == " a=b n=3");
    CHECK(text().add("a", "two words").text() == " a=\"two words\"");
    CHECK(text().add("a", "").text() == " a=\"\"");
    CHECK(text().add("a", "x=y").text() == " a=\"x=y\"");
  }

  TEST_CASE("no value can forge a line or another field") {
    CHECK(text().add("a", "x\nevil=1").text() == " a=\"x\\x0aevil=1\"");
    CHECK(text().add("a", "x\" b=\"y").text() == " a=\"x\\x22 b=\\x22y\"");
    CHECK(json().add("a", "x\",\"b\":\"y\n").text() ==
          R"(,"a":"x\u0022,\u0022b\u0022:\u0022y\u000a")");
  }

  TEST_CASE("JSON fields are JSON whatever the bytes") {
    std::string bytes;
    for (int c = 0; c < 256; ++c)
      bytes += static_cast<char>(c);
    const std::string line = "{\"first\":1" + json().add("bytes", bytes).text() + "}";
    const auto parsed = nlohmann::json::parse(line, nullptr, false);
    REQUIRE(parsed.is_object());
    CHECK(parsed["bytes"].is_string());
  }

  TEST_CASE("numbers are numbers, negative ones as well") {
    CHECK(json().add("n", -1).add("big", std::int64_t{1} << 53).text() ==
          ",\"n\":-1,\"big\":9007199254740992");
  }

  TEST_CASE("a very long value is cut") {
    CHECK(text().add("a", std::string(5000, 'x')).text().size() < 1100);
  }
}

TEST_SUITE("base/log") {
  TEST_CASE("an access line carries time, instance and its fields, as text") {
    const AccessLog log(LogFormat::text);
    log::write_access(text().add("status", 200));
    log::stop();
    const std::string line = contents(log.path);
    REQUIRE(line.size() > 25);
    CHECK(line[10] == 'T');
    CHECK(line.substr(23) == "Z instance=here status=200\n");
  }

  TEST_CASE("an access line is one JSON object in JSON format") {
    const AccessLog log(LogFormat::json);
    log::write_access(json().add("status", 200).add("path", "/a\"b"));
    log::stop();
    const auto line = nlohmann::json::parse(contents(log.path), nullptr, false);
    REQUIRE(line.is_object());
    CHECK(line["instance"] == "here");
    CHECK(line["status"] == 200);
    CHECK(line["path"] == "/a\"b");
    CHECK(line.contains("time"));
  }

  TEST_CASE("stop() writes what is queued") {
    const AccessLog log(LogFormat::text);
    for (int i = 0; i < 1000; ++i)
      log::write_access(text().add("n", i));
    log::stop();
    const std::string lines = contents(log.path);
    CHECK(lines.find("n=0\n") != std::string::npos);
    CHECK(lines.find("n=999\n") != std::string::npos);
  }

  TEST_CASE("reopen() goes on in a new file of the same name") {
    const AccessLog log(LogFormat::text);
    const std::filesystem::path rotated = log.path.string() + ".1";
    log::write_access(text().add("n", 1));
    std::filesystem::rename(log.path, rotated);
    log::reopen();
    // The writer opens the new file before it looks for lines again.
    while (!std::filesystem::exists(log.path))
      std::this_thread::yield();
    log::write_access(text().add("n", 2));
    log::stop();
    CHECK(contents(rotated).find("n=1\n") != std::string::npos);
    CHECK(contents(log.path).find("n=2\n") != std::string::npos);
    std::filesystem::remove(rotated);
  }

  TEST_CASE("change() goes on in another file, with another level and format") {
    const AccessLog log(LogFormat::text);
    const std::filesystem::path next = log.path.string() + ".next";
    log::write_access(text().add("n", 1));
    LogSettings settings;
    settings.level = LogLevel::warn;
    settings.format = LogFormat::json;
    settings.access = next.string();
    REQUIRE(log::change(settings));
    CHECK(log::enabled(LogLevel::warn));
    CHECK(log::format() == LogFormat::json);
    log::write_access(json().add("n", 2));
    log::stop();
    CHECK(contents(log.path).find("n=1\n") != std::string::npos);
    CHECK(contents(log.path).find("\"n\":2") == std::string::npos);
    CHECK(contents(next).find("\"n\":2}") != std::string::npos);
    std::filesystem::remove(next);
  }

  TEST_CASE("change() changes nothing when the file cannot be opened") {
    const AccessLog log(LogFormat::text);
    LogSettings settings;
    settings.level = LogLevel::debug;
    settings.format = LogFormat::json;
    settings.access = "/nowhere/at/all";
    CHECK_FALSE(log::change(settings));
    CHECK_FALSE(log::enabled(LogLevel::info));
    CHECK(log::format() == LogFormat::text);
    log::write_access(text().add("n", 1));
    log::stop();
    CHECK(contents(log.path).find("n=1\n") != std::string::npos);
  }

  TEST_CASE("the access log is switched off and on") {
    const AccessLog log(LogFormat::text);
    LogSettings settings;
    REQUIRE(log::change(settings));
    CHECK_FALSE(log::access_enabled());
    settings.access = log.path.string();
    REQUIRE(log::change(settings));
    CHECK(log::access_enabled());
    log::write_access(text().add("n", 2));
    log::stop();
    CHECK(contents(log.path).find("n=2\n") != std::string::npos);
  }

  TEST_CASE("events below the level are not enabled") {
    const AccessLog log(LogFormat::text, LogLevel::warn);
    CHECK_FALSE(log::enabled(LogLevel::debug));
    CHECK_FALSE(log::enabled(LogLevel::info));
    CHECK(log::enabled(LogLevel::warn));
    CHECK(log::enabled(LogLevel::error));
    CHECK(log::access_enabled());
  }

  TEST_CASE("a listener hears every event from info on, whatever the level") {
    const AccessLog log(LogFormat::text, LogLevel::error);
    std::string heard;
    log::set_listener([&](LogLevel level, std::string_view event, std::string_view fields) {
      heard.append(to_string(level)).append(" ").append(event).append(fields).append(";");
    });
    log::event(LogLevel::debug, "one");
    log::event(LogLevel::info, "two", "key", "a\"b", "n", 3);
    log::set_listener({});
    log::event(LogLevel::info, "three");
    CHECK(heard == "info two,\"key\":\"a\\u0022b\",\"n\":3;");
  }
}
