#include "admin_client.hpp"

#include <memory>
#include <utility>

#include "mcplb/async/nursery.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/tcp.hpp"

namespace mcplb {
namespace {

using Connected = Result<std::unique_ptr<net::Stream>>;
using Answered = Result<wire::CallReply>;

// What one question needs; outlives its flow.
struct Asking {
  const AdminAddress& address;
  const AdminQuestion& question;
  net::Loop loop{limits::buffer_block_bytes};
  net::Resolver resolver{loop};
  std::optional<Answered> answer = {};
};

std::string host_field(const AdminAddress& address) {
  if (address.host.empty()) return "localhost";
  const bool v6 = address.host.find(':') != std::string::npos;
  const std::string host = v6 ? "[" + address.host + "]" : address.host;
  return host + ":" + std::to_string(address.port);
}

std::string to_bytes(const Asking& asking) {
  const std::string& token = asking.question.token;
  wire::CallRequest request;
  request.method = asking.question.method;
  request.target = asking.question.target;
  request.fields.push_back({"Host", host_field(asking.address)});
  request.fields.push_back({"Accept", "application/json"});
  request.fields.push_back({"Authorization", token.empty() ? "" : "Bearer " + token});
  if (request.method != http::Method::get) {
    request.fields.push_back({"Content-Type", "application/json"});
    request.body = "{}";
  }
  return wire::to_bytes(request);
}

Task<Connected> connect(Asking& asking, Deadline deadline) {
  const AdminAddress& address = asking.address;
  if (address.unix_path.empty()) {
    std::string host = address.host;
    co_return co_await net::connect_host(asking.loop, asking.resolver, std::move(host),
                                         address.port, deadline);
  }
  auto path = net::Address::from_unix_path(address.unix_path);
  if (!path) co_return path.error();
  co_return co_await net::connect(asking.loop, *path, deadline);
}

Task<Answered> ask(Asking& asking, Deadline deadline) {
  auto stream = co_await connect(asking, deadline);
  if (!stream) co_return stream.error();
  std::string bytes = to_bytes(asking);
  co_return co_await wire::call(**stream, std::move(bytes), asking.question.method,
                                limits::admin_reply_bytes_max, deadline);
}

Task<void> flow(Asking& asking) {
  const Deadline deadline = asking.loop.timers().in(limits::admin_call);
  auto answer = co_await ask(asking, deadline);
  asking.answer.emplace(std::move(answer));
  asking.loop.stop();
}

Task<void> pause_flow(net::Loop& loop, milliseconds time) {
  const Deadline end = loop.timers().in(time);
  co_await loop.timers().sleep(end);
  loop.stop();
}

}  // namespace

std::optional<AdminAddress> parse_admin_address(std::string_view text) {
  AdminAddress address;
  if (text.starts_with("unix:")) {
    address.unix_path = text.substr(5);
    if (address.unix_path.empty()) return std::nullopt;
    return address;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const auto port = parse_decimal(text.substr(colon + 1));
  if (!port || *port == 0 || *port > 65'535) return std::nullopt;
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  const bool is_name = host.find_first_of("[]/@ ") == std::string_view::npos &&
                       (brackets || host.find(':') == std::string_view::npos);
  if (host.empty() || !is_name) return std::nullopt;
  address.host = host;
  address.port = static_cast<std::uint16_t>(*port);
  return address;
}

Result<wire::CallReply> ask_admin(const AdminAddress& address, const AdminQuestion& question) {
  Asking asking{address, question};
  Nursery nursery(asking.loop);
  nursery.spawn(flow(asking));
  asking.loop.run();
  return std::move(*asking.answer);
}

void pause(milliseconds time) {
  net::Loop loop(limits::buffer_block_bytes);
  Nursery nursery(loop);
  nursery.spawn(pause_flow(loop, time));
  loop.run();
}

std::string percent_encoded(std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  static constexpr std::string_view kept = "-._~";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool letter = ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
    if (letter || is_digit(c) || kept.find(c) != std::string_view::npos) {
      encoded += c;
      continue;
    }
    encoded += '%';
    encoded += digits[byte >> 4];
    encoded += digits[byte & 15];
  }
  return encoded;
}

}  // namespace mcplb
