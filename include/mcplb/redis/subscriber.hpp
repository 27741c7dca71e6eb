// Listens on one pub/sub channel, over a connection that comes back by itself. One per process, on
// the control loop.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "mcplb/async/nursery.hpp"
#include "mcplb/net/timers.hpp"
#include "mcplb/redis/connector.hpp"
#include "mcplb/redis/settings.hpp"

namespace mcplb::redis {

class Subscriber {
 public:
  // Called on the loop; must not destroy the subscriber.
  class Listener {
   public:
    // The channel is listened to (again): messages before this may have been missed.
    virtual void on_resubscribed() = 0;
    // From now on, messages are missed.
    virtual void on_lost() = 0;
    // The payload ends with the call.
    virtual void on_message(std::string_view payload) = 0;

   protected:
    ~Listener() = default;
  };

  // The loop's timers and turns. `connector` outlives the subscriber; the settings are copied and
  // name at least one endpoint.
  Subscriber(net::Timers& timers, DeferQueue& turns, Connector& connector,
             const Settings& settings);
  ~Subscriber();
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  // Subscribes in the background from now on. `listener` outlives the subscriber.
  void start(std::string channel, Listener& listener);
  bool subscribed() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace mcplb::redis
