// What a pool's sessions need from time to time: that unused ones end, and that the store knows
// of those in use. One per pool, on the control loop.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/async/nursery.hpp"
#include "mcplb/async/task.hpp"
#include "mcplb/base/clock.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/cluster/pool.hpp"
#include "mcplb/net/timers.hpp"
#include "mcplb/session/directory.hpp"
#include "mcplb/session/events.hpp"
#include "mcplb/session/farewells.hpp"
#include "mcplb/session/settings.hpp"
#include "mcplb/session/store.hpp"

namespace mcplb::session {

// All of it outlives the sweeper.
struct Swept {
  const cluster::Pool& pool;
  const Settings& settings;
  Directory& sessions;
  Directory& endpoint_sessions;  // of the 2024-11-05 transport: nothing is sent when they expire
  EventCounts& events;
  Store* store = nullptr;        // none: the directories are all that there is
  // A session's id as its backend knows it; "" when that is not to be told. None: the same.
  std::function<std::string(std::string_view)> id_at_backend = {};
};

class Sweeper final : private net::Timer {
 public:
  // The nursery runs the rounds: it is destroyed first. The others outlive the sweeper, too.
  Sweeper(Swept swept, Farewells& farewells, Nursery& nursery, net::Timers& timers);
  ~Sweeper() override = default;

  // Rounds begin, and come again every quarter of the idle time, within 100 ms and 5 s.
  void start();
  // Not before start().
  void round_soon();
  // The store can be used (again). Sessions that were opened meanwhile are written at once; what
  // has expired there is left alone until all balancers had time to renew theirs.
  void on_store_connected();
  // Takes over what has changed in Swept::settings; from the next round on.
  void settings_changed();

 private:
  void on_timer() override;
  Task<void> round();
  // Both: whether everything that was due is written.
  Task<bool> write_due();
  Task<bool> write_due(Directory& directory);
  std::size_t expire_here();
  Task<std::size_t> expire_in_store();
  bool is_used_here(const StoredRecord& record);
  void end(cluster::Backend* owner, std::string_view id, Facts facts);
  StoredRecord to_stored(const Directory& directory, const Record& record) const;
  cluster::Backend* owner_of(const Record& record) const;
  bool store_is_settled() const;
  void note_writing(const Error* error);

  const Swept swept_;
  StoreScope scope_;
  milliseconds pause_{0};     // between two rounds
  milliseconds interval_{0};  // between two renewals of one session in the store
  Farewells& farewells_;
  Nursery& nursery_;
  net::Timers& timers_;
  bool in_round_ = false;
  bool again_ = false;  // without a pause
  bool writing_fails_ = false;
  TimePoint settled_at_ = 0;
};

}  // namespace mcplb::session
