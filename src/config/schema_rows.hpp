// How rows of the schema table are written: one maker for each kind of key. Included by schema.cpp
// only.
#pragma once

#include <span>
#include <string_view>

#include "config/schema.hpp"

namespace mcplb::config {

constexpr Row row(std::string_view path, Kind kind, const Access& access, std::string_view doc) {
  Row made;
  made.path = path;
  made.kind = kind;
  made.doc = doc;
  made.access = access;
  return made;
}

constexpr Row section(std::string_view path, std::string_view doc) {
  return row(path, Kind::section, {}, doc);
}

constexpr Row list(std::string_view path, const ListAccess& elements, std::string_view doc) {
  Row made = row(path, Kind::list, {}, doc);
  made.list = elements;
  return made;
}

struct Range {
  std::int64_t min;
  std::int64_t max;
};

constexpr Row ranged(Row made, Range range) {
  made.min = range.min;
  made.max = range.max;
  return made;
}

constexpr Row duration(std::string_view path, const Access& access, Range range,
                       std::string_view doc) {
  return ranged(row(path, Kind::duration, access, doc), range);
}

constexpr Row size(std::string_view path, const Access& access, Range range, std::string_view doc) {
  return ranged(row(path, Kind::size, access, doc), range);
}

constexpr Row integer(std::string_view path, const Access& access, Range range,
                      std::string_view doc) {
  return ranged(row(path, Kind::integer, access, doc), range);
}

constexpr Row choice(std::string_view path, const Access& access, std::span<const Choice> choices,
                     std::string_view doc) {
  Row made = row(path, Kind::choice, access, doc);
  made.choices = choices;
  return made;
}

constexpr Row boolean(std::string_view path, const Access& access, std::string_view doc) {
  return row(path, Kind::boolean, access, doc);
}

constexpr Row text(std::string_view path, const Access& access, std::string_view doc) {
  return row(path, Kind::text, access, doc);
}

constexpr Row texts(std::string_view path, const Access& access, std::string_view doc) {
  return row(path, Kind::text_list, access, doc);
}

}  // namespace mcplb::config
