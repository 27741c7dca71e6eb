#include "cli.hpp"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "cli_admin.hpp"
#include "demo/demo.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/config/config.hpp"
#include "mcplb/tracing/target.hpp"
#include "server.hpp"
#include "tls_setup.hpp"

namespace mcplb {
namespace {

struct Arguments {
  std::vector<std::string> files;
  std::vector<std::string> backends;
  config::Flags flags;
};

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int report(const std::vector<config::Problem>& problems) {
  for (const config::Problem& problem : problems) {
    std::fprintf(stderr, "%s\n", config::to_string(problem).c_str());
  }
  return exit_usage;
}

config::Outcome load(const Arguments& arguments) {
  if (!arguments.files.empty()) {
    return config::load(arguments.files, config::process_environment(), arguments.flags,
                        inspect_tls_files);
  }
  return config::defaults_for_backends(arguments.backends, arguments.flags);
}

int serve(const config::Loaded& loaded, Server::Loader loader, bool is_demo) {
  std::signal(SIGPIPE, SIG_IGN);
  if (!log::start(loaded.settings.log, loaded.settings.instance)) {
    std::fprintf(stderr, "log.access: %s cannot be opened: %s\n",
                 loaded.settings.log.access.c_str(), std::strerror(errno));
    return exit_failed;
  }
  if (!loaded.notes.empty()) {
    log::event(LogLevel::info, "configuration_notes", "count", loaded.notes.size(), "see",
               "mcplb check");
  }
  int code = exit_fine;
  {
    Server server(loaded.settings, std::move(loader));
    std::string message;
    if (server.start(message)) {
      if (is_demo) print(demo::demo_guide(server.listen_address(), server.admin_address()));
      std::fflush(stdout);
      server.run();
    } else {
      log::event(LogLevel::error, "start_failed", "why", message);
      code = exit_failed;
    }
  }
  log::stop();
  return code;
}

void add_sources(CLI::App& command, Arguments& arguments) {
  command
      .add_option("-c,--config", arguments.files,
                  "configuration file; again: maps merge, later values and whole lists replace")
      ->expected(1)
      ->take_all();
  command
      .add_option("--backend", arguments.backends,
                  "serve without a file: URL of a backend; may be given again")
      ->expected(1)
      ->take_all();
}

void add_flags(CLI::App& command, Arguments& arguments) {
  command.add_option("--listen", arguments.flags.listen, "listen here instead (host:port)");
  command.add_option("--admin", arguments.flags.admin, "admin address instead (host:port)");
  command.add_option("--workers", arguments.flags.workers, "number of workers, or auto");
}

int run(const Arguments& arguments) {
  if (arguments.files.empty() && arguments.backends.empty()) {
    std::fprintf(stderr, "nothing to serve: give -c FILE or --backend URL (see mcplb --help)\n");
    return exit_usage;
  }
  if (!arguments.files.empty() && !arguments.backends.empty()) {
    std::fprintf(stderr, "give either -c FILE or --backend URL, not both\n");
    return exit_usage;
  }
  const config::Outcome outcome = load(arguments);
  if (!outcome.ok()) return report(outcome.problems);
  Server::Loader loader;
  if (!arguments.files.empty()) loader = [&arguments] { return load(arguments); };
  return serve(outcome.loaded, std::move(loader), false);
}

int check(const Arguments& arguments) {
  if (arguments.files.empty() && arguments.backends.empty()) {
    std::fprintf(stderr, "nothing to check: give -c FILE\n");
    return exit_usage;
  }
  const config::Outcome outcome = load(arguments);
  if (!outcome.ok()) return report(outcome.problems);
  for (const std::string& note : outcome.loaded.notes) {
    std::fprintf(stderr, "note: %s\n", note.c_str());
  }
  const config::Settings& settings = outcome.loaded.settings;
  const auto traces =
      tracing::resolve(settings.tracing, config::process_environment(), settings.instance);
  for (const std::string& note : traces.notes) std::fprintf(stderr, "note: %s\n", note.c_str());
  print(config::print_effective(settings));
  return exit_fine;
}

int run_demo(const Arguments& arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  auto servers = demo::DemoServers::start();
  if (!servers) {
    std::fprintf(stderr, "the demo servers cannot start: %s\n", servers.error().what);
    return exit_failed;
  }
  const std::vector<std::string> urls = (*servers)->urls();
  const config::Outcome outcome = config::defaults_for_backends(urls, arguments.flags);
  if (!outcome.ok()) return report(outcome.problems);
  return serve(outcome.loaded, {}, true);
}

}  // namespace

int run_command_line(int argc, char** argv) {
  CLI::App app("mcplb: a load balancer that understands MCP");
  app.require_subcommand(0, 1);
  Arguments arguments;
  add_sources(app, arguments);
  add_flags(app, arguments);
  auto* run_it = app.add_subcommand("run", "serve (the default)");
  auto* demo_it =
      app.add_subcommand("demo", "serve three bundled MCP servers and print what to try");
  auto* check_it = app.add_subcommand("check", "validate and print the effective configuration");
  add_sources(*run_it, arguments);
  add_sources(*check_it, arguments);
  for (CLI::App* command : {run_it, demo_it, check_it}) add_flags(*command, arguments);
  AdminCommands admin_commands(app, arguments.flags.admin);
  app.set_version_flag("--version", "mcplb " MCPLB_VERSION, "print the version");
  const auto* schema_it = app.add_subcommand("schema", "print the JSON Schema of the file");
  const auto* version_it = app.add_subcommand("version", "print the version");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? exit_fine : exit_usage;
  }
  const bool has_sources = !arguments.files.empty() || !arguments.backends.empty();
  const bool asks_admin = admin_commands.given();
  if (has_sources && (*version_it || *schema_it || *demo_it || asks_admin)) {
    std::fprintf(stderr, "-c and --backend are for run and check\n");
    return exit_usage;
  }
  if (asks_admin) return admin_commands.run();
  if (*version_it) {
    print("mcplb " MCPLB_VERSION "\n");
    return exit_fine;
  }
  if (*schema_it) {
    print(config::json_schema());
    return exit_fine;
  }
  if (*check_it) return check(arguments);
  if (*demo_it) return run_demo(arguments);
  return run(arguments);
}

}  // namespace mcplb
