#include "cli_ask.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "admin_client.hpp"
#include "mcplb/admin/settings.hpp"
#include "mcplb/base/text.hpp"

namespace mcplb {
namespace {

using Json = nlohmann::json;

// Of an answer that is not 2xx: its "message", else its "error", else the "status" of a probe.
std::string reason_in(const Json& body) {
  for (const char* name : {"message", "error", "status"}) {
    if (!body.is_object() || !body.contains(name) || !body[name].is_string()) continue;
    return escaped(body[name].get_ref<const std::string&>(), 1024);
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

CliAnswer AdminAccess::ask(const CliQuestion& question) const { return ask(question, json); }

CliAnswer AdminAccess::ask(const CliQuestion& question, bool print_json) const {
  const std::string where = admin.empty() ? admin::Settings().address : admin;
  const auto address = parse_admin_address(where);
  if (!address) {
    std::fprintf(stderr, "--admin: %s is not HOST:PORT\n", escaped(where).c_str());
    return {exit_usage, {}};
  }
  if (!is_visible(token)) {
    std::fprintf(stderr, "the token (--token, MCPLB_ADMIN_TOKEN) has characters that none has\n");
    return {exit_usage, {}};
  }
  const auto fail = [&](const std::string& check, bool not_ours) {
    std::fprintf(stderr, "asked the admin API at %s for %s: %s\n", where.c_str(),
                 question.what.c_str(), check.c_str());
    const char* const hint = "--admin has to name the instance's admin.address";
    if (not_ours) std::fprintf(stderr, "%s\n", hint);
    return CliAnswer{exit_failed, {}};
  };
  const auto reply = ask_admin(*address, {question.method, question.target, token});
  if (!reply) return fail(what_to_check(reply.error()), true);
  CliAnswer answer{exit_fine, Json::parse(reply->body, nullptr, false)};
  const bool understood = answer.body.is_object();
  if (print_json && understood) std::fwrite(reply->body.data(), 1, reply->body.size(), stdout);
  const bool good = reply->status >= 200 && reply->status < 300;
  if (!good || !understood) {
    return fail(what_to_check(reply->status, answer.body), reason_in(answer.body).empty());
  }
  return answer;
}

BackendName parse_backend_name(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return {"", text};
  return {text.substr(0, slash), text.substr(slash + 1)};
}

}  // namespace mcplb
