// The commands that ask a running instance: sessions, session.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace CLI {
class App;
}

namespace mcplb {

// Owned by the command line, for one parse and one run.
class AdminCommands {
 public:
  // Adds the commands. `admin` is where --admin is kept; it outlives the parse and the run.
  AdminCommands(CLI::App& app, std::string& admin);

  // Whether the command line names one of them.
  bool given() const;
  // Runs it; its exit code.
  int run() const;

 private:
  using Render = std::string (*)(const nlohmann::json& answer);

  CLI::App& add(CLI::App& app, const char* name, const char* what);
  int ask(const char* what, std::string target, Render render) const;
  int run_sessions() const;
  int run_session() const;

  std::string& admin_;
  std::string token_;
  std::string pool_;
  std::string after_;
  std::string id_;
  std::uint32_t limit_ = 100;
  bool json_ = false;
  const CLI::App* sessions_;
  const CLI::App* session_;
};

}  // namespace mcplb
