#include "cli_change.hpp"

#include <cstdio>

#include "admin_client.hpp"
#include "cli_tables.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/text.hpp"

namespace mcplb {
namespace {

using Json = nlohmann::json;

constexpr milliseconds between_looks{1000};

const Json& pools_in(const Json& state) {
  static const Json none = Json::array();
  const auto found = state.find("pools");
  return found != state.end() && found->is_array() ? *found : none;
}

// Null when the text has no such member.
const Json* named(const Json& things, const char* key, const std::string& name) {
  for (const Json& thing : things) {
    if (thing.is_object() && thing.value(key, Json()) == name) return &thing;
  }
  return nullptr;
}

// Asks for the name of the only pool when none was given.
int find_pool(const AdminAccess& access, BackendName& name) {
  if (!name.pool.empty()) return exit_fine;
  const CliAnswer state =
      access.ask_quietly({http::Method::get, "the names of its pools", "/api/state?history=no"});
  if (state.exit_code != exit_fine) return state.exit_code;
  const Json& pools = pools_in(state.body);
  if (pools.size() == 1 && pools[0].is_object() && pools[0].value("name", Json()).is_string()) {
    name.pool = pools[0]["name"].get<std::string>();
    return exit_fine;
  }
  std::string names;
  for (const Json& pool : pools)
    names += " " + escaped(pool.is_object() ? pool.value("name", Json("?")).dump() : "?");
  std::fprintf(stderr, "there are several pools: name one as POOL/%s (pools:%s)\n",
               escaped(name.backend).c_str(), names.c_str());
  return exit_usage;
}

CliAnswer tell(const AdminAccess& access, const BackendName& name, const char* command) {
  CliQuestion question{http::Method::post, std::string("this command (") + command + ")", {}};
  question.target = "/api/backends/" + percent_encoded(name.pool) + "/" +
                    percent_encoded(name.backend) + "/" + command;
  return access.ask(question);
}

void print_line(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

// A drain whose time is up disables a backend that is not empty. What was open there has ended.
bool is_cut(const Json& backend) {
  return backend.value("mode", Json()) == "disabled" && backend.value("in_flight", Json()) == 0 &&
         backend.value("streams", Json()) == 0;
}

// Says what is left, when it is not what was said last.
class Progress {
 public:
  explicit Progress(bool json) : json_(json) {}
  void show(const Json& backend) {
    const std::string line = json_ ? left_json(backend) : left_text(backend);
    if (line == last_) return;
    last_ = line;
    print_line(line);
  }

 private:
  bool json_;
  std::string last_;
};

// Looks until nothing is left.
int wait_until_empty(const AdminAccess& access, const BackendName& name, std::int64_t timeout_s) {
  const std::string target = "/api/state?history=no&pool=" + percent_encoded(name.pool);
  const Deadline end = Deadline::after(monotonic_ms(), milliseconds(timeout_s * 1000));
  Progress progress(access.json);
  while (true) {
    const CliAnswer state = access.ask_quietly({http::Method::get, "what is left", target});
    if (state.exit_code != exit_fine) return state.exit_code;
    const Json* const pool = named(pools_in(state.body), "name", name.pool);
    const Json backends = pool == nullptr ? Json() : pool->value("backends", Json());
    const Json* const backend = named(backends, "id", name.backend);
    if (backend == nullptr) return exit_fine;  // it has left
    progress.show(*backend);
    if (is_empty(*backend)) return exit_fine;
    if (is_cut(*backend)) {
      if (!access.json) {
        print_line("its time is up: the sessions that are left move with their next request");
      }
      return exit_fine;
    }
    if (backend->value("mode", Json()) == "active") {
      std::fprintf(stderr, "somebody has activated it meanwhile\n");
      return exit_failed;
    }
    if (end.passed(monotonic_ms())) {
      std::fprintf(stderr, "not empty after %s\n", short_duration(timeout_s).c_str());
      return exit_failed;
    }
    pause(between_looks);
  }
}

}  // namespace

int change_backend(const AdminAccess& access, const std::string& name, const char* command) {
  BackendName target = parse_backend_name(name);
  const int found = find_pool(access, target);
  if (found != exit_fine) return found;
  const CliAnswer answer = tell(access, target, command);
  if (answer.exit_code != exit_fine || access.json) return answer.exit_code;
  const std::string text = change_text(answer.body);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return exit_fine;
}

int drain_and_wait(const AdminAccess& access, const std::string& name, std::int64_t timeout_s) {
  BackendName target = parse_backend_name(name);
  const int found = find_pool(access, target);
  if (found != exit_fine) return found;
  const CliAnswer answer = tell(access, target, "drain");
  if (answer.exit_code != exit_fine) return answer.exit_code;
  return wait_until_empty(access, target, timeout_s);
}

}  // namespace mcplb
