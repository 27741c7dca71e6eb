#include "session_views.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <optional>
#include <utility>
#include <vector>

#include "mcplb/base/hash.hpp"

namespace mcplb {
namespace {

using admin::SessionAnswer;
using admin::SessionsAnswer;
using admin::SessionView;

// Sessions of the 2024-11-05 transport have a directory of their own, and no other revision.
constexpr std::string_view endpoint_protocol = "2024-11-05";

// A directory among all, in the order of the pools, and a mark in it: "3-2a-00f1".
struct Cursor {
  std::size_t directory = 0;
  session::PageMark mark;
};

std::string to_text(const Cursor& cursor) {
  const std::uint64_t numbers[] = {cursor.directory, cursor.mark.shard, cursor.mark.key};
  std::string text;
  for (const std::uint64_t number : numbers) {
    char digits[16];
    const auto end = std::to_chars(std::begin(digits), std::end(digits), number, 16).ptr;
    if (!text.empty()) text += '-';
    text.append(digits, end);
  }
  return text;
}

// Takes a number off the front, and what ends it.
template <class Number>
bool take(std::string_view& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.empty()) return true;
  if (text.front() != '-') return false;
  text.remove_prefix(1);
  return true;
}

std::optional<Cursor> cursor_of(std::string_view text) {
  Cursor cursor;
  if (text.empty()) return cursor;
  const bool good = take(text, cursor.directory) && take(text, cursor.mark.shard) &&
                    take(text, cursor.mark.key) && text.empty();
  if (!good) return std::nullopt;
  return cursor;
}

// What is missing (0) is not known. Clocks of several machines differ.
std::optional<std::int64_t> seconds_since(std::uint32_t unix_s) {
  if (unix_s == 0) return std::nullopt;
  return std::max<std::int64_t>(0, static_cast<std::int64_t>(std::time(nullptr)) - unix_s);
}

SessionView view_of(const session::StoreScope& scope, const session::StoredRecord& record) {
  SessionView view;
  view.hash = hashed_for_log(record.id);
  view.pool = scope.pool;
  view.backend = record.owner;
  view.protocol = record.place.protocol;
  view.age_seconds = seconds_since(record.created_s);
  view.idle_seconds = seconds_since(record.last_seen_s).value_or(0);
  view.generation = record.generation;
  return view;
}

}  // namespace

SessionView SessionViews::view_of(const proxy::SharedPool& pool, std::string_view id,
                                  const session::SessionInfo& info) const {
  SessionView view;
  view.hash = hashed_for_log(id);
  view.pool = pool.pool.name();
  const cluster::Backend* const owner = registry_.find(info.facts.owner);
  if (owner != nullptr) view.backend = owner->name();
  view.protocol = info.facts.place.protocol;
  view.age_seconds = seconds_since(info.facts.created_s);
  view.idle_seconds = info.idle.count() / 1000;
  view.generation = info.facts.generation;
  view.in_flight = info.in_flight;
  view.streams = info.streams;
  return view;
}

SessionsAnswer SessionViews::page(const admin::SessionsQuery& query, TimePoint now) const {
  SessionsAnswer answer;
  const auto cursor = cursor_of(query.after);
  if (!cursor) {
    answer.outcome = SessionsAnswer::Outcome::bad_cursor;
    return answer;
  }
  bool has_pool = query.pool.empty();
  Cursor next = *cursor;
  for (std::size_t i = 0; i < 2 * shared_.pools.size(); ++i) {
    const proxy::SharedPool& pool = *shared_.pools[i / 2];
    if (!query.pool.empty() && pool.pool.name() != query.pool) continue;
    has_pool = true;
    const bool endpoint = i % 2 == 1;
    const session::Directory& directory = endpoint ? pool.endpoint_sessions : pool.sessions;
    const std::size_t size = directory.size();
    answer.total += size;
    if (i < next.directory || !answer.next.empty() || size == 0) continue;
    if (i > next.directory) next = {i, {}};
    if (answer.sessions.size() == query.limit) {
      answer.next = to_text(next);
      continue;
    }
    auto page = directory.page(next.mark, query.limit - answer.sessions.size(), now);
    for (const session::ListedSession& listed : page.sessions) {
      answer.sessions.push_back(view_of(pool, listed.id, listed.info));
      if (endpoint) answer.sessions.back().protocol = endpoint_protocol;
    }
    if (page.next) answer.next = to_text({i, *page.next});
  }
  if (!has_pool) answer.outcome = SessionsAnswer::Outcome::no_such_pool;
  return answer;
}

SessionAnswer SessionViews::look(const admin::SessionQuery& query, TimePoint now) const {
  for (const auto& pool : shared_.pools) {
    if (!query.pool.empty() && pool->pool.name() != query.pool) continue;
    for (const session::Directory* directory : {&pool->sessions, &pool->endpoint_sessions}) {
      const auto info = directory->look(query.id, now);
      if (!info) continue;
      SessionAnswer answer{SessionAnswer::Known::memory, view_of(*pool, query.id, *info)};
      if (directory == &pool->endpoint_sessions) answer.session.protocol = endpoint_protocol;
      return answer;
    }
  }
  return {};
}

Task<SessionAnswer> SessionViews::find(admin::SessionQuery query, session::Store* store,
                                       TimePoint now) const {
  SessionAnswer answer = look(query, now);
  if (answer.known != SessionAnswer::Known::nowhere || store == nullptr) co_return answer;
  for (const auto& pool : shared_.pools) {
    if (!query.pool.empty() && pool->pool.name() != query.pool) continue;
    std::string id = query.id;
    auto found = co_await store->find(pool->store_scope, std::move(id));
    if (!found) {
      answer.known = SessionAnswer::Known::store_away;
      continue;
    }
    if (found->state != session::Store::Found::State::present) continue;
    answer = {SessionAnswer::Known::store, mcplb::view_of(pool->store_scope, found->record)};
    break;
  }
  co_return answer;
}

}  // namespace mcplb
