#include "workers.hpp"

#include <zmq.h>

#include <algorithm>
#include <utility>

namespace backplane::palm {

namespace {

constexpr auto upkeep_period = std::chrono::milliseconds(500);
// Workers that may answer a job with nothing look as if they were stuck: they get more at this pace at least.
constexpr auto quick_upkeep_period = std::chrono::milliseconds(50);
constexpr std::int64_t quick_patience = 100'000'000;  // ns; see above
constexpr int most_for_all = 16;  // jobs per worker in the PUSH socket for all: few, so that others get some

Jobs::Limits job_limits(const Host& host) {
  Jobs::Limits limits;
  limits.window = host.option("window");
  limits.patience = std::chrono::nanoseconds(host.option("patience")).count();
  limits.one_answer = host.option("answers") == "one";
  if (!limits.one_answer) limits.patience = std::min(limits.patience, quick_patience);
  return limits;
}

}  // namespace

// ---- the links ----------------------------------------------------------------------------------------

WorkerLinks::WorkerLinks(Host host, Jobs& jobs, Events events)
    : host_(host),
      jobs_(jobs),
      events_(std::move(events)),
      plan_(host, "push"),
      heartbeat_(std::chrono::nanoseconds(host.option("heartbeat_interval")).count()),
      heartbeat_timeout_(std::chrono::nanoseconds(host.option("heartbeat_timeout")).count()),
      handshake_(std::chrono::nanoseconds(host.option("handshake_interval")).count()),
      refused_(host, "refused_workers", "connections at the workers' address that were ended") {
  if (heartbeat_timeout_ == 0) heartbeat_timeout_ = heartbeat_;
}

void WorkerLinks::start() {
  const auto& endpoints = plan_.endpoints();
  const bool tcp = std::all_of(endpoints.begin(), endpoints.end(),
                               [](const auto& endpoint) { return endpoint.starts_with("tcp://"); });
  if (tcp && !plan_.keys().is_server()) {
    socket_.emplace(host_, ZMQ_STREAM, plan_, [](void* socket) {
      zmq::set_option(socket, "push", ZMQ_SNDHWM, 0);  // jobs are counted here
      zmq::set_option(socket, "push", ZMQ_RCVHWM, 0);
    });
    upkeep_ = host_.every(upkeep_period, [this] { look_after(); });
  } else {
    socket_.emplace(host_, ZMQ_PUSH, plan_,
                    [](void* socket) { zmq::set_option(socket, "push", ZMQ_SNDHWM, most_for_all); });
    for_all_ = jobs_.open(host_.now(), true);
  }
  watch_ = host_.watch_socket(socket_->get(), for_all_ == 0 ? BP_READABLE | BP_ALWAYS : 0U,
                              [this](std::uint32_t events) {
                                if ((events & BP_READABLE) != 0) read();
                                if ((events & BP_WRITABLE) == 0 || !std::exchange(waiting_, false)) return;
                                watch_.events(0);
                                events_.room();
                              });
}

void WorkerLinks::stop() {
  upkeep_.end();
  watch_.end();
  workers_.clear();
  by_link_.clear();
  socket_.reset();
}

// What a STREAM socket brings: [routing id, bytes]; no bytes: the connection has begun, or has ended.
void WorkerLinks::read() {
  while (true) {
    Message chunk = host_.message();
    do {
      if (zmq_msg_recv(chunk.add_empty(), socket_->get(), ZMQ_DONTWAIT) < 0) return;
    } while (zmq_msg_more(chunk.raw(chunk.size() - 1)) != 0);
    if (chunk.size() == 2) take(chunk);
  }
}

void WorkerLinks::take(Message& chunk) {
  const std::string id(chunk[0]);
  const auto known = workers_.find(id);
  if (!chunk[1].empty()) {
    if (known != workers_.end()) hear(known, chunk[1]);
    return;
  }
  if (known != workers_.end()) return lose(known);
  const char* address = zmq_msg_gets(chunk.raw(1), "Peer-Address");
  greet(id, address == nullptr ? "" : address);
}

void WorkerLinks::greet(const std::string& id, std::string_view address) {
  auto& worker = workers_[id];
  worker.began = worker.last_sign = host_.now();
  worker.address = address;
  if (!plan_.allow_list().empty() && !plan_.allow_list().allows(worker.address, {}))
    return disconnect(workers_.find(id), "its address is not on the allow-list");
  write(id, PushPeer::greeting());
}

void WorkerLinks::hear(Workers::iterator at, std::string_view bytes) {
  auto& worker = at->second;
  worker.last_sign = host_.now();
  const auto answer = worker.peer.take(bytes);
  if (!answer.empty()) write(at->first, answer);
  if (worker.peer.state() == PushPeer::State::failed) return disconnect(at, worker.peer.why());
  if (worker.link != 0 || worker.peer.state() != PushPeer::State::ready) return;
  worker.link = jobs_.open(host_.now());
  by_link_.emplace(worker.link, at->first);
  host_.log(Severity::debug, "a worker has come from " + worker.address);
  events_.room();
}

void WorkerLinks::lose(Workers::iterator at) {
  const auto link = at->second.link;
  host_.log(Severity::debug, "a worker at " + at->second.address + " has gone");
  workers_.erase(at);
  if (link == 0) return;
  by_link_.erase(link);
  events_.gone(link);
}

// An empty chunk ends a connection.
void WorkerLinks::disconnect(Workers::iterator at, const std::string& why) {
  refused_.happened("a peer at " + at->second.address + " is disconnected: " + why);
  write(at->first, {});
  lose(at);
}

// Ends connections that say nothing for too long, and asks the others to say something.
void WorkerLinks::look_after() {
  const auto now = host_.now();
  const bool beat = heartbeat_ > 0 && now - last_heartbeat_ >= heartbeat_;
  if (beat) last_heartbeat_ = now;
  for (auto next = workers_.begin(); next != workers_.end();) {
    const auto at = next++;
    const auto& worker = at->second;
    if (worker.link == 0 && handshake_ > 0 && now - worker.began > handshake_) {
      disconnect(at, "it does not finish the handshake");
    } else if (worker.link != 0 && heartbeat_ > 0 &&
               now - worker.last_sign > heartbeat_ + heartbeat_timeout_) {
      disconnect(at, "it does not answer heartbeats");
    } else if (beat && worker.link != 0) {
      write(at->first, PushPeer::ping());
    }
  }
}

bool WorkerLinks::send(Jobs::LinkId link, const Message& job) {
  if (link != for_all_) return write_job(by_link_.at(link), job);
  Message copy = job.copy();
  if (zmq::send_message(socket_->get(), copy)) return true;
  wait_for_room();
  return false;
}

bool WorkerLinks::write_job(const std::string& id, const Message& job) {
  const auto body = job[job.size() - 1];
  const FrameHeader header(body.size(), false);
  constexpr std::size_t worth_two_chunks = 1024;  // bytes: smaller bodies are copied behind their header
  if (body.size() < worth_two_chunks) {
    zmq::Frame both;
    zmq_msg_init_size(both.raw(), header.view().size() + body.size());
    auto* bytes = static_cast<char*>(zmq_msg_data(both.raw()));
    std::copy(header.view().begin(), header.view().end(), bytes);
    std::copy(body.begin(), body.end(), bytes + header.view().size());
    return write_frame(id, both.raw());
  }
  Message copy = job.copy();
  return write(id, header.view()) && write_frame(id, copy.raw(copy.size() - 1));
}

bool WorkerLinks::write(const std::string& id, std::string_view bytes) {
  zmq::Frame frame(bytes);
  return write_frame(id, frame.raw());
}

// False: the connection has just ended; its end is on its way to read().
bool WorkerLinks::write_frame(const std::string& id, zmq_msg_t* frame) {
  return zmq_send(socket_->get(), id.data(), id.size(), ZMQ_DONTWAIT | ZMQ_SNDMORE) >= 0 &&
         zmq_msg_send(frame, socket_->get(), ZMQ_DONTWAIT) >= 0;
}

void WorkerLinks::wait_for_room() {
  if (!std::exchange(waiting_, true)) watch_.events(BP_WRITABLE);
}

// ---- the component ------------------------------------------------------------------------------------

PushPull::PushPull(Host host)
    : host_(host),
      one_answer_(host.option("answers") == "one"),
      job_timeout_(std::chrono::nanoseconds(host.option("job_timeout")).count()),
      settle_(host.option("settle")),
      attempts_(host.option("attempts")),
      error_payload_(host.option("error_payload")),
      guard_(host),
      jobs_(job_limits(host)),
      links_(host, jobs_,
             {[this](Jobs::LinkId link) { worker_gone(link); },
              [this] {
                room();
                tell();
              }}),
      pull_plan_(host, "pull"),
      receiver_(host),
      results_(host.counter("results", "results that came from workers")),
      resent_(host.counter("resent", "jobs that were sent again because their worker had gone")),
      duplicates_(host.counter("duplicates", "second results of jobs that were sent again, dropped")),
      given_up_(host.counter("given_up", "jobs that no worker answered, answered with an error")),
      workers_(host.gauge("workers", "workers that are connected")),
      outstanding_(host.gauge("outstanding", "jobs that workers have and have not answered")) {}

void PushPull::start() {
  pull_.emplace(host_, ZMQ_PULL, pull_plan_);
  pull_watch_ =
      host_.watch_socket(pull_->get(), BP_READABLE | BP_ALONE, [this](std::uint32_t) { take_results(); });
  links_.start();
  upkeep_ = host_.every(one_answer_ ? upkeep_period : quick_upkeep_period, [this] { look_after_jobs(); });
}

void PushPull::stop() {
  settling_.end();
  upkeep_.end();
  pull_watch_.end();
  links_.stop();
  const auto left = jobs_.take_all();
  if (!left.empty() && one_answer_)
    host_.warn(std::to_string(left.size()) + " jobs are not answered by their workers");
  pull_.reset();
}

Taken PushPull::on_message(Message& message) {
  if (guard_.turns_back(message)) return Taken::yes;
  if (!send_given_back()) {
    busy_ = true;
    return Taken::busy;
  }
  keep_last_frame(message);
  const auto link = jobs_.choose();
  if (link == 0 || !links_.send(link, message)) {
    busy_ = true;
    return Taken::busy;
  }
  Jobs::Job job;
  job.key = key_of(read_message(message));
  const bp_envelope request = message.envelope();
  job.message = std::move(message);
  forget_asker(job.message);
  jobs_.sent(link, std::move(job), host_.now());
  acknowledge(host_, request);
  tell();
  return Taken::yes;
}

// False: some of them still wait for a worker.
bool PushPull::send_given_back() {
  while (auto job = jobs_.take_given_back()) {
    if (job->attempts >= attempts_) {
      jobs_.abandon(*job);
      give_up(std::move(job->message), std::to_string(job->attempts) + " workers did not answer it");
      continue;
    }
    if (!send(std::move(*job))) return false;
    resent_.add();
  }
  return true;
}

bool PushPull::send(Jobs::Job job) {
  const auto link = jobs_.choose();
  if (link == 0 || !links_.send(link, job.message)) {
    jobs_.put_back(std::move(job));
    return false;
  }
  jobs_.sent(link, std::move(job), host_.now());
  return true;
}

void PushPull::give_up(Message message, const std::string& why) {
  given_up_.add();
  host_.warn("a job is given up: " + why);
  make_error(message, read_message(message), error_payload_, function_failed, why);
  host_.send(std::move(message));
}

void PushPull::take_results() {
  receiver_.run(pull_->get(), [this](Message message) {
    take_result(std::move(message));
    return true;
  });
  tell();
  room();
}

void PushPull::take_result(Message message) {
  if (message.size() != 1) return receiver_.malformed("a result of several frames; expected 1");
  try {
    const auto fields = read_message(message);
    results_.add();
    const int descriptor = zmq_msg_get(message.raw(0), ZMQ_SRCFD);
    if (jobs_.answered(key_of(fields), descriptor, host_.now()) == Jobs::Match::duplicate)
      return duplicates_.add();
  } catch (const Malformed& error) {
    return receiver_.malformed(error.what());
  }
  host_.send(std::move(message));
}

// Results that it sent before it went may still be on their way. One that goes while another is waited for
// waits shorter: if workers come and go all the time, the jobs of the first must not wait for ever.
void PushPull::worker_gone(Jobs::LinkId link) {
  jobs_.close(link);
  tell();
  room();
  if (settling_.active()) return;
  settling_ = host_.after(settle_, [this] {
    settling_.end();
    take_results();
    jobs_.give_back();
    if (send_given_back()) room();
    tell();
  });
}

void PushPull::look_after_jobs() {
  const auto now = host_.now();
  jobs_.be_patient(now);
  if (job_timeout_ > 0) {
    auto late = jobs_.take_sent_before(now - job_timeout_);
    while (!late.empty()) {  // from the back: each is put in front
      jobs_.put_back(std::move(late.back()));
      late.pop_back();
    }
  }
  if (jobs_.has_given_back()) send_given_back();
  room();
  tell();
}

void PushPull::room() {
  if (jobs_.has_given_back() && !send_given_back()) return;
  if (std::exchange(busy_, false)) host_.resume();
}

void PushPull::tell() {
  workers_.set(static_cast<std::int64_t>(links_.workers()));
  outstanding_.set(static_cast<std::int64_t>(jobs_.outstanding()));
  host_.holding(one_answer_ ? jobs_.outstanding() : 0);
}

}  // namespace backplane::palm
