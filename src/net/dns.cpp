#include "mcplb/net/dns.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <coroutine>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/text.hpp"

#include "net/dns_channel.hpp"

namespace mcplb::net {
namespace {

enum class Sought : std::uint8_t { addresses, services };

// What became of all questions of one query.
struct Finding {
  DnsVerdict v4 = DnsVerdict::absent;
  DnsVerdict v6 = DnsVerdict::absent;
  DnsVerdict srv = DnsVerdict::absent;
  std::vector<Address> addresses;  // IPv4 first: an IPv6 that leads nowhere costs a time-out
  std::vector<DnsService> services;
};

class Lookup;

struct Waiter final : ListNode {
  explicit Waiter(Lookup& of) : lookup(of) {}
  Lookup& lookup;
};

// What is asked of c-ares once for everybody who waits for it.
class Query final : public DnsAsker {
 public:
  // `when_answered` is deferred to `loop` after the last answer.
  Query(Loop& loop, Deferred& when_answered) : loop_(loop), when_answered_(when_answered) {}

  int unanswered = 0;
  Finding finding;
  IntrusiveList<Waiter> waiters;

  bool failed() const {
    return finding.v4 == DnsVerdict::failed || finding.v6 == DnsVerdict::failed ||
           finding.srv == DnsVerdict::failed;
  }

 private:
  void on_addresses(int family, DnsVerdict verdict, std::vector<Address> found) override {
    auto& all = finding.addresses;
    (family == AF_INET ? finding.v4 : finding.v6) = verdict;
    all.insert(family == AF_INET ? all.begin() : all.end(), found.begin(), found.end());
    if (--unanswered == 0) loop_.defer(when_answered_);
  }
  void on_services(DnsVerdict verdict, std::vector<DnsService> found) override {
    finding.srv = verdict;
    finding.services = std::move(found);
    if (--unanswered == 0) loop_.defer(when_answered_);
  }

  Loop& loop_;
  Deferred& when_answered_;
};

Error not_answered() {
  return {Error::Kind::unreachable, Error::Side::backend, 0, "DNS does not answer"};
}

}  // namespace

// Queries go away at the turn of the loop after their last answer: c-ares is not left by a flow
// that it woke up.
struct DnsClient::State final : Deferred {
  using Key = std::pair<Sought, std::string>;

  State(Loop& given, ResolverSettings servers) : loop(given), settings(std::move(servers)) {}

  // Null beyond the limit.
  Query* query_for(Key key);
  void ask(Query& query, const Key& key);
  void run_deferred() override;

  Loop& loop;
  ResolverSettings settings;
  std::map<Key, Query> queries;
  bool distrusted = false;  // a query failed: resolv.conf may have changed since it was read
  std::unique_ptr<DnsChannel> channel;  // answers the queries, so it goes before them
};

namespace {

// One flow's wait for one query. Begins at once, so that several can be under way.
class Lookup final : private Timer {
 public:
  Lookup(Loop& loop, Query* query, Deadline deadline) : loop_(loop), deadline_(deadline) {
    if (query == nullptr) {
      outcome_ = Error{Error::Kind::overloaded, Error::Side::self, 0, "too many look-ups"};
    } else {
      query->waiters.push_back(waiter_);
    }
  }
  ~Lookup() override = default;
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  bool await_ready() const { return outcome_.has_value(); }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    loop_.timers().arm(*this, deadline_);
  }
  Result<Finding> await_resume() { return *std::move(outcome_); }

  void answer(const Finding& finding) { outcome_ = finding; }
  // Nobody may be waiting yet.
  void wake() {
    disarm();
    if (waiting_) waiting_.resume();
  }

 private:
  void on_timer() override {
    waiter_.unlink();
    outcome_ = Error{Error::Kind::timeout, Error::Side::backend, 0, "DNS did not answer in time"};
    waiting_.resume();
  }

