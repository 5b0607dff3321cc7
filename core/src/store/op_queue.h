// The lock-free queue of operations into the writer. The only place that includes Boost.Lockfree.
#ifndef MILLRACE_STORE_OP_QUEUE_H_
#define MILLRACE_STORE_OP_QUEUE_H_

#include <boost/lockfree/queue.hpp>
#include <cstddef>

namespace millrace::store {

class WriteOp;
struct Waiter;

// An operation on its way; `waiter` is null if nobody waits for it.
struct QueuedOp {
  WriteOp* op = nullptr;
  Waiter* waiter = nullptr;
};

// First in, first out; fixed memory, allocated once. Any number of threads push; one at a time pops
// (whoever leads), which is also what makes the popping side free of data races: a node is not
// reused while it is being read.
class OpQueue {
 public:
  // At most 65,534.
  explicit OpQueue(size_t capacity) : queue_(capacity) {}

  // False if it is full, which Admission rules out.
  bool Push(const QueuedOp& item) { return queue_.bounded_push(item); }
  bool Pop(QueuedOp* item) { return queue_.pop(*item); }

 private:
  boost::lockfree::queue<QueuedOp, boost::lockfree::fixed_sized<true>> queue_;
};

}  // namespace millrace::store

#endif  // MILLRACE_STORE_OP_QUEUE_H_
