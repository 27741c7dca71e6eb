// A doubly linked list whose nodes are members of the listed objects: linking costs no
// allocation, and an object that dies unlinks itself.
#pragma once

#include "mcplb/base/assert.hpp"

namespace mcplb {

class ListNode {
 public:
  ListNode() = default;
  ~ListNode() { unlink(); }
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;

  bool linked() const { return next_ != nullptr; }
  void unlink() {
    if (!linked()) return;
    previous_->next_ = next_;
    next_->previous_ = previous_;
    previous_ = nullptr;
    next_ = nullptr;
  }

 private:
  template <class T>
  friend class IntrusiveList;
  ListNode* previous_ = nullptr;
  ListNode* next_ = nullptr;
};

// T derives from ListNode. The list owns nothing; it must outlive its linked nodes or be emptied.
template <class T>
class IntrusiveList {
 public:
  IntrusiveList() {
    root_.previous_ = &root_;
    root_.next_ = &root_;
  }
  ~IntrusiveList() {
    while (!empty()) front().unlink();
    root_.previous_ = nullptr;
    root_.next_ = nullptr;
  }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  bool empty() const { return root_.next_ == &root_; }
  T& front() { return *static_cast<T*>(root_.next_); }
  T& back() { return *static_cast<T*>(root_.previous_); }
  void push_back(T& item) { insert(root_.previous_, item); }
  void push_front(T& item) { insert(&root_, item); }
  // Moves every node of `other` to the end of this list.
  void splice(IntrusiveList& other) {
    while (!other.empty()) {
      T& item = other.front();
      item.unlink();
      push_back(item);
    }
  }
  // `visit` may unlink the visited item, and no other.
  template <class Visit>
  void for_each(Visit visit) {
    for (ListNode* node = root_.next_; node != &root_;) {
      ListNode* next = node->next_;
      visit(*static_cast<T*>(node));
      node = next;
    }
  }

 private:
  void insert(ListNode* after, T& item) {
    ListNode& node = item;
    MCPLB_ASSERT(!node.linked());
    node.previous_ = after;
    node.next_ = after->next_;
    after->next_->previous_ = &node;
    after->next_ = &node;
  }

  ListNode root_;
};

}  // namespace mcplb
