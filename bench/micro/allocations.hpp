// Counts what this program asks the heap for. Its operator new replaces the standard one.
#pragma once

#include <cstdint>

namespace mcplb::bench {

struct HeapUse {
  std::uint64_t allocations = 0;  // so far
  std::int64_t bytes = 0;         // in use now, with what the allocator adds
};
// Of this thread.
HeapUse heap_use();

}  // namespace mcplb::bench
