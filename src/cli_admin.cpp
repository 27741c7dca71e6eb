#include "cli_admin.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <utility>

#include "admin_client.hpp"
#include "cli_change.hpp"
#include "cli_tables.hpp"
#include "mcplb/base/limits.hpp"

namespace mcplb {
namespace {

const std::map<std::string, std::int64_t> time_units{{"s", 1}, {"m", 60}, {"h", 3600}};

}  // namespace

AdminCommands::AdminCommands(CLI::App& app, std::string& admin) : admin_(admin) {
  auto& health = add(app, "health", "whether a running instance is healthy: a probe for containers",
                     &AdminCommands::run_health);
  auto* const live = health.add_flag("--live", live_, "only whether it answers");
  health.add_flag("--ready", ready_, "whether it accepts connections, whatever its backends do")
      ->excludes(live);
  health.footer(
      "Prints one word, or on stderr what is wrong. "
      "Ends with 0 when it is healthy or degraded (alive, ready), else with 1.\n"
      "It needs no token.");
  auto& status = add(app, "status", "how a running instance is, and its pools",
                     &AdminCommands::run_status);
  status.footer("The exit code says whether it could be asked, not whether it is healthy.");
  auto& backends = add(app, "backends", "list the backends of a running instance",
                       &AdminCommands::run_backends);
  backends.add_option("--pool", pool_, "only this pool's");
  auto& sessions = add(app, "sessions", "list the sessions of a running instance",
                       &AdminCommands::run_sessions);
  sessions.add_option("--pool", pool_, "only this pool's");
  sessions.add_option("--limit", limit_, "at most so many")
      ->check(CLI::Range(std::size_t{1}, limits::admin_page_max));
  sessions.add_option("--after", after_, "go on where a list has ended");
  auto& session = add(app, "session", "show one session of a running instance",
                      &AdminCommands::run_session);
  session.add_option("ID", id_, "the session's id, as its client knows it")->required();
  session.add_option("--pool", pool_, "only of this pool");
  add_change(app, "drain", "give a backend no new sessions, and empty it",
             &AdminCommands::run_drain);
  auto& drain = *app.get_subcommand("drain");
  auto* const wait =
      drain.add_flag("--wait", wait_, "end when its last session, stream and request has left");
  drain.footer(
      "With --wait it says what is left whenever that changes, and ends with 0 when nothing is,\n"
      "with 1 when the time is over: mcplb drain --wait default/10.0.0.11:3000 && stop-it");
  drain.add_option("--timeout", timeout_s_, "with --wait: give up after this, e.g. 90s (10m)")
      ->type_name("TIME")
      ->transform(CLI::AsNumberWithUnit(time_units, CLI::AsNumberWithUnit::UNIT_REQUIRED))
      ->needs(wait);
  add_change(app, "activate", "let a backend serve again, as it did before drain or disable",
             &AdminCommands::run_activate);
  add_change(app, "disable", "take a backend out of service at once",
             &AdminCommands::run_disable);
  auto& reload = add(app, "reload", "let a running instance read its configuration again",
                     &AdminCommands::run_reload);
  reload.footer("As SIGHUP. A configuration with mistakes changes nothing and ends with 1.");
}

CLI::App& AdminCommands::add(CLI::App& app, const char* name, const char* what,
                             int (AdminCommands::*does)() const) {
  CLI::App& command = *app.add_subcommand(name, what);
  command.add_option("--admin", admin_, "admin address of the instance (127.0.0.1:9180)");
  command.add_option("--token", access_.token, "its admin.token; others can see a command line")
      ->envname("MCPLB_ADMIN_TOKEN");
  command.add_flag("--json", access_.json, "print what the admin API answers");
  commands_.push_back({&command, does});
  return command;
}

void AdminCommands::add_change(CLI::App& app, const char* name, const char* what,
                               int (AdminCommands::*does)() const) {
  CLI::App& command = add(app, name, what, does);
  command
      .add_option("POOL/BACKEND", backend_,
                  "the backend, by its id (mcplb backends); without POOL/ when there is one pool")
      ->required();
}

const AdminCommands::Command* AdminCommands::chosen() const {
  for (const Command& command : commands_) {
    if (command.parsed->parsed()) return &command;
  }
  return nullptr;
}

int AdminCommands::run() {
  access_.admin = admin_;
  return (this->*chosen()->does)();
}

int AdminCommands::show(const CliQuestion& question, Render render) const {
  const CliAnswer answer = access_.ask(question);
  if (answer.exit_code != exit_fine || access_.json) return answer.exit_code;
  const std::string text = render(answer.body);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return exit_fine;
}

int AdminCommands::run_health() const {
  const char* const target = live_ ? "/health/live" : ready_ ? "/health/ready" : "/health";
  return show({http::Method::get, "its health", target}, health_text);
}

int AdminCommands::run_status() const {
  return show({http::Method::get, "its state", "/api/state?history=no"}, status_table);
}

int AdminCommands::run_backends() const {
  std::string target = "/api/state?history=no";
  if (!pool_.empty()) target += "&pool=" + percent_encoded(pool_);
  return show({http::Method::get, "the backends", std::move(target)}, backends_table);
}

int AdminCommands::run_sessions() const {
  std::string target = "/api/sessions?limit=" + std::to_string(limit_);
  if (!pool_.empty()) target += "&pool=" + percent_encoded(pool_);
  if (!after_.empty()) target += "&after=" + percent_encoded(after_);
  return show({http::Method::get, "sessions", std::move(target)}, sessions_table);
}

int AdminCommands::run_session() const {
  std::string target = "/api/cluster/sessions/" + percent_encoded(id_);
  if (!pool_.empty()) target += "?pool=" + percent_encoded(pool_);
  return show({http::Method::get, "the session", std::move(target)}, session_table);
}

int AdminCommands::run_drain() const {
  if (!wait_) return change_backend(access_, backend_, "drain");
  return drain_and_wait(access_, backend_, timeout_s_);
}

int AdminCommands::run_activate() const { return change_backend(access_, backend_, "activate"); }

int AdminCommands::run_disable() const { return change_backend(access_, backend_, "disable"); }

int AdminCommands::run_reload() const {
  return show({http::Method::post, "a reload", "/api/reload"}, reload_text);
}

}  // namespace mcplb
