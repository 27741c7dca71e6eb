#include "cli_admin.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <utility>

#include "admin_client.hpp"
#include "cli_tables.hpp"
#include "mcplb/admin/settings.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"

namespace mcplb {
namespace {

constexpr int exit_fine = 0;
constexpr int exit_failed = 1;
constexpr int exit_usage = 2;

using Json = nlohmann::json;

// Of an answer that is not 200: its "message", else its "error".
std::string reason_in(const Json& body) {
  for (const char* name : {"message", "error"}) {
    if (!body.is_object() || !body.contains(name) || !body[name].is_string()) continue;
    return escaped(body[name].get_ref<const std::string&>());
  }
  return "";
}

std::string what_to_check(const Error& error) {
  switch (error.kind) {
    case Error::Kind::refused: return "nothing listens there: is mcplb running?";
    case Error::Kind::unreachable: return "no such host, or no way there";
    case Error::Kind::timeout: return "no answer in time";
    case Error::Kind::malformed: return "what answers there does not speak HTTP";
    default: return error.what;
  }
}

std::string what_to_check(int status, const Json& body) {
  const std::string reason = reason_in(body);
  if (status == 401) return "it wants a token: give admin.token with MCPLB_ADMIN_TOKEN or --token";
  if (reason.empty()) return "it answers " + std::to_string(status) + ", not as mcplb would";
  return reason + " (" + std::to_string(status) + ")";
}

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

AdminCommands::AdminCommands(CLI::App& app, std::string& admin) : admin_(admin) {
  auto& sessions = add(app, "sessions", "list the sessions of a running instance");
  sessions.add_option("--pool", pool_, "only this pool's");
  sessions.add_option("--limit", limit_, "at most so many")
      ->check(CLI::Range(std::size_t{1}, limits::admin_page_max));
  sessions.add_option("--after", after_, "go on where a list has ended");
  auto& session = add(app, "session", "show one session of a running instance");
  session.add_option("ID", id_, "the session's id, as its client knows it")->required();
  session.add_option("--pool", pool_, "only of this pool");
  sessions_ = &sessions;
  session_ = &session;
}

CLI::App& AdminCommands::add(CLI::App& app, const char* name, const char* what) {
  CLI::App& command = *app.add_subcommand(name, what);
  command.add_option("--admin", admin_, "admin address of the instance (127.0.0.1:9180)");
  command.add_option("--token", token_, "its admin.token; others can see a command line")
      ->envname("MCPLB_ADMIN_TOKEN");
  command.add_flag("--json", json_, "print what the admin API answers");
  return command;
}

bool AdminCommands::given() const { return sessions_->parsed() || session_->parsed(); }

int AdminCommands::run() const { return sessions_->parsed() ? run_sessions() : run_session(); }

int AdminCommands::run_sessions() const {
  std::string target = "/api/sessions?limit=" + std::to_string(limit_);
  if (!pool_.empty()) target += "&pool=" + percent_encoded(pool_);
  if (!after_.empty()) target += "&after=" + percent_encoded(after_);
  return ask("sessions", std::move(target), sessions_table);
}

int AdminCommands::run_session() const {
  std::string target = "/api/cluster/sessions/" + percent_encoded(id_);
  if (!pool_.empty()) target += "?pool=" + percent_encoded(pool_);
  return ask("the session", std::move(target), session_table);
}

// `what` names the question in messages: its target may hold a whole session id.
int AdminCommands::ask(const char* what, std::string target, Render render) const {
  const std::string where = admin_.empty() ? admin::Settings().address : admin_;
  const auto address = parse_admin_address(where);
  if (!address) {
    std::fprintf(stderr, "--admin: %s is not HOST:PORT\n", escaped(where).c_str());
    return exit_usage;
  }
  if (!is_visible(token_)) {
    std::fprintf(stderr, "the token (--token, MCPLB_ADMIN_TOKEN) has characters that none has\n");
    return exit_usage;
  }
  const auto fail = [&](const std::string& check) {
    std::fprintf(stderr, "asked the admin API at %s for %s: %s\n", where.c_str(), what,
                 check.c_str());
    const char* const hint = "--admin has to name the instance's admin.address";
    if (check.find("token") == std::string::npos) std::fprintf(stderr, "%s\n", hint);
    return exit_failed;
  };
  const auto reply = ask_admin(*address, {http::Method::get, std::move(target), token_});
  if (!reply) return fail(what_to_check(reply.error()));
  const Json body = Json::parse(reply->body, nullptr, false);
  const bool understood = body.is_object();
  if (json_ && understood) std::fwrite(reply->body.data(), 1, reply->body.size(), stdout);
  if (reply->status != 200 || !understood) return fail(what_to_check(reply->status, body));
  if (json_) return exit_fine;
  const std::string text = render(body);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return exit_fine;
}

}  // namespace mcplb
