#include "mcplb/base/buffer.hpp"

#include <cstring>
#include <string>

#include <doctest/doctest.h>

#include "mcplb/base/limits.hpp"

using namespace mcplb;

namespace {

constexpr std::size_t block_bytes = 16;

void fill(Buffer& buffer, std::string_view bytes) {
  const Buffer::Room room = buffer.prepare();
  REQUIRE(room.size >= bytes.size());
  std::memcpy(room.data, bytes.data(), bytes.size());
  buffer.commit(bytes.size());
}

}  // namespace

TEST_SUITE("base/buffer") {
  TEST_CASE("gives out what was committed and not consumed") {
    BufferPool pool(block_bytes);
    Buffer buffer(pool);
    CHECK(buffer.empty());
    CHECK(buffer.unread().empty());
    fill(buffer, "abc");
    fill(buffer, "def");
    CHECK(buffer.unread() == "abcdef");
    buffer.consume(2);
    CHECK(buffer.unread() == "cdef");
    CHECK(buffer.size() == 4);
    CHECK(std::string_view(buffer.data(), 4) == "cdef");
  }

  TEST_CASE("is full with one block of unread bytes and offers no room then") {
    BufferPool pool(block_bytes);
    Buffer buffer(pool);
    fill(buffer, std::string(block_bytes, 'x'));
    CHECK(buffer.full());
    CHECK(buffer.prepare().size == 0);
    buffer.consume(1);
    CHECK_FALSE(buffer.full());
  }

  TEST_CASE("moves unread bytes to the front when the tail has become short") {
    BufferPool pool(block_bytes);
    Buffer buffer(pool);
    fill(buffer, "0123456789abcdef");
    buffer.consume(12);
    CHECK(buffer.prepare().size == block_bytes - 4);
    CHECK(buffer.unread() == "cdef");
    fill(buffer, "0123456789ab");
    CHECK(buffer.unread() == "cdef0123456789ab");
    CHECK(buffer.full());
  }

  TEST_CASE("leaves unread bytes in place while the tail is long") {
    BufferPool pool(block_bytes);
    Buffer buffer(pool);
    fill(buffer, "abcd");
    buffer.consume(2);
    const char* const before = buffer.data();
    CHECK(buffer.prepare().size == block_bytes - 4);
    CHECK(buffer.data() == before);
  }

  TEST_CASE("holds no block when nothing is unread") {
    BufferPool pool(block_bytes);
    Buffer one(pool);
    fill(one, "abc");
    const char* const block = one.data();
    one.consume(3);
    // The same block serves the next buffer.
    Buffer two(pool);
    fill(two, "def");
    CHECK(two.data() == block);
  }

  TEST_CASE("gives back a block that was prepared for a read which brought nothing") {
    BufferPool pool(block_bytes);
    Buffer one(pool);
    const char* const block = one.prepare().data;
    one.release_if_empty();
    Buffer two(pool);
    CHECK(two.prepare().data == block);
    two.release_if_empty();
  }

  TEST_CASE("clear() forgets what is unread") {
    BufferPool pool(block_bytes);
    Buffer buffer(pool);
    fill(buffer, "abc");
    buffer.clear();
    CHECK(buffer.empty());
    fill(buffer, "d");
    CHECK(buffer.unread() == "d");
  }
}

TEST_SUITE("base/buffer_pool") {
  TEST_CASE("hands out the block that was given back last") {
    BufferPool pool(block_bytes);
    auto first = pool.take();
    auto second = pool.take();
    const char* const warm = second.get();
    pool.give_back(std::move(first));
    pool.give_back(std::move(second));
    CHECK(pool.take().get() == warm);
  }

  TEST_CASE("takes back more blocks than it keeps") {
    BufferPool pool(block_bytes);
    for (std::size_t i = 0; i < limits::buffer_blocks_kept + 10; ++i) {
      pool.give_back(std::unique_ptr<char[]>(new char[block_bytes]));
    }
    CHECK(pool.take() != nullptr);
  }
}
