#include "admin/backend_json.hpp"

#include <algorithm>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"

namespace mcplb::admin {
namespace {

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// `name` may be anything: only what is known by name is repeated in full.
template <class Things, class NameOf>
std::string missing(const char* kind, std::string_view name, const Things& things, NameOf name_of) {
  std::string text = std::string("there is no ") + kind + " " + escaped(name, 64);
  std::size_t named = 0;
  for (const auto& thing : things) {
    if (named == limits::named_in_message_max) return text + ", …";
    text += (named == 0 ? ": there are " : ", ") + name_of(thing);
    ++named;
  }
  return text;
}

}  // namespace

std::string_view to_string(BackendMode mode) {
  switch (mode) {
    case BackendMode::active: return "active";
    case BackendMode::draining: return "draining";
    case BackendMode::disabled: return "disabled";
  }
  return "";
}

std::string_view to_string(BackendState state) {
  switch (state) {
    case BackendState::up: return "up";
    case BackendState::starting: return "starting";
    case BackendState::down: return "down";
    case BackendState::ejected: return "ejected";
    case BackendState::draining: return "draining";
    case BackendState::disabled: return "disabled";
  }
  return "";
}

Json backend_json(const BackendView& backend) {
  Json body = Json::object();
  body["id"] = backend.id;
  body["name"] = backend.name.empty() ? backend.id : backend.name;
  body["url"] = backend.url;
  body["address"] = backend.address.empty() ? Json(nullptr) : Json(backend.address);
  body["mode"] = to_string(backend.mode);
  body["state"] = to_string(backend.state);
  body["weight"] = backend.weight;
  body["sessions"] = backend.sessions;
  body["streams"] = backend.streams;
  body["in_flight"] = backend.in_flight;
  body["suspect"] = backend.suspect;
  body["last_check_seconds"] = or_null(backend.last_check_seconds);
  body["since_seconds"] = or_null(backend.since_seconds);
  body["check"] = nullptr;
  if (backend.check) {
    body["check"] = Json::object();
    body["check"]["good"] = backend.check->good;
    body["check"]["text"] = backend.check->text;
  }
  body["registered"] = backend.last_heartbeat_millis.has_value();
  return body;
}

const PoolView* find_pool(const std::vector<PoolView>& pools, std::string_view name) {
  const auto found = std::find_if(pools.begin(), pools.end(),
                                  [name](const PoolView& pool) { return pool.name == name; });
  return found == pools.end() ? nullptr : &*found;
}

const BackendView* find_backend(const PoolView& pool, std::string_view id) {
  const auto found =
      std::find_if(pool.backends.begin(), pool.backends.end(),
                   [id](const BackendView& backend) { return backend.id == id; });
  return found == pool.backends.end() ? nullptr : &*found;
}

std::string no_such_pool(const std::vector<PoolView>& pools, std::string_view name) {
  return missing("pool", name, pools, [](const PoolView& pool) { return pool.name; });
}

std::string no_such_backend(const PoolView& pool, std::string_view id) {
  return missing("backend", id, pool.backends,
                 [](const BackendView& backend) { return backend.id; }) +
         " (pool " + pool.name + ")";
}

}  // namespace mcplb::admin
