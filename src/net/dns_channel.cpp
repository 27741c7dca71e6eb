#include "net/dns_channel.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/time.h>
#include <uv.h>

#include <algorithm>
#include <utility>

#include "mcplb/base/limits.hpp"

namespace mcplb::net {
namespace {

constexpr int class_in = 1;
constexpr int type_srv = 33;

DnsVerdict verdict_of(int status) {
  switch (status) {
    case ARES_SUCCESS: return DnsVerdict::found;
    case ARES_ENODATA: return DnsVerdict::absent;
    case ARES_ENOTFOUND: return DnsVerdict::unknown;
    default: return DnsVerdict::failed;
  }
}

// c-ares wants to be told before its first use, once in a process.
bool library_is_ready() {
  static const int status = ares_library_init(ARES_LIB_INIT_ALL);
  return status == ARES_SUCCESS;
}

// One question on its way through c-ares; freed in the callback that answers it.
struct Asked {
  DnsAsker& asker;
  int family;
};

std::vector<Address> addresses_in(const ares_addrinfo& found) {
  std::vector<Address> addresses;
  for (const ares_addrinfo_node* node = found.nodes; node != nullptr; node = node->ai_next) {
    addresses.emplace_back(node->ai_addr, static_cast<socklen_t>(node->ai_addrlen));
  }
  return addresses;
}

void on_addrinfo(void* context, int status, int /*timeouts*/, ares_addrinfo* found) {
  const std::unique_ptr<Asked> asked(static_cast<Asked*>(context));
  std::vector<Address> addresses;
  if (found != nullptr) addresses = addresses_in(*found);
  if (found != nullptr) ares_freeaddrinfo(found);
  DnsVerdict verdict = verdict_of(status);
  if (verdict == DnsVerdict::found && addresses.empty()) verdict = DnsVerdict::absent;
  asked->asker.on_addresses(asked->family, verdict, std::move(addresses));
}

std::vector<DnsService> services_in(const ares_srv_reply* found) {
  std::vector<DnsService> services;
  for (const ares_srv_reply* each = found; each != nullptr; each = each->next) {
    services.push_back({each->host, each->port, each->priority, each->weight});
  }
  return services;
}

void on_srv(void* context, int status, int /*timeouts*/, unsigned char* bytes, int size) {
  const std::unique_ptr<Asked> asked(static_cast<Asked*>(context));
  ares_srv_reply* found = nullptr;
  if (status == ARES_SUCCESS) status = ares_parse_srv_reply(bytes, size, &found);
  std::vector<DnsService> services = services_in(found);
  if (found != nullptr) ares_free_data(found);
  DnsVerdict verdict = verdict_of(status);
  if (verdict == DnsVerdict::found && services.empty()) verdict = DnsVerdict::absent;
  asked->asker.on_services(verdict, std::move(services));
}

Address address_of(int family, const char* bytes) {
  if (family == AF_INET) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    std::copy_n(bytes, sizeof v4.sin_addr, reinterpret_cast<char*>(&v4.sin_addr));
    return {reinterpret_cast<const sockaddr*>(&v4), sizeof v4};
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  std::copy_n(bytes, sizeof v6.sin6_addr, reinterpret_cast<char*>(&v6.sin6_addr));
  return {reinterpret_cast<const sockaddr*>(&v6), sizeof v6};
}

std::string joined(const std::vector<std::string>& servers) {
  std::string out;
  for (const std::string& server : servers) {
    if (!out.empty()) out += ',';
    out += server;
  }
  return out;
}

}  // namespace

// libuv's watch on one of c-ares' sockets.
struct DnsChannel::Watch {
  uv_poll_t poll{};
  DnsChannel* channel = nullptr;
  ares_socket_t fd = ARES_SOCKET_BAD;

