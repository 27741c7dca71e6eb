// A Redis that knows what our scripts do, by the words that only they have. Its data may be shared
// by several connections.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "support/fake_store.hpp"

namespace mcplb::redis {

class PlayedRedis {
 public:
  // Answers what a connection asks, until it asks nothing more.
  bool serve(FakeStore& net) {
    if (net.pipes.empty()) return false;
    const std::string bytes = net.server().take();
    if (bytes.empty() || away) return false;
    for (const auto& command : commands_of(bytes))
      net.server().post(reply_to(command));
    return true;
  }

  std::map<std::string, std::map<std::string, std::string>> hashes;
  std::set<std::string> tombstones;
  std::map<std::string, std::string> locks;
  std::vector<std::string> published;
  bool away = false;  // says nothing

 private:
  using Words = std::vector<std::string>;

  static std::vector<Words> commands_of(std::string_view bytes) {
    const auto number = [&bytes] {
      const std::size_t end = bytes.find("\r\n");
      const int value = std::stoi(std::string(bytes.substr(1, end - 1)));
      bytes.remove_prefix(end + 2);
      return static_cast<std::size_t>(value);
    };
    std::vector<Words> commands;
    while (!bytes.empty()) {
      Words& words = commands.emplace_back(number());
      for (std::string& word : words) {
        const std::size_t size = number();
        word = bytes.substr(0, size);
        bytes.remove_prefix(size + 2);
      }
    }
    return commands;
  }

  std::string reply_to(const Words& words) {
    const std::string& verb = words[0];
    if (verb == "PING") return "+PONG\r\n";
    if (verb == "INFO") return bulk("# Cluster\r\ncluster_enabled:0\r\n");
    if (verb == "SCRIPT") return bulk(name_of(words[2]));
    if (verb == "SET") return locks.try_emplace(words[1], words[2]).second ? "+OK\r\n" : "$-1\r\n";
    MCPLB_ASSERT(verb == "EVALSHA");
    const std::string& script = words[1];
    if (script == "unlock") {
      if (locks[words[3]] == words[4]) locks.erase(words[3]);
      return ":1\r\n";
    }
    return array(run(script, words[3], words[4], Words(words.begin() + 6, words.end())));
  }

  static std::string name_of(std::string_view source) {
    const auto has = [&](std::string_view text) { return source.find(text) != source.npos; };
    if (has("HGETALL")) return "load";
    if (has("'other', unpack")) return "move";
    if (has("ZADD")) return "put";
    if (has("HMGET")) return "find";
    return "unlock";
  }

  Words run(const std::string& script, const std::string& key, const std::string& tombstone,
            const Words& arguments) {
    if (tombstones.count(tombstone) > 0) return {"deleted"};
    const bool present = hashes.count(key) > 0;
    if (script == "find") return present ? with("present", hashes[key]) : Words{"absent"};
    if (script == "load") {
      if (!present) return {"absent"};
      Words all{"present"};
      for (const auto& [name, value] : hashes[key]) {
        all.push_back(name);
        all.push_back(value);
      }
      return all;
    }
    MCPLB_ASSERT(script == "move");
    if (present && std::stoi(hashes[key]["generation"]) >= std::stoi(arguments[3])) {
      return with("other", hashes[key]);
    }
    const std::size_t last = present ? 7 + 2 * std::stoul(arguments[6]) : arguments.size();
    for (std::size_t i = 7; i + 1 < last; i += 2)
      hashes[key][arguments[i]] = arguments[i + 1];
    published.push_back(arguments[5]);
    return {"done"};
  }

  static Words with(const char* verdict, std::map<std::string, std::string>& hash) {
    Words words{verdict};
    for (const char* name : {"owner", "generation", "created", "path", "host", "protocol",
                             "principal", "last_seen", "backend_session"})
      words.push_back(hash[name]);
    return words;
  }
};

}  // namespace mcplb::redis
