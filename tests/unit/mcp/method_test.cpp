#include <doctest/doctest.h>

#include "mcplb/mcp/message.hpp"

namespace mcplb::mcp {

TEST_SUITE("mcp/method") {
  TEST_CASE("every name of the specification reads back as its method") {
    for (auto i = static_cast<int>(Method::initialize); i < static_cast<int>(Method::count_); ++i) {
      const auto method = static_cast<Method>(i);
      CAPTURE(to_string(method));
      CHECK(!to_string(method).empty());
      CHECK(method_of(to_string(method)) == method);
    }
  }

  TEST_CASE("a name that is none of the specification's is other") {
    CHECK(method_of("") == Method::other);
    CHECK(method_of("other") == Method::other);
    CHECK(method_of("TOOLS/CALL") == Method::other);
    CHECK(method_of("tools/call ") == Method::other);
    CHECK(method_of("acme/run") == Method::other);
    CHECK(to_string(Method::other) == "other");
    CHECK(to_string(Method::none).empty());
  }

  TEST_CASE("what may have effects of its own is never repeated") {
    for (const Method method :
         {Method::none, Method::other, Method::tools_call, Method::notifications_progress}) {
      CHECK(repeat_licence(method) == Repeat::never);
    }
  }

  TEST_CASE("reads and idempotent steps may be repeated") {
    for (const Method method :
         {Method::initialize, Method::ping, Method::server_discover, Method::tools_list,
          Method::resources_read, Method::prompts_get, Method::completion_complete,
          Method::resources_subscribe, Method::logging_set_level, Method::tasks_get,
          Method::tasks_result, Method::notifications_initialized, Method::notifications_cancelled,
          Method::notifications_roots_list_changed}) {
      CAPTURE(to_string(method));
      CHECK(repeat_licence(method) == Repeat::safe);
    }
  }
}

}  // namespace mcplb::mcp