  static void on_ready(uv_poll_t* poll, int status, int events) {
    const Watch& watch = *static_cast<Watch*>(poll->data);
    DnsChannel& channel = *watch.channel;
    const ares_socket_t fd = watch.fd;
    // An error is found by reading.
    const bool readable = status < 0 || (events & UV_READABLE) != 0;
    const bool writable = (events & UV_WRITABLE) != 0;
    channel.process(readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
  }
};

DnsChannel::DnsChannel(Loop& loop, const ResolverSettings& settings) : loop_(loop) {
  if (!library_is_ready()) return;
  ares_options options{};
  options.timeout = static_cast<int>(limits::dns_turn.count());
  options.tries = limits::dns_rounds;
  options.sock_state_cb = &on_socket;
  options.sock_state_cb_data = this;
  const int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
  if (ares_init_options(&channel_, &options, mask) != ARES_SUCCESS) {
    channel_ = nullptr;
    return;
  }
  if (settings.servers.empty()) return;
  const std::string servers = joined(settings.servers);
  if (ares_set_servers_ports_csv(channel_, servers.c_str()) == ARES_SUCCESS) return;
  // Asking others than the operator named would be worse than asking nobody.
  ares_destroy(channel_);
  channel_ = nullptr;
}

DnsChannel::~DnsChannel() {
  // Answers what is still asked, and closes the sockets, so that on_socket() ends the watches.
  if (channel_ != nullptr) ares_destroy(channel_);
}

std::vector<Address> DnsChannel::in_hosts_file(const std::string& name) const {
  std::vector<Address> addresses;
  if (channel_ == nullptr) return addresses;
  for (const int family : {AF_INET, AF_INET6}) {
    hostent* found = nullptr;
    if (ares_gethostbyname_file(channel_, name.c_str(), family, &found) != ARES_SUCCESS) continue;
    for (char** each = found->h_addr_list; *each != nullptr; ++each) {
      addresses.push_back(address_of(found->h_addrtype, *each));
    }
    ares_free_hostent(found);
  }
  return addresses;
}

void DnsChannel::ask_addresses(const std::string& name, int family, DnsAsker& asker) {
  if (channel_ == nullptr) return asker.on_addresses(family, DnsVerdict::failed, {});
  ares_addrinfo_hints hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NOSORT;  // sorting opens a socket for each address
  auto asked = std::make_unique<Asked>(Asked{asker, family});
  ares_getaddrinfo(channel_, name.c_str(), nullptr, &hints, &on_addrinfo, asked.release());
  wait_on();
}

void DnsChannel::ask_services(const std::string& name, DnsAsker& asker) {
  if (channel_ == nullptr) return asker.on_services(DnsVerdict::failed, {});
  auto asked = std::make_unique<Asked>(Asked{asker, AF_UNSPEC});
  // Without search domains: ares_search() takes one domain's "no such name" for the whole answer,
  // although another domain's server has failed.
  ares_query(channel_, name.c_str(), class_in, type_srv, &on_srv, asked.release());
  wait_on();
}

void DnsChannel::on_socket(void* self, ares_socket_t fd, int readable, int writable) {
  const int events = (readable != 0 ? UV_READABLE : 0) | (writable != 0 ? UV_WRITABLE : 0);
  static_cast<DnsChannel*>(self)->watch(fd, events);
}

void DnsChannel::watch(ares_socket_t fd, int events) {
  const auto known = watches_.find(fd);
  if (events == 0) {
    if (known == watches_.end()) return;
    // c-ares closes the socket next: the watch is stopped now, and freed when libuv is done.
    const auto free = [](uv_handle_t* poll) { delete static_cast<Watch*>(poll->data); };
    uv_poll_stop(&known->second->poll);
    uv_close(reinterpret_cast<uv_handle_t*>(&known->second->poll), free);
    watches_.erase(known);
    return;
  }
  if (known != watches_.end()) {
    uv_poll_start(&known->second->poll, events, &Watch::on_ready);
    return;
  }
  auto fresh = std::make_unique<Watch>();
  fresh->channel = this;
  fresh->fd = fd;
  fresh->poll.data = fresh.get();
  // Without a watch the query ends with its time-out.
  if (uv_poll_init(loop_.raw(), &fresh->poll, fd) != 0) return;
  uv_poll_start(&fresh->poll, events, &Watch::on_ready);
  watches_[fd] = fresh.release();
}

void DnsChannel::process(ares_socket_t readable, ares_socket_t writable) {
  ares_process_fd(channel_, readable, writable);
  wait_on();
}

void DnsChannel::on_timer() { process(ARES_SOCKET_BAD, ARES_SOCKET_BAD); }

void DnsChannel::wait_on() {
  timeval left{};
  if (ares_timeout(channel_, nullptr, &left) == nullptr) return disarm();
  // Rounded up: c-ares has a clock of its own and finds nothing to do a moment too early.
  const auto wait = static_cast<std::int64_t>(left.tv_sec) * 1000 + left.tv_usec / 1000 + 1;
  loop_.timers().arm(*this, loop_.timers().in(milliseconds(wait)));
}

}  // namespace mcplb::net
