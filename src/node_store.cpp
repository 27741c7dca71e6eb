#include "node_store.hpp"

#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"

namespace mcplb {
namespace {

using redis::Reply;

// KEYS: the node, the set. ARGV: id, "registered" or "heard", ms to keep, name, url, pools, weight,
// ms since then.
// A heartbeat neither brings a removed node back nor says what the node is: another balancer may
// know better.
const redis::Script save_script(R"(
if ARGV[2] == 'heard' and redis.call('HEXISTS', KEYS[1], 'removed') == 1 then return {'removed'} end
local t = redis.call('TIME')
local seen = t[1] * 1000 + math.floor(t[2] / 1000) - tonumber(ARGV[8])
if ARGV[2] == 'heard' and redis.call('HEXISTS', KEYS[1], 'url') == 1 then
  redis.call('HSET', KEYS[1], 'seen', string.format('%.0f', seen))
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return {'done'}
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'name', ARGV[4], 'url', ARGV[5], 'pools', ARGV[6], 'weight', ARGV[7],
  'seen', string.format('%.0f', seen))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('SADD', KEYS[2], ARGV[1])
return {'done'}
)");

// KEYS: the node, the set. ARGV: id, ms to keep.
const redis::Script remove_script(R"(
local t = redis.call('TIME')
local now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'removed', '1', 'seen', now)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SADD', KEYS[2], ARGV[1])
return {'done'}
)");

// KEYS: the set. ARGV: what the keys of nodes begin with, how many bytes the answer may have.
// Answers with seven texts a node. An id whose node has expired is only taken off the set.
const redis::Script load_script(R"(
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local out = {}
local left = tonumber(ARGV[2])
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local r = redis.call('HMGET', ARGV[1] .. id, 'name', 'url', 'pools', 'weight', 'removed', 'seen')
  if not r[6] then
    redis.call('SREM', KEYS[1], id)
  else
    local age = string.format('%.0f', math.max(0, now - tonumber(r[6])))
    local row = {id, r[1] or '', r[2] or '', r[3] or '', r[4] or '', r[5] or '', age}
    for _, value in ipairs(row) do left = left - #value - 16 end
    if left < 0 then break end
    for _, value in ipairs(row) do out[#out + 1] = value end
  end
end
return out
)");
constexpr std::size_t values_per_node = 7;
constexpr std::size_t loaded_bytes_max = limits::redis_reply_bytes_max / 2;

Error not_understood() {
  return {Error::Kind::malformed, Error::Side::self, 0, "the store's answer is not understood"};
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    text += (text.empty() ? "" : ",") + name;
  return text;
}

cluster::NodeStore::Stored stored_of(const std::vector<Reply>& values, std::size_t at) {
  cluster::NodeStore::Stored stored;
  stored.node.id = values[at].text;
  stored.node.name = values[at + 1].text;
  stored.node.url = values[at + 2].text;
  for_each_list_element(values[at + 3].text, [&stored](std::string_view pool) {
    stored.node.pools.emplace_back(pool);
    return true;
  });
  stored.node.weight = static_cast<std::uint32_t>(parse_decimal(values[at + 4].text).value_or(0));
  stored.removed = !values[at + 5].text.empty();
  stored.age = milliseconds(parse_decimal(values[at + 6].text).value_or(0));
  return stored;
}

}  // namespace

Task<Result<Reply>> RedisNodeStore::run(const redis::Script& script,
                                        redis::Client::ScriptCall call) {
  const Deadline deadline = client_.in_time();
  auto reply = co_await client_.script(script, std::move(call), deadline);
  if (!reply) co_return reply.error();
  if (!reply->is_array()) co_return not_understood();
  co_return std::move(*reply);
}

Task<Result<bool>> RedisNodeStore::save(cluster::Node node, Heard heard, milliseconds keep) {
  redis::Client::ScriptCall call;
  call.keys = {key(node.id), prefix_ + ":nodes"};
  call.arguments = {node.id,
                    heard.registered ? "registered" : "heard",
                    std::to_string(keep.count()),
                    node.name,
                    node.url,
                    joined(node.pools),
                    std::to_string(node.weight),
                    std::to_string(heard.age.count())};
  auto reply = co_await run(save_script, std::move(call));
  if (!reply) co_return reply.error();
  if (reply->elements.empty()) co_return not_understood();
  co_return reply->elements.front().text == "done";
}

Task<Result<void>> RedisNodeStore::remove(std::string id, milliseconds keep) {
  redis::Client::ScriptCall call;
  call.keys = {key(id), prefix_ + ":nodes"};
  call.arguments = {id, std::to_string(keep.count())};
  auto reply = co_await run(remove_script, std::move(call));
  if (!reply) co_return reply.error();
  co_return {};
}

Task<Result<std::vector<cluster::NodeStore::Stored>>> RedisNodeStore::load() {
  redis::Client::ScriptCall call;
  call.keys = {prefix_ + ":nodes"};
  call.arguments = {prefix_ + ":node:", std::to_string(loaded_bytes_max)};
  auto reply = co_await run(load_script, std::move(call));
  if (!reply) co_return reply.error();
  if (reply->elements.size() % values_per_node != 0) co_return not_understood();
  std::vector<Stored> nodes;
  for (std::size_t at = 0; at < reply->elements.size(); at += values_per_node)
    nodes.push_back(stored_of(reply->elements, at));
  co_return nodes;
}

}  // namespace mcplb
