// The directory that balancers share: sessions as records in Redis, readable with redis-cli. One
// per loop, over that loop's connection; used on that loop only. Nothing here waits for a
// connection: while there is none, all calls fail at once.
//
//   {prefix}:session:{pool}:{id}    hash; TTL = idle timeout + 5 minutes. What it takes to open the
//                                   session again is among its fields: initialize, result_protocol,
//                                   capabilities, set_level, and a subscribed:URI for each URI
//   {prefix}:tombstone:{pool}:{id}  a deleted session; the same TTL
//   {prefix}:expiry:{pool}          sorted set: id by the Unix time when it was last seen
//   {prefix}:lock:sweep:{pool}      who sweeps
//   {prefix}:lock:move:{pool}:{id}  who opens it again on another backend
//   {prefix}:events                 channel: "deleted POOL ID", "expired POOL ID", "moved POOL ID"
//
// Absence of a record decides nothing (Redis was flushed, or another balancer could not write); a
// tombstone or a higher generation does. Times are the server's.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/async/nursery.hpp"
#include "mcplb/async/task.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/histogram.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/result.hpp"
#include "mcplb/redis/client.hpp"
#include "mcplb/session/record.hpp"

namespace mcplb::session {

// A session as all balancers know it: backends go by their configured id.
struct StoredRecord {
  std::string id;
  std::string owner;
  std::uint32_t generation = 1;
  std::uint32_t created_s = 0;
  Place place;
  std::string principal;  // hex of the keyed hash; empty: bound to nobody
  std::uint32_t last_seen_s = 0;  // Unix time, by the store's clock; not written from here
  std::string backend_session;    // what the owner calls it; empty: `id`
  // Not read with the rest, but by load_replay().
  Replay replay = {};
  // The store knows all of it, and is told only that it was seen; unless the store has lost it.
  bool stored = false;
};

// The sessions of one pool, as the store's methods need them. Owned by the pool.
struct StoreScope {
  std::string pool;
  std::atomic<milliseconds> idle{milliseconds(0)};  // the control loop sets it
  // Deleted sessions that the store has yet to hear of, from all loops together.
  mutable Gauge removals_waiting = {};
};

// How long the store takes to answer, by what it was asked. Answers only: not what failed.
struct StoreTimes {
  enum class Op : std::uint8_t { find, load, put, move, remove, expire, lock, count_ };
  static constexpr std::array<std::uint64_t, 12> bounds_us{
      100, 250, 500, 1'000, 2'500, 5'000, 10'000, 25'000, 50'000, 100'000, 250'000, 1'000'000};
  using Times = Histogram<bounds_us, OwnCounter>;
  std::array<Times, static_cast<std::size_t>(Op::count_)> by_op;
};
std::string_view to_string(StoreTimes::Op op);

class Store {
 public:
  // All outlive the store. `instance` is written into records, for people.
  Store(redis::Client& client, Nursery& nursery, std::string prefix, std::string instance);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  static std::string channel(std::string_view prefix);
  // A message of the channel: caches let go of the session. Nothing for any other text.
  struct Message {
    enum class What : std::uint8_t {
      deleted,  // by its client
      expired,  // who still uses it keeps it
      moved     // to another owner: what is cached is to be confirmed
    };
    What what = What::deleted;
    std::string_view pool;
    std::string_view id;
  };
  static std::optional<Message> read_message(std::string_view payload);

  bool connected() const { return client_.connected(); }
  // May be read on any thread.
  const StoreTimes& times() const { return times_; }
  // Call it when the client has connected (again).
  void on_connected() { send_removals(); }

  struct Found {
    enum class State : std::uint8_t { absent, present, deleted };
    State state = State::absent;
    StoredRecord record;  // when present
  };
  Task<Result<Found>> find(const StoreScope& scope, std::string id);

  // Creates a record, or renews it: seen now. One script, so that it never revives a deleted
  // session and never overwrites a higher generation.
  enum class Put : std::uint8_t {
    done,
    deleted,  // there is a tombstone
    other     // live with another owner, or moved on: the record was left alone
  };
  Task<Result<Put>> put(const StoreScope& scope, StoredRecord record);

  // What it takes to open the session again. Its opening is null when the store has none.
  struct Loaded {
    Found::State state = Found::State::absent;
    StoredRecord record;  // when present, with its replay
  };
  Task<Result<Loaded>> load_replay(const StoreScope& scope, std::string id);

  // Whether it is this balancer, by a `token` of its own, that may move the session now; for `hold`
  // nobody else may.
  Task<Result<bool>> lock_move(const StoreScope& scope, std::string id, std::string token,
                               milliseconds hold);
  Task<Result<void>> unlock_move(const StoreScope& scope, std::string id, std::string token);

  // Makes the record's owner the owner, if the store knows no ownership of the record's generation
  // or of a higher one, and tells the other balancers. A record that is missing is written whole.
  struct Moved {
    enum class State : std::uint8_t {
      done,
      deleted,  // there is a tombstone
      other     // it lives elsewhere: `record` is what is there
    };
    State state = State::other;
    StoredRecord record;
  };
  Task<Result<Moved>> move(const StoreScope& scope, StoredRecord record);

  // Deletes the record, leaves a tombstone, tells the other balancers. Soon, and when the store
  // is away then when it is back; at most limits::store_removals_max wait.
  void remove(const StoreScope& scope, std::string id);

  // Whether this balancer is the one to sweep the pool's sessions now; for `hold` nobody else is.
  Task<Result<bool>> lock_sweep(const StoreScope& scope, milliseconds hold);
  Task<Result<void>> unlock_sweep(const StoreScope& scope);
  // Takes sessions out of the store that nobody has seen for the idle time: of balancers that
  // have died, too. At most `max`.
  Task<Result<std::vector<StoredRecord>>> take_expired(const StoreScope& scope, std::size_t max);

 private:
  struct Removal {
    const StoreScope* scope;
    std::string id;
  };
  std::string key(std::string_view kind, const StoreScope& scope, std::string_view id) const;
  std::vector<std::string> keys_of(const StoreScope& scope, std::string_view id) const;
  std::vector<std::string> put_arguments(const StoreScope& scope,
                                         const StoredRecord& record) const;
  void drop_first_removal();
  void send_removals();
  Task<void> removals_flow();
  using Op = StoreTimes::Op;
  Task<Result<redis::Reply>> run(Op op, const redis::Script& script,
                                 redis::Client::ScriptCall call);
  // SET … NX PX: whether it was not there yet.
  Task<Result<bool>> lock(std::string name, std::string value, milliseconds hold);
  void note_time(Op op, std::int64_t began_us);

  redis::Client& client_;
  Nursery& nursery_;
  const std::string prefix_;
  const std::string instance_;
  std::deque<Removal> removals_;
  bool sending_removals_ = false;
  StoreTimes times_;
};

}  // namespace mcplb::session
