// How the sessions of one directory were opened. Clients of one kind open theirs with the same
// words, so each is kept once, for as long as a session refers to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "mcplb/mcp/opening.hpp"
#include "mcplb/session/directory.hpp"

namespace mcplb::session {

// Thread-safe. Nothing is locked under its lock.
class Directory::Openings {
 public:
  // A number for it, which one more session refers to; 0 when it is not kept: it is beyond
  // limits::session_opening_bytes_max, or all are beyond session_openings_bytes_max.
  std::uint32_t keep(mcp::Opening opening);
  // One session less. 0 is nobody's.
  void let_go(std::uint32_t number);
  std::shared_ptr<const mcp::Opening> get(std::uint32_t number) const;

 private:
  struct Slot {
    std::shared_ptr<const mcp::Opening> opening;  // null: free
    std::uint64_t hash = 0;
    std::uint32_t sessions = 0;
  };
  std::uint32_t find(std::uint64_t hash, const mcp::Opening& opening) const;

  mutable std::mutex mutex_;
  std::vector<Slot> slots_{1};  // the first stands for "not known"
  std::vector<std::uint32_t> free_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> by_hash_;
  std::size_t bytes_ = 0;
};

}  // namespace mcplb::session
