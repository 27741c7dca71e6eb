#include <netdb.h>
#include <uv.h>

#include <map>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/net/dns.hpp"
#include "mcplb/net/tcp.hpp"

namespace mcplb::net {
namespace {

// libuv's request outlives a waiter that gave up: it is freed in its own callback.
struct Lookup {
  uv_getaddrinfo_t request{};
  class LookupAwaiter* waiter = nullptr;
};

class LookupAwaiter final : private Timer {
 public:
  LookupAwaiter(Loop& loop, const std::string& host, Deadline deadline)
      : loop_(loop), host_(host), deadline_(deadline) {}
  ~LookupAwaiter() override { forget(); }
  LookupAwaiter(const LookupAwaiter&) = delete;
  LookupAwaiter& operator=(const LookupAwaiter&) = delete;

  bool await_ready() {
    auto lookup = std::make_unique<Lookup>();
    lookup->request.data = lookup.get();
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    status_ = uv_getaddrinfo(loop_.raw(), &lookup->request, &on_done, host_.c_str(), nullptr,
                             &hints);
    if (status_ != 0) return true;
    lookup_ = lookup.release();
    lookup_->waiter = this;
    return false;
  }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    loop_.timers().arm(*this, deadline_);
  }
  Result<std::vector<Address>> await_resume() {
    if (status_ == 0 && !addresses_.empty()) return std::move(addresses_);
    return Error{Error::Kind::unreachable, Error::Side::backend, -status_,
                 "name cannot be resolved"};
  }

 private:
  static void on_done(uv_getaddrinfo_t* request, int status, addrinfo* found) {
    const std::unique_ptr<Lookup> lookup(static_cast<Lookup*>(request->data));
    LookupAwaiter* const self = lookup->waiter;
    if (self != nullptr) {
      for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
        if (self->addresses_.size() == limits::addresses_max) break;
        self->addresses_.emplace_back(at->ai_addr, at->ai_addrlen);
      }
    }
    uv_freeaddrinfo(found);
    if (self == nullptr) return;
    self->lookup_ = nullptr;
    self->finish(status);
  }
  void on_timer() override { finish(UV_ETIMEDOUT); }
  void finish(int status) {
    forget();
    disarm();
    status_ = status;
    waiting_.resume();
  }
  void forget() {
    if (lookup_ == nullptr) return;
    lookup_->waiter = nullptr;
    // One that is still queued ends with UV_ECANCELED; on_done() frees it either way.
    uv_cancel(reinterpret_cast<uv_req_t*>(&std::exchange(lookup_, nullptr)->request));
  }

  Loop& loop_;
  std::string host_;
  Deadline deadline_;
  Lookup* lookup_ = nullptr;  // owned by libuv while it runs
  int status_ = 0;
  std::vector<Address> addresses_;
  std::coroutine_handle<> waiting_;
};

void set_port(std::vector<Address>& addresses, std::uint16_t port) {
  for (Address& address : addresses) {
    auto with_port = Address::from_ip(address.ip_text(), port);
    if (with_port) address = *with_port;
  }
}

}  // namespace

struct Resolver::State {
  struct Entry {
    std::vector<Address> addresses;
    TimePoint asked_at = 0;
  };
  Loop& loop;
  std::unique_ptr<DnsClient> dns;  // null: the system is asked
  std::map<std::string, Entry> cache;
};

namespace {

Task<Result<std::vector<Address>>> ask_system(Loop& loop, std::string host, Deadline deadline) {
  LookupAwaiter awaiter(loop, host, deadline);
  auto found = co_await awaiter;
  co_return found;
}

Task<Result<std::vector<Address>>> ask_dns(DnsClient& dns, std::string host, Deadline deadline) {
  auto answer = co_await dns.addresses(std::move(host), deadline);
  std::vector<Address> addresses;
  if (answer) {
    for (const DnsEndpoint& endpoint : answer->endpoints) addresses.push_back(endpoint.address);
    if (addresses.size() > limits::addresses_max) addresses.resize(limits::addresses_max);
  }
  if (!addresses.empty()) co_return addresses;
  co_return Error{Error::Kind::unreachable, Error::Side::backend, 0, "name cannot be resolved"};
}

}  // namespace

Resolver::Resolver(Loop& loop, const ResolverSettings& settings)
    : state_(new State{loop, nullptr, {}}) {
  if (!settings.servers.empty()) state_->dns = std::make_unique<DnsClient>(loop, settings);
}
Resolver::~Resolver() = default;

Task<Result<std::vector<Address>>> Resolver::resolve(std::string host, std::uint16_t port,
                                                     Deadline deadline) {
  auto literal = Address::from_ip(host, port);
  if (literal) co_return std::vector<Address>(1, *literal);
  State& state = *state_;
  const auto known = state.cache.find(host);
  const TimePoint now = state.loop.now();
  if (known != state.cache.end() &&
      now - known->second.asked_at < limits::resolver_cache.count()) {
    std::vector<Address> addresses = known->second.addresses;
    set_port(addresses, port);
    co_return addresses;
  }
  Task<Result<std::vector<Address>>> asking =
      state.dns ? ask_dns(*state.dns, host, deadline) : ask_system(state.loop, host, deadline);
  auto found = co_await asking;
  if (!found) co_return found.error();
  if (state.cache.size() >= limits::resolver_cache_entries_max) state.cache.clear();
  State::Entry& entry = state.cache[host];
  entry.addresses = *found;
  entry.asked_at = now;
  set_port(*found, port);
  co_return found;
}

}  // namespace mcplb::net
