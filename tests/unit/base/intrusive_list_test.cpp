#include "mcplb/base/intrusive_list.hpp"

#include <memory>
#include <string>

#include <doctest/doctest.h>

using namespace mcplb;

namespace {

struct Item : ListNode {
  explicit Item(char called) : name(called) {}
  char name;
};

std::string names(IntrusiveList<Item>& list) {
  std::string text;
  list.for_each([&](Item& item) { text += item.name; });
  return text;
}

}  // namespace

TEST_SUITE("base/intrusive_list") {
  TEST_CASE("keeps the order of pushing at either end") {
    IntrusiveList<Item> list;
    Item a('a');
    Item b('b');
    Item c('c');
    CHECK(list.empty());
    list.push_back(b);
    list.push_back(c);
    list.push_front(a);
    CHECK(names(list) == "abc");
    CHECK(list.front().name == 'a');
    CHECK(list.back().name == 'c');
  }

  TEST_CASE("an item that dies leaves the list") {
    IntrusiveList<Item> list;
    Item a('a');
    auto b = std::make_unique<Item>('b');
    Item c('c');
    list.push_back(a);
    list.push_back(*b);
    list.push_back(c);
    b.reset();
    CHECK(names(list) == "ac");
  }

  TEST_CASE("unlink() may be called twice, and the item linked again") {
    IntrusiveList<Item> list;
    IntrusiveList<Item> other;
    Item a('a');
    list.push_back(a);
    a.unlink();
    a.unlink();
    CHECK_FALSE(a.linked());
    CHECK(list.empty());
    other.push_back(a);
    CHECK(a.linked());
    CHECK(names(other) == "a");
  }

  TEST_CASE("a list that dies lets its items go") {
    Item a('a');
    {
      IntrusiveList<Item> list;
      list.push_back(a);
    }
    CHECK_FALSE(a.linked());
  }

  TEST_CASE("splice() moves everything to the end, in order") {
    IntrusiveList<Item> list;
    IntrusiveList<Item> other;
    Item a('a');
    Item b('b');
    Item c('c');
    list.push_back(a);
    other.push_back(b);
    other.push_back(c);
    list.splice(other);
    CHECK(names(list) == "abc");
    CHECK(other.empty());
    list.splice(other);
    CHECK(names(list) == "abc");
  }

  TEST_CASE("the visited item may be unlinked during a visit") {
    IntrusiveList<Item> list;
    Item a('a');
    Item b('b');
    Item c('c');
    list.push_back(a);
    list.push_back(b);
    list.push_back(c);
    list.for_each([](Item& item) {
      if (item.name != 'b') item.unlink();
    });
    CHECK(names(list) == "b");
  }
}
