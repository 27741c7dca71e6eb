// Keeps one connection to the store up: opens it, lets its user talk on it until it is lost, waits,
// opens it again. Logs when it comes and goes, not each attempt.
#pragma once

#include <optional>
#include <string_view>

#include "mcplb/async/nursery.hpp"

#include "redis/opener.hpp"

namespace mcplb::redis {

class Link {
 public:
  class User {
   public:
    // Talks on a connection until it is lost; the reason. The stream dies afterwards.
    virtual Task<Error> talk(net::Stream& stream) = 0;

   protected:
    ~User() = default;
  };

  // `purpose` is static text for the log. All that is referred to outlives the link.
  Link(net::Timers& timers, Connector& connector, const Settings& settings,
       std::string_view purpose)
      : timers_(timers), opener_(timers, connector, settings), purpose_(purpose) {}

  // Runs until it is destroyed.
  Task<void> keep_up(User& user);

 private:
  void note_up();
  void note_down(const Error& reason);
  milliseconds pause_after(const Error& reason);

  net::Timers& timers_;
  Opener opener_;
  std::string_view purpose_;
  int attempts_ = 0;  // that failed in a row, or whose connection did not last
  std::optional<Error::Kind> down_;  // why, as the log says; nothing at first and while it is up
};

}  // namespace mcplb::redis
