// What the store does in one step each. Lua that runs inside Redis; KEYS and ARGV are named at the
// top of each. Most have KEYS: the session's record, its tombstone, the pool's expiry.
#pragma once

#include <cstddef>
#include <string_view>

#include "mcplb/base/limits.hpp"
#include "mcplb/redis/command.hpp"

namespace mcplb::session::script {

// owner, generation, created, path, host, protocol, principal, last_seen, backend_session: the
// values of a record that scripts answer with, in this order.
inline constexpr std::size_t record_values = 9;
// Fields of a record. Balancers that do not know of each other's subscriptions cannot add up more.
inline constexpr std::size_t record_fields_max = 15 + 2 * limits::session_subscriptions_max;
// A field for each resource that the client has subscribed to.
inline constexpr std::string_view subscribed = "subscribed:";

inline const redis::Script find(R"(
if redis.call('EXISTS', KEYS[2]) == 1 then return {'deleted'} end
local r = redis.call('HMGET', KEYS[1],
  'owner', 'generation', 'created', 'path', 'host', 'protocol', 'principal', 'last_seen',
  'backend_session')
if not r[1] then return {'absent'} end
for i = 1, 9 do r[i] = r[i] or '' end
return {'present', unpack(r)}
)");

// All of a record, as names and values.
inline const redis::Script load(R"(
if redis.call('EXISTS', KEYS[2]) == 1 then return {'deleted'} end
if redis.call('HEXISTS', KEYS[1], 'owner') == 0 then return {'absent'} end
return {'present', unpack(redis.call('HGETALL', KEYS[1]))}
)");

// ARGV: id, ttl, instance, owner, generation, created, path, host, protocol, principal,
// backend_session, "whole" or "seen" or "seen, and movable", fields at most, how many fields to take off, these, then names
// and values of what it takes to open the session again.
inline const redis::Script put(R"(
if redis.call('EXISTS', KEYS[2]) == 1 then return {'deleted'} end
local now = redis.call('TIME')[1]
local known = redis.call('HMGET', KEYS[1], 'owner', 'generation', 'protocol', 'initialize')
local mine = tonumber(ARGV[5])
local theirs = known[1] and tonumber(known[2]) or 0
if theirs > mine or (theirs == mine and known[1] ~= ARGV[4]) then return {'other'} end
local lacks = theirs < mine or (ARGV[12] == 'seen, and movable' and not known[4])
if lacks and ARGV[12] ~= 'whole' then return {'absent'} end
if theirs < mine then
  redis.call('HSET', KEYS[1], 'owner', ARGV[4], 'generation', ARGV[5], 'instance', ARGV[3],
    'created', ARGV[6], 'path', ARGV[7], 'host', ARGV[8], 'protocol', ARGV[9],
    'principal', ARGV[10], 'backend_session', ARGV[11])
elseif ARGV[9] ~= '' and (not known[3] or known[3] == '') then
  redis.call('HSET', KEYS[1], 'protocol', ARGV[9])
end
local first = 15 + tonumber(ARGV[14])
for i = 15, first - 1 do redis.call('HDEL', KEYS[1], ARGV[i]) end
local more = (#ARGV - first + 1) / 2
if more > 0 and redis.call('HLEN', KEYS[1]) + more <= tonumber(ARGV[13]) then
  redis.call('HSET', KEYS[1], unpack(ARGV, first))
end
redis.call('HSET', KEYS[1], 'last_seen', now)
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[3], now, ARGV[1])
redis.call('EXPIRE', KEYS[3], ARGV[2])
return {'done'}
)");

// ARGV: id, ttl, instance, generation, channel, message, then names and values of the whole record,
// the first ones of them (how many: ARGV[7]) being what a move changes.
inline const redis::Script move(R"(
if redis.call('EXISTS', KEYS[2]) == 1 then return {'deleted'} end
local r = redis.call('HMGET', KEYS[1],
  'owner', 'generation', 'created', 'path', 'host', 'protocol', 'principal', 'last_seen',
  'backend_session')
if r[1] and (tonumber(r[2]) or 0) >= tonumber(ARGV[4]) then
  for i = 1, 9 do r[i] = r[i] or '' end
  return {'other', unpack(r)}
end
local now = redis.call('TIME')[1]
local last = #ARGV
if r[1] then last = 7 + 2 * tonumber(ARGV[7]) end
redis.call('HSET', KEYS[1], 'instance', ARGV[3], 'last_seen', now, unpack(ARGV, 8, last))
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[3], now, ARGV[1])
redis.call('EXPIRE', KEYS[3], ARGV[2])
redis.call('PUBLISH', ARGV[5], ARGV[6])
return {'done'}
)");

// ARGV: id, ttl, channel, message
inline const redis::Script remove(R"(
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], '1', 'EX', ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return {'done'}
)");

// KEYS: expiry. ARGV: idle, how many, what session keys begin with, channel, what messages begin
// with. An id whose record is gone is only taken off the set.
inline const redis::Script take_expired(R"(
local now = tonumber(redis.call('TIME')[1])
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[1]),
  'LIMIT', 0, tonumber(ARGV[2]))
local out = {}
for _, id in ipairs(ids) do
  local key = ARGV[3] .. ':' .. id
  local r = redis.call('HMGET', key,
    'owner', 'generation', 'created', 'path', 'host', 'protocol', 'principal', 'last_seen',
    'backend_session')
  redis.call('ZREM', KEYS[1], id)
  if r[1] then
    redis.call('DEL', key)
    redis.call('PUBLISH', ARGV[4], ARGV[5] .. id)
    out[#out + 1] = id
    for i = 1, 9 do out[#out + 1] = r[i] or '' end
  end
end
return out
)");

// KEYS: lock. ARGV: instance
inline const redis::Script unlock(R"(
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
)");

}  // namespace mcplb::session::script
