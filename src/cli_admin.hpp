// The commands that ask a running instance or tell it to do something: health, status, backends,
// sessions, session, drain, activate, disable, reload.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli_ask.hpp"

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
  bool given() const { return chosen() != nullptr; }
  // Runs it; its exit code.
  int run();

 private:
  using Render = std::string (*)(const nlohmann::json& answer);
  struct Command {
    const CLI::App* parsed;
    int (AdminCommands::*does)() const;
  };

  CLI::App& add(CLI::App& app, const char* name, const char* what,
                int (AdminCommands::*does)() const);
  void add_change(CLI::App& app, const char* name, const char* what,
                  int (AdminCommands::*does)() const);
  const Command* chosen() const;
  int show(const CliQuestion& question, Render render) const;
  int run_health() const;
  int run_status() const;
  int run_backends() const;
  int run_sessions() const;
  int run_session() const;
  int run_drain() const;
  int run_activate() const;
  int run_disable() const;
  int run_reload() const;

  std::string& admin_;
  AdminAccess access_;
  std::string pool_;
  std::string after_;
  std::string id_;
  std::string backend_;
  bool live_ = false;
  bool ready_ = false;
  std::uint32_t limit_ = 100;
  bool wait_ = false;
  std::int64_t timeout_s_ = 600;
  std::vector<Command> commands_;
};

}  // namespace mcplb
