#include "micro/allocations.hpp"

#include <malloc.h>

#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

thread_local mcplb::bench::HeapUse use;
constexpr std::int64_t header_bytes = 8;  // of glibc, before each block

void* allocate(std::size_t bytes, std::size_t alignment) {
  void* const block = alignment > alignof(std::max_align_t)
                          ? std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment *
                                                              alignment)
                          : std::malloc(bytes);
  if (block == nullptr) std::abort();
  ++use.allocations;
  use.bytes += static_cast<std::int64_t>(malloc_usable_size(block)) + header_bytes;
  return block;
}

void give_back(void* block) {
  if (block == nullptr) return;
  use.bytes -= static_cast<std::int64_t>(malloc_usable_size(block)) + header_bytes;
  std::free(block);
}

}  // namespace

namespace mcplb::bench {
HeapUse heap_use() { return use; }
}  // namespace mcplb::bench

void* operator new(std::size_t bytes) { return allocate(bytes, 0); }
void* operator new[](std::size_t bytes) { return allocate(bytes, 0); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* block) noexcept { give_back(block); }
void operator delete[](void* block) noexcept { give_back(block); }
void operator delete(void* block, std::size_t) noexcept { give_back(block); }
void operator delete[](void* block, std::size_t) noexcept { give_back(block); }
void operator delete(void* block, std::align_val_t) noexcept { give_back(block); }
void operator delete[](void* block, std::align_val_t) noexcept { give_back(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { give_back(block); }
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept { give_back(block); }
