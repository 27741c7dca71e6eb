// Backends that announced themselves, in Redis, where balancers that share it find each other's.
//
//   {prefix}:node:{id}  hash: name, url, pools (joined by commas), weight, seen (Unix ms), or
//                       removed; expires when nobody has heard of the node for long
//   {prefix}:nodes      set of the ids
//
// Times are the server's.
#pragma once

#include <string>
#include <vector>

#include "mcplb/cluster/registration.hpp"
#include "mcplb/redis/client.hpp"

namespace mcplb {

// Owned by the server, used on the control loop only. The client is of that loop and outlives it.
class RedisNodeStore final : public cluster::NodeStore {
 public:
  RedisNodeStore(redis::Client& client, std::string prefix)
      : client_(client),
        prefix_(std::move(prefix)) {}

  bool connected() const override { return client_.connected(); }
  Task<Result<bool>> save(cluster::Node node, Heard heard, milliseconds keep) override;
  Task<Result<void>> remove(std::string id, milliseconds keep) override;
  Task<Result<std::vector<Stored>>> load() override;

 private:
  std::string key(const std::string& id) const { return prefix_ + ":node:" + id; }
  Task<Result<redis::Reply>> run(const redis::Script& script, redis::Client::ScriptCall call);

  redis::Client& client_;
  const std::string prefix_;
};

}  // namespace mcplb
