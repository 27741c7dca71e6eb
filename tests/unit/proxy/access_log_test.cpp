#include "proxy/access_log.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "mcplb/base/hash.hpp"
#include "mcplb/base/log.hpp"

using namespace mcplb;
using namespace mcplb::proxy;

namespace {

// An access log in a file of its own.
struct AccessLog {
  AccessLog()
      : path(std::filesystem::temp_directory_path() /
             ("mcplb_access_log_test_" + std::to_string(::getpid()))) {
    std::filesystem::remove(path);
    LogSettings settings;
    settings.level = LogLevel::error;
    settings.format = LogFormat::json;
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

  // The one line that was written.
  nlohmann::json line() {
    log::stop();
    std::ifstream file(path);
    std::ostringstream all;
    all << file.rdbuf();
    return nlohmann::json::parse(all.str(), nullptr, false);
  }

  std::filesystem::path path;
};

mcp::Message message_of(mcp::Method method, const std::string& name) {
  mcp::Message message;
  message.era = mcp::Era::legacy;
  message.kind = mcp::Kind::request;
  message.method = method;
  message.name = name;
  return message;
}

nlohmann::json logged(const AccessRecord& record) {
  AccessLog log;
  write_access_line(record);
  return log.line();
}

std::string name_logged(mcp::Method method, const std::string& name) {
  const mcp::Message message = message_of(method, name);
  AccessRecord record;
  record.message = &message;
  return logged(record).value("name", "no line");
}

}  // namespace

TEST_SUITE("proxy/access_log") {
  TEST_CASE("a line tells the whole exchange") {
    mcp::Message message = message_of(mcp::Method::tools_call, "search");
    message.session = "secret-session";
    AccessRecord record;
    record.request_id = "r-1";
    record.client = "192.0.2.7";
    record.pool = "tools";
    record.backend = "b1";
    record.message = &message;
    record.http_method = "POST";
    record.status = 502;
    record.reason = Reason::backend_lost;
    record.end = {'S', 'D'};
    record.bytes_in = 1;
    record.bytes_out = 2;
    record.wait_us = 3;
    record.backend_us = 4;
    record.total_us = 5;
    record.tries = 6;
    nlohmann::json line = logged(record);
    REQUIRE(line.is_object());
    CHECK(line["session"] == hashed_for_log("secret-session"));
    line.erase("time");
    line.erase("session");
    CHECK(line == nlohmann::json::parse(R"({"instance":"here","request_id":"r-1",
      "client":"192.0.2.7","pool":"tools","backend":"b1","era":"legacy","method":"tools/call",
      "name":"search","status":502,"reason":"backend_lost","end":"SD","bytes_in":1,
      "bytes_out":2,"wait_us":3,"backend_us":4,"total_us":5,"tries":6})"));
  }

  TEST_CASE("what is absent is a dash") {
    const mcp::Message message;
    AccessRecord record;
    record.message = &message;
    const nlohmann::json line = logged(record);
    REQUIRE(line.is_object());
    for (const char* key : {"request_id", "client", "pool", "backend", "era", "method", "name",
                            "session", "reason"}) {
      CAPTURE(key);
      CHECK(line[key] == "-");
    }
    CHECK(line["end"] == "--");
  }

  TEST_CASE("without a JSON-RPC method the line names that of HTTP") {
    mcp::Message message = message_of(mcp::Method::none, "");
    AccessRecord record;
    record.message = &message;
    record.http_method = "GET";
    CHECK(logged(record)["method"] == "GET");
    message.era = mcp::Era::none;
    message.method = mcp::Method::tools_call;
    CHECK(logged(record)["method"] == "GET");
  }

  TEST_CASE("a task's id is shown as a hash only") {
    for (const auto method : {mcp::Method::tasks_get, mcp::Method::tasks_result,
                              mcp::Method::tasks_cancel, mcp::Method::tasks_update}) {
      CHECK(name_logged(method, "task-key") == hashed_for_log("task-key"));
    }
    CHECK(name_logged(mcp::Method::tasks_get, "") == "-");
  }

  TEST_CASE("a resource's URI is shown without credentials, query and fragment") {
    struct Case {
      const char* uri;
      const char* shown;
    };
    const Case cases[] = {
        {"file:///a/b", "file:///a/b"},
        {"https://u:p@host/x?token=1#f", "https://host/x"},
        {"https://u:p@host", "https://host"},
        {"https://u@v@host/x", "https://host/x"},
        {"https://host/a@b", "https://host/a@b"},
        {"https://host#u@x", "https://host"},
        {"note:1?key=2", "note:1"},
        {"?a", "-"},
        {"", "-"},
    };
    for (const Case& c : cases) {
      CAPTURE(c.uri);
      CHECK(name_logged(mcp::Method::resources_read, c.uri) == c.shown);
    }
    CHECK(name_logged(mcp::Method::resources_subscribe, "a://b@c/?d") == "a://c/");
    CHECK(name_logged(mcp::Method::resources_unsubscribe, "a://b@c/?d") == "a://c/");
    CHECK(name_logged(mcp::Method::tools_call, "a://b@c/?d") == "a://b@c/?d");
  }

  TEST_CASE("nothing is written while the access log is off") {
    log::start({}, "");
    write_access_line({});
    log::stop();
  }
}
