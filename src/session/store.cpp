#include "mcplb/session/store.hpp"

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/text.hpp"

#include "session/store_scripts.hpp"

namespace mcplb::session {
namespace {

using redis::Reply;

constexpr std::int64_t grace_s = 5 * 60;
constexpr std::string_view deleted_verb = "deleted ";
constexpr std::string_view expired_verb = "expired ";
constexpr std::string_view moved_verb = "moved ";

std::int64_t idle_s(const StoreScope& scope) { return (scope.idle.load().count() + 999) / 1000; }
std::string ttl_s(const StoreScope& scope) { return std::to_string(idle_s(scope) + grace_s); }

Error not_understood() {
  return {Error::Kind::malformed, Error::Side::self, 0, "the store's answer is not understood"};
}

// The first element names what the script did.
std::string_view verdict_of(const Reply& reply) {
  if (!reply.is_array() || reply.elements.empty()) return {};
  return reply.elements.front().text;
}

std::uint32_t number_of(std::string_view text) {
  return static_cast<std::uint32_t>(parse_decimal(text).value_or(0));
}

// The values of script::record_fields, from `at` on.
StoredRecord record_of(std::string id, const std::vector<Reply>& values, std::size_t at) {
  StoredRecord record;
  record.id = std::move(id);
  record.owner = values[at].text;
  record.generation = number_of(values[at + 1].text);
  record.created_s = number_of(values[at + 2].text);
  record.place.path = values[at + 3].text;
  record.place.host = values[at + 4].text;
  record.place.protocol = values[at + 5].text;
  record.principal = values[at + 6].text;
  record.last_seen_s = number_of(values[at + 7].text);
  record.backend_session = values[at + 8].text;
  return record;
}

std::string message_of(std::string_view verb, const StoreScope& scope, std::string_view id) {
  std::string text(verb);
  text.append(scope.pool).append(" ").append(id);
  return text;
}

void append(std::vector<std::string>& arguments, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  arguments.emplace_back(name);
  arguments.emplace_back(value);
}

// Names and values of what is known.
void append_replay(std::vector<std::string>& arguments, const Replay& replay) {
  if (replay.opening != nullptr) {
    append(arguments, "initialize", replay.opening->initialize);
    append(arguments, "result_protocol", replay.opening->protocol);
    append(arguments, "capabilities", replay.opening->capabilities);
  }
  append(arguments, "set_level", replay.journal.set_level);
  for (const std::string& uri : replay.journal.subscriptions)
    append(arguments, std::string(script::subscribed) + uri, "1");
}

const char* extent_of(const StoredRecord& record) {
  if (!record.stored) return "whole";
  return record.replay.opening == nullptr ? "seen" : "seen, and movable";
}

// The number of those that change, these, and the others.
void append_moved_record(std::vector<std::string>& arguments, const StoredRecord& record) {
  arguments.emplace_back("3");
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, std::string>>{
           {"owner", record.owner},
           {"generation", std::to_string(record.generation)},
           {"backend_session", record.backend_session},
           {"created", std::to_string(record.created_s)},
           {"path", record.place.path},
           {"host", record.place.host},
           {"protocol", record.place.protocol},
           {"principal", record.principal}}) {
    arguments.emplace_back(name);
    arguments.push_back(value);
  }
  append_replay(arguments, record.replay);
}

void take_replay_field(std::string_view name, std::string& value, mcp::Opening& opening,
                       mcp::Journal& journal) {
  if (name == "initialize") opening.initialize = std::move(value);
  if (name == "result_protocol") opening.protocol = std::move(value);
  if (name == "capabilities") opening.capabilities = std::move(value);
  if (name == "set_level") journal.set_level = std::move(value);
  if (!name.starts_with(script::subscribed)) return;
  if (journal.subscriptions.size() >= 2 * limits::session_subscriptions_max) return;
  journal.subscriptions.emplace_back(name.substr(script::subscribed.size()));
}

// Names and values from the second element on. Anybody may have written them: an opening that is
// beyond its bound is none.
StoredRecord whole_record_of(std::string id, std::vector<Reply>& elements) {
  static constexpr std::string_view names[script::record_values] = {
      "owner",    "generation", "created",   "path",           "host",
      "protocol", "principal",  "last_seen", "backend_session"};
  std::vector<Reply> values(script::record_values);
  mcp::Opening opening;
  Replay replay;
  for (std::size_t i = 1; i + 1 < elements.size(); i += 2) {
    const std::string_view name = elements[i].text;
    const auto* const known = std::find(std::begin(names), std::end(names), name);
    if (known != std::end(names)) {
      values[static_cast<std::size_t>(known - std::begin(names))] = std::move(elements[i + 1]);
    } else {
      take_replay_field(name, elements[i + 1].text, opening, replay.journal);
    }
  }
  StoredRecord record = record_of(std::move(id), values, 0);
  record.replay = std::move(replay);
  if (!opening.initialize.empty() && opening.bytes() <= limits::session_opening_bytes_max) {
    record.replay.opening = std::make_shared<const mcp::Opening>(std::move(opening));
  }
  return record;
}

}  // namespace

