#include "mcplb/base/buffer.hpp"

#include <cstring>

#include "mcplb/base/assert.hpp"
#include "mcplb/base/limits.hpp"

namespace mcplb {

std::unique_ptr<char[]> BufferPool::take() {
  if (spare_.empty()) return std::unique_ptr<char[]>(new char[block_bytes_]);
  auto block = std::move(spare_.back());
  spare_.pop_back();
  return block;
}

void BufferPool::give_back(std::unique_ptr<char[]> block) {
  if (spare_.size() < limits::buffer_blocks_kept) spare_.push_back(std::move(block));
}

Buffer::Room Buffer::prepare() {
  if (!block_) block_ = pool_.take();
  const std::size_t capacity = pool_.block_bytes();
  const std::size_t tail = capacity - end_;
  if (begin_ > 0 && tail < capacity / 2) {
    std::memmove(block_.get(), data(), size());
    end_ -= begin_;
    begin_ = 0;
  }
  return {block_.get() + end_, capacity - end_};
}

void Buffer::consume(std::size_t bytes) {
  MCPLB_ASSERT(bytes <= size());
  begin_ += bytes;
  release_if_empty();
}

void Buffer::clear() {
  begin_ = 0;
  end_ = 0;
  if (block_) pool_.give_back(std::move(block_));
}

}  // namespace mcplb
