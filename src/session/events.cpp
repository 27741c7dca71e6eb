#include "mcplb/session/events.hpp"

namespace mcplb::session {

std::string_view to_string(Event event) {
  switch (event) {
    case Event::created: return "created";
    case Event::deleted: return "deleted";
    case Event::expired: return "expired";
    case Event::moved: return "moved";
    case Event::adopted: return "adopted";
    case Event::lost: return "lost";
    case Event::unknown: return "unknown";
    case Event::asked: return "asked";
    case Event::move_forbidden: return "move_forbidden";
    case Event::move_failed: return "move_failed";
    case Event::count_: break;
  }
  return "";
}

}  // namespace mcplb::session
