#include "mcplb/async/nursery.hpp"

#include <utility>

namespace mcplb {
namespace {

class TaskJob final : public Job {
 public:
  explicit TaskJob(Task<void> task) : given_(std::move(task)) {}

 private:
  Task<void> run() override { return std::move(given_); }
  Task<void> given_;
};

}  // namespace

void Job::cancel_soon() {
  if (nursery_ != nullptr) nursery_->cancel_soon(*this);
}

void Job::on_done(void* job) { static_cast<Job*>(job)->cancel_soon(); }

Nursery::~Nursery() {
  // Ending a job may spawn another.
  while (size_ > 0) destroy(running_.empty() ? doomed_.front() : running_.front());
}

Job& Nursery::spawn(std::unique_ptr<Job> job) {
  Job& spawned = *job.release();
  spawned.nursery_ = this;
  running_.push_back(spawned);
  ++size_;
  spawned.task_ = spawned.run();
  spawned.task_.start(&Job::on_done, &spawned);
  return spawned;
}

Job& Nursery::spawn(Task<void> task) { return spawn(std::make_unique<TaskJob>(std::move(task))); }

void Nursery::cancel_soon(Job& job) {
  if (job.doomed_) return;
  job.doomed_ = true;
  job.unlink();
  doomed_.push_back(job);
  queue_.defer(*this);
}

void Nursery::cancel_all_soon() {
  while (!running_.empty()) cancel_soon(running_.front());
}

void Nursery::run_deferred() {
  // Ending a job may doom others: they are taken in the same turn.
  while (!doomed_.empty()) destroy(doomed_.front());
}

void Nursery::destroy(Job& job) {
  job.unlink();
  --size_;
  job.doomed_ = true;
  job.task_.reset();
  const std::unique_ptr<Job> last_owner(&job);
}

}  // namespace mcplb