  Loop& loop_;
  Deadline deadline_;
  std::optional<Result<Finding>> outcome_;
  std::coroutine_handle<> waiting_;
  Waiter waiter_{*this};
};

// Beyond the limit always the same ones are left out, whatever the order of the answer.
template <class T, class Before>
void bound(std::vector<T>& found, Before before) {
  if (found.size() <= limits::dns_records_max) return;
  count_limit_hit(Limit::dns_records);
  std::sort(found.begin(), found.end(), before);
  found.erase(found.begin() + limits::dns_records_max, found.end());
}

// IPv4 first.
bool by_bytes(const Address& a, const Address& b) {
  if (a.family() != b.family()) return a.family() < b.family();
  return std::memcmp(a.get(), b.get(), std::min(a.size(), b.size())) < 0;
}

bool by_target(const DnsService& a, const DnsService& b) {
  return std::tie(a.target, a.port) < std::tie(b.target, b.port);
}

// What the questions after addresses came to, for one name.
Result<DnsAnswer> answer_of(Finding finding) {
  DnsAnswer answer;
  answer.v4_known = finding.v4 != DnsVerdict::failed;
  answer.v6_known = finding.v6 != DnsVerdict::failed;
  // A name that does not exist has no addresses of the other family either.
  const bool exists = finding.v4 != DnsVerdict::unknown && finding.v6 != DnsVerdict::unknown;
  if (!exists) answer.v4_known = answer.v6_known = true;
  const bool complete = answer.v4_known && answer.v6_known;
  if (finding.addresses.empty() && !complete) return not_answered();
  bound(finding.addresses, by_bytes);
  for (const Address& address : finding.addresses) answer.endpoints.push_back({address, 0});
  return answer;
}

// Only those that are to be used before all others; "." says that there is no such service.
std::vector<DnsService> preferred(std::vector<DnsService> services) {
  std::erase_if(services, [](const DnsService& each) {
    return each.target.empty() || each.target == "." || each.port == 0;
  });
  const auto first = std::min_element(
      services.begin(), services.end(),
      [](const DnsService& a, const DnsService& b) { return a.priority < b.priority; });
  if (first == services.end()) return services;
  const std::uint16_t lowest = first->priority;
  std::erase_if(services, [&](const DnsService& each) { return each.priority != lowest; });
  bound(services, by_target);
  return services;
}

Address with_port(const Address& address, std::uint16_t port) {
  sockaddr_storage storage{};
  std::copy_n(reinterpret_cast<const char*>(address.get()), address.size(),
              reinterpret_cast<char*>(&storage));
  if (storage.ss_family == AF_INET) {
    reinterpret_cast<sockaddr_in*>(&storage)->sin_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port = htons(port);
  }
  return {reinterpret_cast<const sockaddr*>(&storage), address.size()};
}

// Adds what is known of one target to the answer for the whole service.
void add_target(DnsAnswer& whole, const DnsService& service, const DnsAnswer& target) {
  whole.v4_known = whole.v4_known && target.v4_known;
  whole.v6_known = whole.v6_known && target.v6_known;
  for (const DnsEndpoint& endpoint : target.endpoints) {
    if (whole.endpoints.size() == limits::dns_records_max) {
      count_limit_hit(Limit::dns_records);
      return;
    }
    whole.endpoints.push_back({with_port(endpoint.address, service.port), service.weight});
  }
}

}  // namespace

Query* DnsClient::State::query_for(Key key) {
  const auto known = queries.find(key);
  if (known != queries.end()) return &known->second;
  if (queries.size() >= limits::dns_queries_max) {
    count_limit_hit(Limit::dns_queries);
    return nullptr;
  }
  if (!channel || (distrusted && queries.empty())) {
    channel.reset();
    channel = std::make_unique<DnsChannel>(loop, settings);
    distrusted = false;
  }
  Query& query = queries.try_emplace(key, loop, *this).first->second;
  ask(query, key);
  return &query;
}

void DnsClient::State::ask(Query& query, const Key& key) {
  const auto& [sought, name] = key;
  if (sought == Sought::services) {
    query.unanswered = 1;
    channel->ask_services(name, query);
    return;
  }
  query.finding.addresses = channel->in_hosts_file(name);
  if (!query.finding.addresses.empty()) {
    loop.defer(*this);
    return;
  }
  query.unanswered = 2;
  channel->ask_addresses(name, AF_INET, query);
  channel->ask_addresses(name, AF_INET6, query);
}

// May be destroyed by the first flow that it wakes.
void DnsClient::State::run_deferred() {
  IntrusiveList<Waiter> due;
  for (auto at = queries.begin(); at != queries.end();) {
    Query& query = at->second;
    if (query.unanswered > 0) {
      ++at;
      continue;
    }
    distrusted = distrusted || query.failed();
    query.waiters.for_each([&](Waiter& waiter) { waiter.lookup.answer(query.finding); });
    due.splice(query.waiters);
    at = queries.erase(at);
  }
  while (!due.empty()) {
    Waiter& waiter = due.front();
    waiter.unlink();
    waiter.lookup.wake();
  }
}

DnsClient::DnsClient(Loop& loop, const ResolverSettings& settings)
    : state_(std::make_unique<State>(loop, settings)) {}
DnsClient::~DnsClient() = default;

Task<Result<DnsAnswer>> DnsClient::addresses(std::string name, Deadline deadline) {
  State& state = *state_;
  state.loop.assert_here();
  Query* const query = state.query_for({Sought::addresses, to_lower(name)});
  Lookup lookup(state.loop, query, deadline);
  auto finding = co_await lookup;
  if (!finding) co_return finding.error();
  co_return answer_of(*std::move(finding));
}

Task<Result<DnsAnswer>> DnsClient::services(std::string name, Deadline deadline) {
  State& state = *state_;
  state.loop.assert_here();
  Query* const query = state.query_for({Sought::services, to_lower(name)});
  Lookup asking(state.loop, query, deadline);
  auto finding = co_await asking;
  if (!finding) co_return finding.error();
  if (finding->srv == DnsVerdict::failed) co_return not_answered();
  const std::vector<DnsService> targets = preferred(std::move(finding->services));
  DnsAnswer whole;
  std::deque<Lookup> ahead;  // a deque does not move what it holds
  for (std::size_t begun = 0, done = 0; done < targets.size(); ++done) {
    while (begun < targets.size() && ahead.size() < limits::dns_targets_at_once) {
      const State::Key key{Sought::addresses, to_lower(targets[begun].target)};
      ahead.emplace_back(state.loop, state.query_for(key), deadline);
      ++begun;
    }
    Lookup& next = ahead.front();
    auto found = co_await next;
    ahead.pop_front();
    if (!found) co_return found.error();
    auto target = answer_of(*std::move(found));
    if (!target) co_return target.error();
    add_target(whole, targets[done], *target);
  }
  co_return whole;
}

}  // namespace mcplb::net