Store::Store(redis::Client& client, Nursery& nursery, std::string prefix, std::string instance)
    : client_(client),
      nursery_(nursery),
      prefix_(std::move(prefix)),
      instance_(std::move(instance)) {}

Store::~Store() = default;

std::string Store::channel(std::string_view prefix) { return std::string(prefix) + ":events"; }

std::optional<Store::Message> Store::read_message(std::string_view payload) {
  using What = Message::What;
  static constexpr std::pair<std::string_view, What> verbs[] = {
      {deleted_verb, What::deleted}, {expired_verb, What::expired}, {moved_verb, What::moved}};
  const auto* const verb = std::find_if(std::begin(verbs), std::end(verbs), [&](const auto& known) {
    return payload.starts_with(known.first);
  });
  if (verb == std::end(verbs)) return std::nullopt;
  Message message;
  message.what = verb->second;
  payload.remove_prefix(verb->first.size());
  const std::size_t space = payload.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  message.pool = payload.substr(0, space);
  message.id = payload.substr(space + 1);
  return message;
}

std::string Store::key(std::string_view kind, const StoreScope& scope, std::string_view id) const {
  std::string text = prefix_;
  text.append(":").append(kind).append(":").append(scope.pool);
  if (!id.empty()) text.append(":").append(id);
  return text;
}

std::vector<std::string> Store::keys_of(const StoreScope& scope, std::string_view id) const {
  return {key("session", scope, id), key("tombstone", scope, id), key("expiry", scope, {})};
}

std::string_view to_string(StoreTimes::Op op) {
  using Op = StoreTimes::Op;
  switch (op) {
    case Op::find: return "find";
    case Op::load: return "load";
    case Op::put: return "put";
    case Op::move: return "move";
    case Op::remove: return "remove";
    case Op::expire: return "expire";
    case Op::lock: return "lock";
    case Op::count_: break;
  }
  return "";
}

void Store::note_time(Op op, std::int64_t began_us) {
  times_.by_op[static_cast<std::size_t>(op)].observe(monotonic_us() - began_us);
}

Task<Result<Reply>> Store::run(Op op, const redis::Script& script,
                               redis::Client::ScriptCall call) {
  const std::int64_t began_us = monotonic_us();
  const Deadline deadline = client_.in_time();
  auto reply = co_await client_.script(script, std::move(call), deadline);
  if (!reply) co_return reply.error();
  note_time(op, began_us);
  if (reply->is_error()) {
    co_return Error{Error::Kind::malformed, Error::Side::self, 0, "the store refused a script"};
  }
  co_return std::move(*reply);
}

