#include <array>
#include <cstdint>
#include <new>

#include "mcplb/async/task.hpp"

// Sanitizers must see every allocation, so the free lists are left out of their builds.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MCPLB_POOL_FRAMES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MCPLB_POOL_FRAMES 0
#endif
#endif
#ifndef MCPLB_POOL_FRAMES
#define MCPLB_POOL_FRAMES 1
#endif

namespace mcplb {

#if MCPLB_POOL_FRAMES
namespace {

constexpr std::size_t class_bytes = 16;
constexpr std::size_t classes = 256;  // frames beyond 4 KiB are rare and go to the heap
constexpr std::size_t kept_bytes_max = 256 * 1024;  // of each size

struct FreeFrame {
  FreeFrame* next;
};

struct FramePool {
  struct Class {
    FreeFrame* first = nullptr;
    std::uint32_t count = 0;
  };
  std::array<Class, classes> by_size;

  FramePool() = default;
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;
  ~FramePool() {
    for (Class& list : by_size) {
      while (list.first != nullptr) {
        FreeFrame* const frame = list.first;
        list.first = frame->next;
        ::operator delete(frame);
      }
    }
  }
};

thread_local FramePool frames;

}  // namespace

void* take_frame(std::size_t bytes) {
  const std::size_t index = (bytes - 1) / class_bytes;
  if (index >= classes) return ::operator new(bytes);
  FramePool::Class& list = frames.by_size[index];
  if (list.first == nullptr) return ::operator new((index + 1) * class_bytes);
  FreeFrame* const frame = list.first;
  list.first = frame->next;
  --list.count;
  return frame;
}

void give_back_frame(void* frame, std::size_t bytes) {
  const std::size_t index = (bytes - 1) / class_bytes;
  if (index >= classes || frames.by_size[index].count * bytes >= kept_bytes_max) {
    ::operator delete(frame);
    return;
  }
  FramePool::Class& list = frames.by_size[index];
  list.first = new (frame) FreeFrame{list.first};
  ++list.count;
}
#else
void* take_frame(std::size_t bytes) { return ::operator new(bytes); }
void give_back_frame(void* frame, std::size_t /*bytes*/) { ::operator delete(frame); }
#endif

}  // namespace mcplb
