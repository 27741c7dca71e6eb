// How the schema reaches a field: a pair of functions made from pointers to members, so that
// rows of all types fit into one constexpr table.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "mcplb/base/clock.hpp"
#include "mcplb/config/settings.hpp"

#include "config/checks.hpp"

namespace mcplb::config {

// A field's value without its C++ type: durations in milliseconds, sizes in bytes, booleans as 0
// and 1, enumerations by position.
using Value = std::variant<std::int64_t, std::string, std::vector<std::string>>;

// The structs that rows may reach into; tells whether a row fits the struct it is used on.
// (Addresses of templates would need no list, but g++ with UBSan cannot compare them in constexpr.)
enum class Scope : std::uint8_t { none, settings, listener, certificate, pool, route, backend };
template <class T>
inline constexpr Scope scope_tag = Scope::none;
template <>
inline constexpr Scope scope_tag<Settings> = Scope::settings;
template <>
inline constexpr Scope scope_tag<net::ListenerSettings> = Scope::listener;
template <>
inline constexpr Scope scope_tag<net::TlsCertificateSettings> = Scope::certificate;
template <>
inline constexpr Scope scope_tag<PoolSettings> = Scope::pool;
template <>
inline constexpr Scope scope_tag<proxy::RouteSettings> = Scope::route;
template <>
inline constexpr Scope scope_tag<BackendEntry> = Scope::backend;

struct Access {
  Scope scope = Scope::none;  // what get and set expect
  Value (*get)(const void* scope) = nullptr;
  void (*set)(void* scope, const Value& value) = nullptr;
  // Of a field that get() does not show whole; none: what it shows decides.
  bool (*same)(const void* scope, const void* other) = nullptr;
  explicit constexpr operator bool() const { return get != nullptr; }
};

struct ListAccess {
  Scope scope = Scope::none;
  Scope element = Scope::none;  // what the list holds
  std::size_t (*size)(const void* scope) = nullptr;
  void (*resize)(void* scope, std::size_t size) = nullptr;
  void* (*at)(void* scope, std::size_t index) = nullptr;
  const void* (*const_at)(const void* scope, std::size_t index) = nullptr;
  const void* (*fresh)() = nullptr;  // an element with every field at its default
};

// One overload of to_value and from_value per type of field.
template <class T>
requires std::integral<T> || std::is_enum_v<T> Value to_value(const T& field) {
  return static_cast<std::int64_t>(field);
}
inline Value to_value(const milliseconds& field) {
  return static_cast<std::int64_t>(field.count());
}
inline Value to_value(const std::string& field) {
  return field;
}
inline Value to_value(const std::vector<std::string>& field) {
  return field;
}
inline Value to_value(const cluster::HashOn& field) {
  return hash_on_text(field);
}

template <class T>
requires std::integral<T> || std::is_enum_v<T>
void from_value(T& field, const Value& value) {
  field = static_cast<T>(std::get<std::int64_t>(value));
}
inline void from_value(milliseconds& field, const Value& value) {
  field = milliseconds(std::get<std::int64_t>(value));
}
inline void from_value(std::string& field, const Value& value) {
  field = std::get<std::string>(value);
}
inline void from_value(std::vector<std::string>& field, const Value& value) {
  field = std::get<std::vector<std::string>>(value);
}
inline void from_value(cluster::HashOn& field, const Value& value) {
  field = parse_hash_on(std::get<std::string>(value));
}

template <class Member>
struct MemberOf;
template <class Class, class Field>
struct MemberOf<Field Class::*> {
  using Scope = Class;
};

template <auto First, auto... Rest>
struct PathTo {
  using Scope = typename MemberOf<decltype(First)>::Scope;
  static const auto& in(const void* scope) {
    return ((static_cast<const Scope*>(scope)->*First).*....*Rest);
  }
  static auto& in(void* scope) { return ((static_cast<Scope*>(scope)->*First).*....*Rest); }
  static Value get(const void* scope) { return to_value(in(scope)); }
  static void set(void* scope, const Value& value) { from_value(in(scope), value); }
};

// The field at the end of a path of members: at<&PoolSettings::health, &HealthSettings::rise>.
template <auto... Members>
inline constexpr Access at = {scope_tag<typename PathTo<Members...>::Scope>,
                              &PathTo<Members...>::get, &PathTo<Members...>::set};

template <auto... Members>
struct ListAt {
  using Path = PathTo<Members...>;
  using List = std::remove_reference_t<decltype(Path::in(static_cast<void*>(nullptr)))>;
  using Element = typename List::value_type;
  static std::size_t size(const void* scope) { return Path::in(scope).size(); }
  static void resize(void* scope, std::size_t size) { Path::in(scope).assign(size, Element{}); }
  static void* at(void* scope, std::size_t index) { return &Path::in(scope).at(index); }
  static const void* const_at(const void* scope, std::size_t index) {
    return &Path::in(scope).at(index);
  }
  static const void* fresh() {
    static const Element element{};
    return &element;
  }
};

template <auto... Members>
inline constexpr ListAccess list_at = {scope_tag<typename ListAt<Members...>::Path::Scope>,
                                       scope_tag<typename ListAt<Members...>::Element>,
                                       &ListAt<Members...>::size,
                                       &ListAt<Members...>::resize,
                                       &ListAt<Members...>::at,
                                       &ListAt<Members...>::const_at,
                                       &ListAt<Members...>::fresh};

}  // namespace mcplb::config
