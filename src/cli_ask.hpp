// How commands put a question to a running instance, and what they say when it goes wrong.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "mcplb/http/head.hpp"

namespace mcplb {

inline constexpr int exit_fine = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;

struct CliQuestion {
  http::Method method = http::Method::get;
  std::string what;    // names it in messages: the target may hold a whole session id
  std::string target;  // path and query
};

struct CliAnswer {
  int exit_code = exit_fine;  // not exit_fine: what is wrong has been told, on stderr
  nlohmann::json body;
};

// The options that all of these commands have, as they were given. Owned by the command line.
class AdminAccess {
 public:
  std::string admin;
  std::string token;
  bool json = false;  // print what the admin API answers

  // Prints the answer when `json` is set, also that of a refusal.
  CliAnswer ask(const CliQuestion& question) const;
  // As ask(), but prints no answer.
  CliAnswer ask_quietly(const CliQuestion& question) const { return ask(question, false); }

 private:
  CliAnswer ask(const CliQuestion& question, bool print_json) const;
};

// The pool and the backend that POOL/BACKEND names; without a pool when there is no '/'.
struct BackendName {
  std::string pool;
  std::string backend;
};
BackendName parse_backend_name(const std::string& text);

}  // namespace mcplb
