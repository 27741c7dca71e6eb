// The kinds of health checks. A new kind is a file beside this one, and its line in checks.cpp.
#pragma once

#include <memory>
#include <string>

#include "mcplb/async/task.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/cluster/backend.hpp"
#include "mcplb/cluster/health.hpp"
#include "mcplb/cluster/settings.hpp"

namespace mcplb::cluster {

// So that they can be told apart in the backend's own log.
inline constexpr const char* check_user_agent = "mcplb health check";

struct CheckAnswer {
  bool good = false;
  std::string text;        // what was seen, for people: escaped, no secrets
  bool restarted = false;  // it forgot a session: it is another process than before
};

// Checks one backend, again and again, one check at a time. What it learned about the backend
// (which era it speaks, a session) it keeps between them.
class Check {
 public:
  virtual ~Check() = default;
  Check() = default;
  Check(const Check&) = delete;
  Check& operator=(const Check&) = delete;

  virtual Task<CheckAnswer> run(Deadline deadline) = 0;
  // True while end() has something to do, and while a check that is under way may cause it.
  virtual bool leaves_something() const { return false; }
  // Leaves nothing open at the backend. Nothing runs after it.
  virtual Task<void> end(Deadline /*deadline*/) { co_return; }
};

// What a check needs to know. The references outlive it.
struct CheckTarget {
  Backend& backend;
  CheckConnector& connector;
  std::string path;  // with the kind's default
  std::string host;  // for the Host header
};

std::unique_ptr<Check> make_tcp_check(CheckTarget target);
std::unique_ptr<Check> make_http_check(CheckTarget target);
std::unique_ptr<Check> make_mcp_check(CheckTarget target);

// Of the kind that the settings name.
std::unique_ptr<Check> make_check(const HealthSettings& settings, Backend& backend,
                                  CheckConnector& connector);

}  // namespace mcplb::cluster
