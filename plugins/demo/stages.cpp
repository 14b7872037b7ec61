#include "stages.hpp"

#include <algorithm>

namespace backplane::demo {

namespace {

// Along the routes, or as the answer to its asker, or nowhere. True: bring no more until on_resume.
bool pass_on(const Host& host, Message message) {
  if (host.routed()) return host.send(std::move(message)) == Sent::pause;
  if (!message.wants_reply()) return false;
  Message answer = host.message();
  for (std::size_t i = 0; i < message.size(); ++i) answer.append(message.raw(i));
  host.reply(message.envelope(), std::move(answer));
  return false;
}

char upper(char letter) {
  return letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
}

// A frame's bytes may be shared with other messages, so the result is a new frame.
void make_upper(zmq_msg_t& frame) {
  const auto before = frame_view(frame);
  zmq_msg_t fresh;
  if (zmq_msg_init_size(&fresh, before.size()) != 0) throw std::bad_alloc();
  std::transform(before.begin(), before.end(), static_cast<char*>(zmq_msg_data(&fresh)), upper);
  zmq_msg_move(&frame, &fresh);
  zmq_msg_close(&fresh);
}

}  // namespace

Taken Upper::on_message(Message& message) {
  if (paused_) return Taken::busy;
  for (std::size_t i = 0; i < message.size(); ++i) make_upper(*message.raw(i));
  paused_ = pass_on(host_, std::move(message));
  return Taken::yes;
}

void Upper::on_resume() {
  paused_ = false;
  host_.resume();
}

void Slow::start() { done_ = host_.counter("done", "messages worked on"); }

Taken Slow::on_message(Message& message) {
  if (paused_ || jobs_.size() >= at_once_) {
    refusing_ = true;
    return Taken::busy;
  }
  jobs_.push_back({host_.now() + delay_.count(), std::move(message)});
  host_.holding(jobs_.size());
  if (jobs_.size() == 1) wait_for_first();
  return Taken::yes;
}

void Slow::wait_for_first() {
  const std::chrono::nanoseconds left(jobs_.front().ready - host_.now());
  timer_ = host_.after(std::max(left, std::chrono::nanoseconds(0)), [this] { finish_ready(); });
}

void Slow::finish_ready() {
  while (!jobs_.empty() && jobs_.front().ready <= host_.now()) {
    Message message = std::move(jobs_.front().message);
    jobs_.pop_front();
    done_.add();
    if (pass_on(host_, std::move(message))) paused_ = true;
  }
  host_.holding(jobs_.size());
  if (!jobs_.empty()) wait_for_first();
  if (!paused_ && std::exchange(refusing_, false)) host_.resume();
}

void Slow::on_resume() {
  paused_ = false;
  if (std::exchange(refusing_, false)) host_.resume();
}

void Slow::stop() {
  timer_.end();
  jobs_.clear();
}

}  // namespace backplane::demo
