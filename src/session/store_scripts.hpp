// What the store does in one step each. Lua that runs inside Redis; KEYS and ARGV are named at the
// top of each. `put` and `find` have KEYS: the session's record, its tombstone, the pool's expiry.
#pragma once

#include "mcplb/redis/command.hpp"

namespace mcplb::session::script {

// owner, generation, created, path, host, protocol, principal, last_seen: the values that `find`
// and `take_expired` answer with, in this order.
inline constexpr std::size_t record_values = 8;

inline const redis::Script find(R"(
if redis.call('EXISTS', KEYS[2]) == 1 then return {'deleted'} end
local r = redis.call('HMGET', KEYS[1],
  'owner', 'generation', 'created', 'path', 'host', 'protocol', 'principal', 'last_seen')
if not r[1] then return {'absent'} end
for i = 1, 8 do r[i] = r[i] or '' end
return {'present', unpack(r)}
)");

// ARGV: id, ttl, instance, owner, generation, created, path, host, protocol, principal
inline const redis::Script put(R"(
if redis.call('EXISTS', KEYS[2]) == 1 then return {'deleted'} end
local now = redis.call('TIME')[1]
local known = redis.call('HMGET', KEYS[1], 'owner', 'generation', 'protocol')
local mine = tonumber(ARGV[5])
local theirs = known[1] and tonumber(known[2]) or 0
if theirs > mine or (theirs == mine and known[1] ~= ARGV[4]) then return {'other'} end
if theirs < mine then
  redis.call('HSET', KEYS[1], 'owner', ARGV[4], 'generation', ARGV[5], 'instance', ARGV[3],
    'created', ARGV[6], 'path', ARGV[7], 'host', ARGV[8], 'protocol', ARGV[9],
    'principal', ARGV[10])
elseif ARGV[9] ~= '' and (not known[3] or known[3] == '') then
  redis.call('HSET', KEYS[1], 'protocol', ARGV[9])
end
redis.call('HSET', KEYS[1], 'last_seen', now)
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[3], now, ARGV[1])
redis.call('EXPIRE', KEYS[3], ARGV[2])
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
    'owner', 'generation', 'created', 'path', 'host', 'protocol', 'principal', 'last_seen')
  redis.call('ZREM', KEYS[1], id)
  if r[1] then
    redis.call('DEL', key)
    redis.call('PUBLISH', ARGV[4], ARGV[5] .. id)
    out[#out + 1] = id
    for i = 1, 8 do out[#out + 1] = r[i] or '' end
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