Task<Result<bool>> Store::lock(std::string name, std::string value, milliseconds hold) {
  const std::int64_t began_us = monotonic_us();
  const std::string time = std::to_string(hold.count());
  const redis::Command command({"SET", name, value, "NX", "PX", time});
  auto reply = co_await client_.command(command, client_.in_time());
  if (!reply) co_return reply.error();
  note_time(Op::lock, began_us);
  co_return reply->is_text();
}

Task<Result<Store::Found>> Store::find(const StoreScope& scope, std::string id) {
  redis::Client::ScriptCall call;
  call.keys = keys_of(scope, id);
  auto reply = co_await run(Op::find, script::find, std::move(call));
  if (!reply) co_return reply.error();
  Found found;
  const std::string_view verdict = verdict_of(*reply);
  if (verdict == "deleted") found.state = Found::State::deleted;
  if (verdict == "deleted" || verdict == "absent") co_return found;
  if (verdict != "present" || reply->elements.size() != 1 + script::record_values) {
    co_return not_understood();
  }
  found.state = Found::State::present;
  found.record = record_of(std::move(id), reply->elements, 1);
  co_return found;
}

Task<Result<Store::Loaded>> Store::load_replay(const StoreScope& scope, std::string id) {
  redis::Client::ScriptCall call;
  call.keys = keys_of(scope, id);
  auto reply = co_await run(Op::load, script::load, std::move(call));
  if (!reply) co_return reply.error();
  Loaded loaded;
  const std::string_view verdict = verdict_of(*reply);
  if (verdict == "deleted") loaded.state = Found::State::deleted;
  if (verdict == "deleted" || verdict == "absent") co_return loaded;
  if (verdict != "present" || reply->elements.size() % 2 != 1) co_return not_understood();
  loaded.state = Found::State::present;
  loaded.record = whole_record_of(std::move(id), reply->elements);
  co_return loaded;
}

Task<Result<bool>> Store::lock_move(const StoreScope& scope, std::string id, std::string token,
                                    milliseconds hold) {
  co_return co_await lock(key("lock:move", scope, id), std::move(token), hold);
}

Task<Result<void>> Store::unlock_move(const StoreScope& scope, std::string id, std::string token) {
  redis::Client::ScriptCall call;
  call.keys = {key("lock:move", scope, id)};
  call.arguments = {std::move(token)};
  auto reply = co_await run(Op::lock, script::unlock, std::move(call));
  if (!reply) co_return reply.error();
  co_return {};
}

Task<Result<Store::Moved>> Store::move(const StoreScope& scope, StoredRecord record) {
  redis::Client::ScriptCall call;
  call.keys = keys_of(scope, record.id);
  call.arguments = {record.id,
                    ttl_s(scope),
                    instance_,
                    std::to_string(record.generation),
                    channel(prefix_),
                    message_of(moved_verb, scope, record.id)};
  append_moved_record(call.arguments, record);
  auto reply = co_await run(Op::move, script::move, std::move(call));
  if (!reply) co_return reply.error();
  Moved moved;
  const std::string_view verdict = verdict_of(*reply);
  if (verdict == "done") moved.state = Moved::State::done;
  if (verdict == "deleted") moved.state = Moved::State::deleted;
  if (verdict == "done" || verdict == "deleted") co_return moved;
  if (verdict != "other" || reply->elements.size() != 1 + script::record_values) {
    co_return not_understood();
  }
  moved.record = record_of(std::move(record.id), reply->elements, 1);
  co_return moved;
}

Task<Result<Store::Put>> Store::put(const StoreScope& scope, StoredRecord record) {
  redis::Client::ScriptCall call;
  call.keys = keys_of(scope, record.id);
  call.arguments = put_arguments(scope, record);
  auto reply = co_await run(Op::put, script::put, std::move(call));
  if (!reply) co_return reply.error();
  const std::string_view verdict = verdict_of(*reply);
  if (verdict == "absent" && record.stored) {
    record.stored = false;
    co_return co_await put(scope, std::move(record));
  }
  if (verdict == "done") co_return Put::done;
  if (verdict == "deleted") co_return Put::deleted;
  if (verdict == "other") co_return Put::other;
  co_return not_understood();
}

