// What a run of the generator does, read from a JSON file. bench/load/README.md describes the keys.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mcplb/base/clock.hpp"

#include "texts/texts.hpp"

namespace mcplb::bench {

// http://IP:PORT/path; "localhost" is 127.0.0.1.
struct Url {
  std::string ip;
  std::uint16_t port = 0;
  std::string path = "/";

  std::string authority() const;
};
std::optional<Url> parse_url(std::string_view text);

// One kind of work and how often it is chosen.
struct MixItem {
  enum class What : std::uint8_t { call, ping, discover, churn };

  What what = What::call;
  std::string name;  // of the tool or the kind, as the result shows it
  Tool tool = Tool::small;
  std::uint32_t weight = 1;
  std::uint32_t calls = 1;        // churn: calls of the tool between initialize and DELETE
  bool initialized = false;       // churn: with notifications/initialized
  bool fresh_connection = false;  // churn: each on a connection of its own
  std::uint32_t ms = 0;           // sleep: for how long
};

struct StreamPlan {
  std::uint32_t count = 0;
  std::vector<Url> emit_urls;
  std::uint32_t emit_every_ms = 0;  // 0: nothing is emitted
  std::uint32_t emit_count = 0;     // emissions at most; 0: until the end
  std::uint32_t emit_bytes = 200;
};

struct Scenario {
  enum class Mode : std::uint8_t { closed, open };

  Url url;
  bool modern = false;
  Mode mode = Mode::closed;
  bool poisson = true;
  double rate = 0;  // open: starts a second
  std::uint32_t connections = 64;
  std::uint32_t sessions = 64;
  double warmup_seconds = 1;
  double seconds = 5;
  std::vector<MixItem> mix;
  StreamPlan streams;
  std::vector<std::pair<std::string, std::string>> headers;
  milliseconds timeout{10'000};
  std::uint32_t threads = 1;
  std::uint64_t seed = 1;
  bool allow_moves = false;    // a session may answer from another server than before
  bool keep_sessions = false;  // no DELETE at the end
};

// Whether anything in the mix uses sessions that are opened before the start.
bool uses_sessions(const Scenario& scenario);

struct ScenarioOrError {
  std::optional<Scenario> scenario;
  std::string error;  // when there is none
};

// `changes` are KEY=JSON and replace keys of the top level.
ScenarioOrError read_scenario(std::string_view json, const std::vector<std::string>& changes);

}  // namespace mcplb::bench
