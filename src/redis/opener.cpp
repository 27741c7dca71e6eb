#include "redis/opener.hpp"

#include <algorithm>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"

#include "redis/codec.hpp"

namespace mcplb::redis {
namespace {

Error wrong_configuration(const char* what) {
  return {Error::Kind::config, Error::Side::self, 0, what};
}
Error not_usable(const char* what) {
  return {Error::Kind::unreachable, Error::Side::self, 0, what};
}

bool has_code(const Reply& reply, std::initializer_list<std::string_view> codes) {
  const std::string_view code = reply.error_code();
  return !code.empty() && std::find(codes.begin(), codes.end(), code) != codes.end();
}

// Codes are upper case letters; anything else is not repeated, because some servers quote what
// they were sent, and that may be a password.
std::string loggable(std::string_view code) {
  const bool plain = code.size() <= 32 && std::all_of(code.begin(), code.end(), [](char c) {
    return c >= 'A' && c <= 'Z';
  });
  return plain ? std::string(code) : "?";
}

}  // namespace

bool is_cluster_error(const Reply& reply) {
  return has_code(reply, {"MOVED", "ASK", "CLUSTERDOWN", "CROSSSLOT"});
}

bool is_passing_error(const Reply& reply) {
  return has_code(reply, {"READONLY", "LOADING", "MASTERDOWN"});
}

Error cluster_refused() {
  return wrong_configuration(
      "Redis Cluster is not supported: use a single server, or a replicated one behind Sentinel");
}

Task<Result<std::unique_ptr<net::Stream>>> Opener::open() {
  error_code_.clear();
  if (!settings_.url.master.empty()) co_return co_await open_by_sentinels();
  co_return co_await open_server(settings_.url.endpoints.front());
}

Task<Result<std::unique_ptr<net::Stream>>> Opener::open_by_sentinels() {
  const auto& sentinels = settings_.url.endpoints;
  Error last = not_usable("no sentinel answers");
  for (std::size_t i = 0; i < sentinels.size(); ++i) {
    const std::size_t index = (first_sentinel_ + i) % sentinels.size();
    const Endpoint& sentinel = sentinels.at(index);
    auto master = co_await ask_sentinel(sentinel);
    if (!master) {
      last = master.error();
      continue;
    }
    auto stream = co_await open_server(std::move(*master));
    if (stream) {
      first_sentinel_ = index;
      co_return stream;
    }
    last = stream.error();
  }
  co_return last;
}

Task<Result<Endpoint>> Opener::ask_sentinel(Endpoint sentinel) {
  server_ = sentinel.text();
  const Deadline deadline = timers_.in(limits::redis_connect);
  auto stream = co_await connector_.connect(std::move(sentinel), deadline);
  if (!stream) co_return stream.error();
  const Command question({"SENTINEL", "get-master-addr-by-name", settings_.url.master});
  auto reply = co_await ask(**stream, question, deadline);
  const bool wants_password = reply && has_code(*reply, {"NOAUTH"});
  if (wants_password) {
    // The sentinels of an installation have its password or none.
    auto logged_in = co_await log_in(**stream, deadline);
    if (!logged_in) co_return logged_in.error();
    auto second = co_await ask(**stream, question, deadline);
    reply = std::move(second);
  }
  if (!reply) co_return reply.error();
  if (reply->is_error()) co_return not_usable("the sentinel refuses the question");
  if (reply->is_nil()) co_return wrong_configuration("the sentinel knows no master of that name");
  const bool is_address = reply->elements.size() == 2 && reply->elements[0].is_text();
  const auto port = is_address ? parse_decimal(reply->elements[1].text) : std::nullopt;
  if (!port || *port == 0 || *port > 65535) co_return not_usable("the sentinel names no address");
  Endpoint master;
  master.host = reply->elements[0].text;
  master.port = static_cast<std::uint16_t>(*port);
  co_return master;
}

Task<Result<std::unique_ptr<net::Stream>>> Opener::open_server(Endpoint endpoint) {
  server_ = endpoint.text();
  const Deadline deadline = timers_.in(limits::redis_connect);
  auto stream = co_await connector_.connect(std::move(endpoint), deadline);
  if (!stream) co_return stream.error();
  auto logged_in = co_await log_in(**stream, deadline);
  if (!logged_in) co_return logged_in.error();
  auto ready = co_await check_is_ready(**stream, deadline);
  if (!ready) co_return ready.error();
  auto single = co_await refuse_cluster(**stream, deadline);
  if (!single) co_return single.error();
  if (!settings_.url.master.empty()) {
    auto is_master = co_await check_is_master(**stream, deadline);
    if (!is_master) co_return is_master.error();
  }
  auto selected = co_await select_db(**stream, deadline);
  if (!selected) co_return selected.error();
  error_code_.clear();
  co_return stream;
}

Task<Result<void>> Opener::log_in(net::Stream& stream, Deadline deadline) {
  const Url& url = settings_.url;
  if (url.password.empty()) co_return Result<void>();
  Command command = url.user.empty() ? Command({"AUTH", url.password})
                                     : Command({"AUTH", url.user, url.password});
  auto reply = co_await ask(stream, std::move(command), deadline);
  if (!reply) co_return reply.error();
  if (reply->is_error()) co_return wrong_configuration("the store refuses user or password");
  co_return Result<void>();
}

Task<Result<void>> Opener::check_is_ready(net::Stream& stream, Deadline deadline) {
  const Command ping({"PING"});
  auto reply = co_await ask(stream, ping, deadline);
  if (!reply) co_return reply.error();
  if (has_code(*reply, {"NOAUTH"})) co_return wrong_configuration("the store wants a password");
  if (is_passing_error(*reply)) co_return not_usable("the store is not ready");
  co_return Result<void>();
}

Task<Result<void>> Opener::refuse_cluster(net::Stream& stream, Deadline deadline) {
  const Command question({"INFO", "cluster"});
  auto reply = co_await ask(stream, question, deadline);
  if (!reply) co_return reply.error();
  // A user who may not ask this sees what it is by the answer to the first command.
  if (reply->text.find("cluster_enabled:1") != std::string::npos) co_return cluster_refused();
  co_return Result<void>();
}

Task<Result<void>> Opener::check_is_master(net::Stream& stream, Deadline deadline) {
  const Command question({"ROLE"});
  auto reply = co_await ask(stream, question, deadline);
  if (!reply) co_return reply.error();
  const bool is_master = !reply->elements.empty() && reply->elements.front().text == "master";
  if (!is_master) co_return not_usable("the sentinel's master is none yet");
  co_return Result<void>();
}

Task<Result<void>> Opener::select_db(net::Stream& stream, Deadline deadline) {
  if (settings_.url.db == 0) co_return Result<void>();
  const std::string number = std::to_string(settings_.url.db);
  const Command command({"SELECT", number});
  auto reply = co_await ask(stream, command, deadline);
  if (!reply) co_return reply.error();
  if (reply->is_error()) co_return wrong_configuration("the store has no database of that number");
  co_return Result<void>();
}

Task<Result<Reply>> Opener::ask(net::Stream& stream, Command command, Deadline deadline) {
  error_code_.clear();
  auto written = co_await stream.write(command.bytes(), deadline);
  if (!written) co_return written.error();
  ReplyDecoder decoder;
  while (true) {
    auto more = co_await stream.more(deadline);
    if (!more) co_return more.error();
    decoder.feed(stream.unread());
    stream.consume(stream.unread().size());
    auto reply = decoder.next();
    if (!reply) co_return reply.error();
    if (!*reply) continue;
    if (!decoder.empty()) {
      co_return Error{Error::Kind::malformed, Error::Side::self, 0, "more replies than commands"};
    }
    if ((*reply)->is_error()) error_code_ = loggable((*reply)->error_code());
    co_return std::move(**reply);
  }
}

}  // namespace mcplb::redis
