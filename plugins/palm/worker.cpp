#include "worker.hpp"

#include <zmq.h>

#include <utility>

namespace backplane::palm {

namespace {

// The server word of a worker's cache requests.
constexpr std::string_view any_server = "_";
constexpr auto look_up_again_after = std::chrono::seconds(1);

}  // namespace

Worker::Worker(Host host)
    : host_(host),
      push_address_(host.option("push_address").view()),
      pull_address_(host.option("pull_address").view()),
      db_(host, new_uuid(), std::string(any_server)),
      receiver_(host) {}

void Worker::publish(Functions& functions) {
  functions.add("get", &Worker::get, "The value of a key in the master's cache, nil when it is empty.",
                {"key"});
  functions.add("set", &Worker::set, "Keeps a value in the master's cache and returns its key.",
                {"value", {"key", ""}});
  functions.add("delete", &Worker::remove, "Forgets a key of the master's cache.", {"key"});
}

void Worker::start() {
  db_.start([this] { look_up_addresses(); });
  open_sockets();
}

void Worker::stop() {
  retry_.end();
  jobs_watch_.end();
  results_watch_.end();
  jobs_.reset();
  results_.reset();
  db_.stop();
}

// A master that came back may have other addresses than before. Both are known before either is used: a job
// of the new master has its result sent there.
void Worker::look_up_addresses() {
  const bool asks_push = !host_.option("push_address").present();
  const bool asks_pull = !host_.option("pull_address").present();
  const auto look_up = [this](const char* key, std::string& address, bool last) {
    db_.get(key, [this, key, &address, last](std::string_view found) {
      take_address(address, found, key);
      if (last) open_sockets();
    });
  };
  if (asks_push) look_up("worker_push_address", push_address_, !asks_pull);
  if (asks_pull) look_up("worker_pull_address", pull_address_, true);
}

void Worker::take_address(std::string& address, std::string_view found, std::string_view key) {
  if (!found.empty()) {
    address = found;
    return;
  }
  host_.warn("the server at the db address has no " + std::string(key) + ": it is no master; asking again");
  retry_ = host_.after(look_up_again_after, [this] { look_up_addresses(); });
}

// Only what has another address now is opened anew: the other socket may hold jobs or results.
void Worker::open_sockets() {
  if (push_address_.empty() || pull_address_.empty()) return;
  try {
    if (results_at_ != pull_address_) open_results();
    if (jobs_at_ != push_address_ && !draining_) open_jobs();
  } catch (const Error& error) {
    host_.warn(std::string("the master's addresses cannot be used: ") + error.what());
  }
}

void Worker::open_results() {
  results_at_.clear();
  results_watch_.end();
  results_.emplace(host_, ZMQ_PUSH, zmq::SocketPlan(host_, {pull_address_}));
  results_at_ = pull_address_;
  results_watch_ = host_.watch_socket(results_->get(), 0, [this](std::uint32_t) {
    waiting_ = false;
    results_watch_.events(0);
    host_.resume();
  });
  if (std::exchange(waiting_, false)) host_.resume();
}

void Worker::open_jobs() {
  jobs_at_.clear();
  jobs_watch_.end();
  jobs_.emplace(host_, ZMQ_PULL, zmq::SocketPlan(host_, {push_address_}));
  jobs_at_ = push_address_;
  jobs_watch_ = host_.watch_socket(jobs_->get(), BP_READABLE | BP_ALONE, [this](std::uint32_t) {
    receiver_.run(jobs_->get(), [this](Message job) {
      take_job(std::move(job));
      return true;
    });
  });
}

void Worker::take_job(Message job) {
  try {
    if (job.size() != 1) throw Malformed("a job of several frames; expected 1");
    read_message(job);
    host_.send(std::move(job));
  } catch (const Malformed& error) {
    receiver_.malformed(error.what());
  }
}

Taken Worker::on_message(Message& message) {
  keep_last_frame(message);
  read_message(message);  // what is none must not reach the master
  if (results_ && zmq::send_message(results_->get(), message)) return Taken::yes;
  waiting_ = true;
  if (results_) results_watch_.events(BP_WRITABLE);
  return Taken::busy;
}

void Worker::drain() {
  draining_ = true;
  jobs_watch_.end();
  jobs_.reset();
}

// ---- the master's cache -------------------------------------------------------------------------------

void Worker::get(Call<std::optional<Bytes>> call, std::string key) { cache_get(db_, call, key); }

void Worker::set(Call<std::string> call, const Value& value, const std::string& key) {
  cache_set(db_, call, value, key);
}

void Worker::remove(Call<bool> call, std::string key) { cache_delete(db_, call, key); }

}  // namespace backplane::palm