std::vector<std::string> Store::put_arguments(const StoreScope& scope,
                                              const StoredRecord& record) const {
  const std::vector<std::string> gone =
      record.stored ? std::vector<std::string>() : record.replay.unsubscribed;
  std::vector<std::string> arguments = {record.id,
                                        ttl_s(scope),
                                        instance_,
                                        record.owner,
                                        std::to_string(record.generation),
                                        std::to_string(record.created_s),
                                        record.place.path,
                                        record.place.host,
                                        record.place.protocol,
                                        record.principal,
                                        record.backend_session,
                                        extent_of(record),
                                        std::to_string(script::record_fields_max),
                                        std::to_string(gone.size())};
  for (const std::string& uri : gone)
    arguments.push_back(std::string(script::subscribed) + uri);
  if (!record.stored) append_replay(arguments, record.replay);
  return arguments;
}

void Store::remove(const StoreScope& scope, std::string id) {
  if (removals_.size() >= limits::store_removals_max) {
    count_limit_hit(Limit::store_removals);
    drop_first_removal();
  }
  removals_.push_back({&scope, std::move(id)});
  scope.removals_waiting.add(1);
  send_removals();
}

void Store::drop_first_removal() {
  removals_.front().scope->removals_waiting.add(-1);
  removals_.pop_front();
}

void Store::send_removals() {
  if (sending_removals_ || removals_.empty() || !client_.connected()) return;
  sending_removals_ = true;
  nursery_.spawn(removals_flow());
}

// One after the other: each waits for the store's word, so that none is lost with a connection.
Task<void> Store::removals_flow() {
  while (!removals_.empty()) {
    const Removal removal = removals_.front();
    redis::Client::ScriptCall call;
    call.keys = keys_of(*removal.scope, removal.id);
    call.arguments = {removal.id, ttl_s(*removal.scope), channel(prefix_),
                      message_of(deleted_verb, *removal.scope, removal.id)};
    auto reply = co_await run(Op::remove, script::remove, std::move(call));
    if (!reply) break;  // goes on when the store is back
    // The bound may have taken it away meanwhile.
    if (!removals_.empty() && removals_.front().id == removal.id) drop_first_removal();
  }
  sending_removals_ = false;
}

Task<Result<bool>> Store::lock_sweep(const StoreScope& scope, milliseconds hold) {
  co_return co_await lock(key("lock:sweep", scope, std::string_view()), instance_, hold);
}

Task<Result<void>> Store::unlock_sweep(const StoreScope& scope) {
  redis::Client::ScriptCall call;
  call.keys = {key("lock:sweep", scope, {})};
  call.arguments = {instance_};
  auto reply = co_await run(Op::lock, script::unlock, std::move(call));
  if (!reply) co_return reply.error();
  co_return {};
}

Task<Result<std::vector<StoredRecord>>> Store::take_expired(const StoreScope& scope,
                                                            std::size_t max) {
  redis::Client::ScriptCall call;
  call.keys = {key("expiry", scope, {})};
  // Times are whole seconds: one more, so that none is taken too early.
  call.arguments = {std::to_string(idle_s(scope) + 1), std::to_string(max),
                    key("session", scope, {}), channel(prefix_),
                    message_of(expired_verb, scope, {})};
  auto reply = co_await run(Op::expire, script::take_expired, std::move(call));
  if (!reply) co_return reply.error();
  constexpr std::size_t row = 1 + script::record_values;
  if (!reply->is_array() || reply->elements.size() % row != 0) co_return not_understood();
  std::vector<StoredRecord> expired;
  for (std::size_t at = 0; at < reply->elements.size(); at += row) {
    expired.push_back(record_of(reply->elements[at].text, reply->elements, at + 1));
  }
  co_return expired;
}

}  // namespace mcplb::session
