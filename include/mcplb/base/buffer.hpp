// Read buffers: fixed blocks from a pool, so that a connection with nothing unread holds none.
// One pool per loop, used on that loop's thread only.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace mcplb {

// Hands out blocks of one size and keeps a bounded number of returned ones, the warmest first.
// Owned by the loop; outlives every Buffer made on it.
class BufferPool {
 public:
  explicit BufferPool(std::size_t block_bytes) : block_bytes_(block_bytes) {}
  std::size_t block_bytes() const { return block_bytes_; }
  std::unique_ptr<char[]> take();
  void give_back(std::unique_ptr<char[]> block);

 private:
  std::size_t block_bytes_;
  std::vector<std::unique_ptr<char[]>> spare_;
};

// Unread bytes, contiguous, at most one block. Holds a block only while bytes are unread or a
// read is being filled.
class Buffer {
 public:
  explicit Buffer(BufferPool& pool) : pool_(pool) {}
  ~Buffer() { clear(); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::string_view unread() const { return {block_.get() + begin_, end_ - begin_}; }
  // The same bytes, writable: body decoding happens in place.
  char* data() { return block_.get() + begin_; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  bool full() const { return size() == pool_.block_bytes(); }

  // Room for the next read: the free tail of the block, after moving the unread bytes to its
  // front when the tail has become short. Invalidates earlier views. Empty when full().
  struct Room {
    char* data;
    std::size_t size;
  };
  Room prepare();
  void commit(std::size_t read) { end_ += read; }
  // Gives the block back when nothing is unread; called after a read that brought nothing.
  void release_if_empty() {
    if (empty()) clear();
  }
  void consume(std::size_t bytes);
  void clear();

 private:
  BufferPool& pool_;
  std::unique_ptr<char[]> block_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace mcplb
