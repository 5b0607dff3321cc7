// A queue of large values that keeps its memory.
#ifndef MILLRACE_BASE_FIFO_H_
#define MILLRACE_BASE_FIFO_H_

#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

namespace millrace {

// std::deque allocates each value above 512 bytes by itself. Where one thread puts them in and
// another takes them out, the two meet in the allocator's lock for every one. Thread-compatible.
template <typename T>
class Fifo {
 public:
  bool empty() const { return next_ == items_.size(); }
  size_t size() const { return items_.size() - next_; }
  // The oldest. There must be one.
  T& front() { return items_[next_]; }

  // What the value still holds goes at the latest when the queue is empty.
  void pop_front() {
    if (++next_ < items_.size()) return;
    next_ = 0;
    items_.clear();
    if (items_.capacity() > kKept) items_.shrink_to_fit();
  }

  // Moves all of *more to the end. *more is empty then and may have room to be filled again.
  void Append(std::vector<T>* more) {
    if (empty()) {
      items_.swap(*more);
    } else {
      if (next_ > items_.size() / 2) {  // fewer are moved than have gone
        items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(next_));
        next_ = 0;
      }
      items_.insert(items_.end(), std::make_move_iterator(more->begin()),
                    std::make_move_iterator(more->end()));
    }
    more->clear();
  }

 private:
  static constexpr size_t kKept = 256;  // values that there is room for while there are none

  std::vector<T> items_;
  size_t next_ = 0;
};

}  // namespace millrace

#endif  // MILLRACE_BASE_FIFO_H_
