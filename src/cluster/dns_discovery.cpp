#include "mcplb/cluster/dns_discovery.hpp"

#include <algorithm>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/log.hpp"
#include "mcplb/base/random.hpp"

namespace mcplb::cluster {
namespace {

// A DNS server that is just starting, or a deployment that is just being replaced, knows no
// replica for a moment. Losing all of them waits for a second opinion.
constexpr int empty_answers_believed = 2;

// Balancers that started together must not ask together: ±10 %.
milliseconds jittered(milliseconds refresh) {
  const auto spread = static_cast<std::uint64_t>(std::max<std::int64_t>(refresh.count() / 5, 1));
  return refresh - refresh / 10 + milliseconds(random64() % spread);
}

// HAProxy and others take such names for SRV records, too: host names have no underscore there.
bool asks_for_services(const std::string& host) {
  return host.starts_with('_');
}

// Certificates are for the service's own name: "_http._tcp.mcp.example" is that of mcp.example.
std::string without_service(const std::string& host) {
  std::string_view rest = host;
  while (rest.starts_with('_') && rest.find('.') != std::string_view::npos) {
    rest.remove_prefix(rest.find('.') + 1);
  }
  return std::string(rest);
}

bool is_v6(const BackendSettings& backend) {
  return backend.host.find(':') != std::string::npos;
}

bool by_id(const BackendSettings& a, const BackendSettings& b) {
  return a.id < b.id;
}

bool same_id(const BackendSettings& a, const BackendSettings& b) {
  return a.id == b.id;
}

bool same_backend(const BackendSettings& a, const BackendSettings& b) {
  return a.id == b.id && a.weight == b.weight;
}

// How many of `some` are not among `others`; both are sorted.
std::size_t missing(const std::vector<BackendSettings>& some,
                    const std::vector<BackendSettings>& others) {
  return static_cast<std::size_t>(
      std::count_if(some.begin(), some.end(), [&](const BackendSettings& each) {
        return !std::binary_search(others.begin(), others.end(), each, by_id);
      }));
}

}  // namespace

DnsDiscovery::DnsDiscovery(net::Timers& timers, net::Dns& dns, std::string pool,
                           DnsSettings settings, OnChange on_change)
    : timers_(timers),
      dns_(dns),
      pool_(std::move(pool)),
      settings_(std::move(settings)),
      on_change_(std::move(on_change)) {}

Task<void> DnsDiscovery::run() {
  while (true) {
    auto answer = co_await look_up();
    note(answer);
    const Deadline next = timers_.in(jittered(settings_.refresh));
    co_await timers_.sleep(next);
  }
}

Task<Result<net::DnsAnswer>> DnsDiscovery::look_up() {
  const Deadline deadline = timers_.in(limits::dns_refresh);
  if (asks_for_services(settings_.host)) {
    co_return co_await dns_.services(settings_.host, deadline);
  }
  co_return co_await dns_.addresses(settings_.host, deadline);
}

void DnsDiscovery::note(const Result<net::DnsAnswer>& answer) {
  if (!answer) return note_failure(answer.error());
  if (std::exchange(failing_, false)) {
    log::event(LogLevel::info, "dns_recovered", "pool", pool_, "name", settings_.host);
  }
  std::vector<BackendSettings> now = backends_of(*answer);
  if (!believes(now.empty())) return;
  const bool same =
      std::equal(now.begin(), now.end(), known_.begin(), known_.end(), same_backend);
  if (std::exchange(told_, true) && same) return;
  if (!same) {
    log::event(LogLevel::info, "dns_changed", "pool", pool_, "name", settings_.host, "added",
               missing(now, known_), "removed", missing(known_, now), "backends", now.size());
  }
  known_ = std::move(now);
  on_change_(known_);
}

void DnsDiscovery::note_failure(const Error& error) {
  empty_answers_ = 0;
  if (std::exchange(failing_, true)) return;
  log::event(LogLevel::warn, "dns_failed", "pool", pool_, "name", settings_.host, "reason",
             error.what, "backends_kept", known_.size());
}

// Whether an answer counts. An empty one is told when it is the first of its kind.
bool DnsDiscovery::believes(bool empty) {
  if (!empty) {
    empty_answers_ = 0;
    return true;
  }
  empty_answers_ = std::min(empty_answers_ + 1, empty_answers_believed);
  if (empty_answers_ == empty_answers_believed) return true;
  log::event(LogLevel::warn, "dns_empty", "pool", pool_, "name", settings_.host, "reason",
             "the name has no addresses", "backends_kept", known_.size());
  return false;
}

std::vector<BackendSettings> DnsDiscovery::backends_of(const net::DnsAnswer& answer) const {
  std::vector<BackendSettings> backends;
  for (const net::DnsEndpoint& endpoint : answer.endpoints) {
    backends.push_back(backend_at(endpoint));
  }
  // Nobody has said that those of a family without an answer are gone.
  for (const BackendSettings& backend : known_) {
    if (is_v6(backend) ? !answer.v6_known : !answer.v4_known) backends.push_back(backend);
  }
  std::stable_sort(backends.begin(), backends.end(), by_id);
  backends.erase(std::unique(backends.begin(), backends.end(), same_id), backends.end());
  return backends;
}

BackendSettings DnsDiscovery::backend_at(const net::DnsEndpoint& endpoint) const {
  const bool from_service = asks_for_services(settings_.host);
  const std::uint16_t port = from_service ? endpoint.address.port() : settings_.port;
  BackendSettings backend;
  backend.host = endpoint.address.ip_text();
  const bool v6 = is_v6(backend);
  backend.id = (v6 ? '[' + backend.host + ']' : backend.host) + ':' + std::to_string(port);
  backend.port = port;
  backend.weight = settings_.weight;
  if (from_service) {
    backend.weight = std::clamp<std::uint32_t>(endpoint.weight, 1, limits::weight_max);
  }
  backend.https = settings_.https;
  backend.tls = settings_.tls;
  backend.tls_name = without_service(settings_.host);
  return backend;
}

}  // namespace mcplb::cluster
