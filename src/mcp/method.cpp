#include <array>

#include "mcplb/mcp/message.hpp"

namespace mcplb::mcp {
namespace {

struct MethodRow {
  std::string_view name;
  Repeat repeat;
};

// In the order of the enumeration. `safe` is what an intermediary may send twice: reads, and
// writes whose second arrival changes nothing. `tools/call` has arbitrary effects. The progress
// notification has to increase strictly, so a second copy breaks the protocol. `initialize` only
// leaves an unused session behind; the caller repeats it only while no reply head has arrived.
// Where the state is one backend's (sessions, tasks), "again" means on that same backend.
constexpr std::array<MethodRow, static_cast<std::size_t>(Method::count_)> rows{{
    {"", Repeat::never},
    {"other", Repeat::never},
    {"initialize", Repeat::safe},
    {"ping", Repeat::safe},
    {"server/discover", Repeat::safe},
    {"tools/list", Repeat::safe},
    {"tools/call", Repeat::never},
    {"prompts/list", Repeat::safe},
    {"prompts/get", Repeat::safe},
    {"resources/list", Repeat::safe},
    {"resources/templates/list", Repeat::safe},
    {"resources/read", Repeat::safe},
    {"resources/subscribe", Repeat::safe},
    {"resources/unsubscribe", Repeat::safe},
    {"completion/complete", Repeat::safe},
    {"logging/setLevel", Repeat::safe},
    {"subscriptions/listen", Repeat::safe},
    {"tasks/get", Repeat::safe},
    {"tasks/result", Repeat::safe},
    {"tasks/list", Repeat::safe},
    {"tasks/cancel", Repeat::safe},
    {"tasks/update", Repeat::safe},
    {"notifications/initialized", Repeat::safe},
    {"notifications/cancelled", Repeat::safe},
    {"notifications/progress", Repeat::never},
    {"notifications/roots/list_changed", Repeat::safe},
}};

const MethodRow& row_of(Method method) {
  return rows.at(static_cast<std::size_t>(method));
}

}  // namespace

Method method_of(std::string_view text) {
  for (auto i = static_cast<std::size_t>(Method::initialize); i < rows.size(); ++i) {
    if (rows[i].name == text) return static_cast<Method>(i);
  }
  return Method::other;
}

std::string_view to_string(Method method) {
  return row_of(method).name;
}

std::string_view to_string(Era era) {
  switch (era) {
    case Era::none:
      return "none";
    case Era::legacy:
      return "legacy";
    case Era::modern:
      return "modern";
  }
  return "none";
}

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::other:
      return "other";
    case Kind::request:
      return "request";
    case Kind::notification:
      return "notification";
    case Kind::response:
      return "response";
    case Kind::batch:
      return "batch";
    case Kind::stream:
      return "stream";
    case Kind::del:
      return "delete";
  }
  return "other";
}

Repeat repeat_licence(Method method) {
  return row_of(method).repeat;
}

}  // namespace mcplb::mcp
