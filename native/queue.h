// A first-in first-out queue in one vector: no allocation once it has grown to its usual length.
#pragma once

#include <cstddef>
#include <vector>

namespace hotspare {

template <typename T>
class Queue {
 public:
  bool empty() const { return head_ == items_.size(); }
  size_t size() const { return items_.size() - head_; }
  T& front() { return items_[head_]; }
  const T& front() const { return items_[head_]; }
  T& back() { return items_.back(); }
  void push(const T& item) { items_.push_back(item); }

  void pop() {
    if (++head_ == items_.size()) {
      clear();
    } else if (head_ >= kSlack && head_ * 2 >= items_.size()) {
      items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
  }

  void clear() {
    items_.clear();
    head_ = 0;
  }

 private:
  static constexpr size_t kSlack = 64;  // popped items that may stay before the rest moves up

  std::vector<T> items_;
  size_t head_ = 0;
};

}  // namespace hotspare
