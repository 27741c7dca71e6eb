#include <string>
#include <vector>

#include "mcplb/base/assert.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/random.hpp"
#include "mcplb/cluster/backend.hpp"
#include "mcplb/session/directory.hpp"

#include "micro/allocations.hpp"
#include "micro/measure.hpp"

namespace mcplb::bench {
namespace {

constexpr std::uint64_t operations = 20'000;
constexpr std::size_t sessions = 100'000;

std::vector<std::string> new_ids(std::size_t count) {
  std::vector<std::string> ids(count);
  for (std::string& id : ids) append_request_id(id);  // 32 hex digits
  return ids;
}

void measure_memory(Bench& bench, session::Directory& directory, BackendId owner,
                    const std::vector<std::string>& ids) {
  const std::int64_t before = heap_use().bytes;
  for (const std::string& id : ids) {
    session::SessionUse use;
    directory.learn(id, {owner}, monotonic_ms(), use);
  }
  const auto taken = static_cast<double>(heap_use().bytes - before);
  Measured measured;
  measured.name = "session/memory of a known session";
  measured.unit = "bytes";
  measured.median = measured.least = measured.most = taken / static_cast<double>(ids.size());
  if (bench.wanted(measured.name)) bench.note(std::move(measured));
}

}  // namespace

void measure_directory(Bench& bench) {
  cluster::Registry registry;
  cluster::BackendSettings settings;
  settings.id = "a";
  settings.host = "127.0.0.1";
  const BackendId owner = registry.add("pool", settings)->id();
  session::Directory directory(registry);
  const std::vector<std::string> ids = new_ids(sessions);
  measure_memory(bench, directory, owner, ids);
  const TimePoint now = monotonic_ms();
  bench.time("session/use one of 100,000 sessions", operations, [&](std::uint64_t number) {
    // A stride that no cache foresees.
    const session::SessionUse use = directory.begin_use(ids[number * 7919 % sessions], now);
    MCPLB_ASSERT(use && use.owner() == owner);
  });
  const std::vector<std::string> fresh = new_ids(operations);
  bench.time("session/learn and forget", operations, [&](std::uint64_t number) {
    session::SessionUse use;
    const auto learned = directory.learn(fresh[number], {owner}, now, use);
    MCPLB_ASSERT(learned == session::Directory::Learned::added);
    use.end();
    directory.forget(fresh[number]);
  });
}

}  // namespace mcplb::bench
