#include "reload.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "mcplb/base/log.hpp"

namespace mcplb {
namespace {

using Outcome = ReloadAnswer::Outcome;

const std::string from_file = "file";

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (const std::string& part : parts) {
    if (!out.empty()) out += separator;
    out += part;
  }
  return out;
}

ReloadAnswer invalid(const std::vector<config::Problem>& problems) {
  std::vector<std::string> lines;
  for (const config::Problem& problem : problems) lines.push_back(config::to_string(problem));
  return {Outcome::invalid, joined(lines, "\n"), {}};
}

ReloadAnswer refused(const std::vector<config::Differences::Refused>& keys) {
  ReloadAnswer answer{Outcome::refused, "", {}};
  std::vector<std::string> lines;
  for (const config::Differences::Refused& each : keys) {
    answer.keys.push_back(each.key);
    lines.push_back(each.message);
  }
  answer.message = joined(lines, "\n");
  return answer;
}

// All reasons in one line, which the log cuts when there are very many; `mcplb check` shows all.
void log_refusal(std::string reasons) {
  const auto lines = 1 + std::count(reasons.begin(), reasons.end(), '\n');
  std::replace(reasons.begin(), reasons.end(), '\n', ';');
  log::event(LogLevel::error, "reload_refused", "effect", "nothing has changed", "reasons", lines,
             "why", reasons);
}

}  // namespace

ReloadAnswer Reload::run() {
  ReloadAnswer answer = load_and_apply();
  if (answer.outcome == Outcome::done) {
    counts_.applied.add();
    log::event(LogLevel::info, "reload_applied", "changed", joined(answer.keys, ", "));
  } else {
    counts_.refused.add();
    log_refusal(answer.message);
  }
  return answer;
}

ReloadAnswer Reload::load_and_apply() {
  if (!load_) {
    return {Outcome::refused, "there is nothing to reload: this process serves without a file", {}};
  }
  config::Outcome loaded = load_();
  if (!loaded.ok()) return invalid(loaded.problems);
  return take_over(std::move(loaded.loaded.settings));
}

ReloadAnswer Reload::take_over(config::Settings next) {
  const config::Differences against_all = config::differences(running_and_gone(), next);
  if (!against_all.refused.empty()) return refused(against_all.refused);
  ReloadAnswer answer{Outcome::done, "", config::differences(targets_.running, next).keys};
  // The last thing that may fail.
  if (!log::change(next.log)) {
    const std::string why = std::strerror(errno);
    return {Outcome::refused, "log.access: " + next.log.access + " cannot be opened: " + why,
            {"log.access"}};
  }
  apply(std::move(next));
  answer.message = answer.keys.empty() ? "nothing has changed" : "applied";
  return answer;
}

// What a pool was like before it was taken out binds it when it comes back: its sessions may live.
config::Settings Reload::running_and_gone() const {
  config::Settings all = targets_.running;
  all.pools.insert(all.pools.end(), gone_.begin(), gone_.end());
  return all;
}

// What comes is there before requests are led to it; what goes is left before it is taken away.
void Reload::apply(config::Settings next) {
  apply_to_listeners(next);
  targets_.tls.reload_changed();
  for (const config::PoolSettings& pool : next.pools) apply_to_pool(pool);
  hooks_.publish(next);
  for (const config::PoolSettings& pool : targets_.running.pools) {
    if (next.pool(pool.cluster.name) != nullptr) continue;
    targets_.membership.set_source(pool.cluster.name, from_file, {});
  }
  remember_gone(next);
  targets_.running = std::move(next);
}

// Their addresses, number and order are those of the start.
void Reload::apply_to_listeners(const config::Settings& next) {
  for (std::size_t i = 0; i < next.listeners.size(); ++i) {
    const net::TlsServerSettings& tls = next.listeners[i].tls;
    if (tls == targets_.running.listeners[i].tls) continue;
    targets_.listeners[i]->tls->set_settings(tls);
  }
}

void Reload::apply_to_pool(const config::PoolSettings& pool) {
  auto& pools = targets_.shared.pools;
  const std::string& name = pool.cluster.name;
  const auto known = std::find_if(pools.begin(), pools.end(),
                                  [&](const auto& each) { return each->pool.name() == name; });
  const bool is_new = known == pools.end();
  if (is_new) {
    cluster::PoolSettings without_members = pool.cluster;
    without_members.backends.clear();
    pools.push_back(std::make_unique<proxy::SharedPool>(
        std::move(without_members), pool.sessions.idle_timeout, targets_.registry));
    targets_.membership.add(pools.back()->pool);
  }
  proxy::SharedPool& shared = is_new ? *pools.back() : **known;
  shared.set_idle_timeout(pool.sessions.idle_timeout);
  targets_.membership.set_settings(name, pool.cluster);
  targets_.membership.set_source(name, from_file, pool.cluster.backends);
  if (is_new) hooks_.pool_added(shared);
}

void Reload::remember_gone(const config::Settings& next) {
  std::erase_if(gone_, [&](const config::PoolSettings& pool) {
    return next.pool(pool.cluster.name) != nullptr;
  });
  for (const config::PoolSettings& pool : targets_.running.pools) {
    if (next.pool(pool.cluster.name) == nullptr) gone_.push_back(pool);
  }
}

}  // namespace mcplb
