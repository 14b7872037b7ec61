#include "shutdown.hpp"

#include <chrono>
#include <utility>

namespace backplane::zerorpc {

namespace {

using Strategy = ShutdownSettings::Strategy;

constexpr auto look_every = std::chrono::milliseconds(100);

}  // namespace

Shutdown::Shutdown(Host host, ShutdownSettings settings, Service service)
    : host_(host), settings_(std::move(settings)), service_(std::move(service)) {}

void Shutdown::start() { host_.drain_time(settings_.grace + settings_.abort_linger); }

void Shutdown::request() {
  if (requested()) return;
  state_ = State::ending;
  grace_timer_ = host_.after(settings_.grace, [this] { give_up(); });
  look_timer_ = host_.every(look_every, [this] { look(); });
  if (settings_.strategy == Strategy::close) service_.unbind();
  if (settings_.strategy == Strategy::custom) service_.ask();
  if (settings_.strategy == Strategy::abort) {
    state_ = State::aborted;
    linger_timer_ = host_.after(settings_.abort_linger, [this] { finish(); });
    service_.abort();
  }
  look();
}

bool Shutdown::done() const {
  if (service_.unanswered() > 0) return false;
  switch (settings_.strategy) {
    case Strategy::wait_until_polled:
    case Strategy::abort:
      return service_.unclaimed() == 0;
    case Strategy::drain:
    case Strategy::close:
      return true;
    case Strategy::custom:
      return returned_;
  }
  return true;
}

void Shutdown::look() {
  if ((state_ == State::ending || state_ == State::aborted) && done()) finish();
}

void Shutdown::function_returned() {
  returned_ = true;
  look();
}

// The grace is over.
void Shutdown::give_up() {
  if (over()) return;
  const auto unclaimed = service_.unclaimed();
  state_ = State::over;  // what ends now is not looked at
  const auto aborted = service_.abort();
  service_.told("did not end within its grace: " + std::to_string(aborted) + " calls were aborted, " +
                std::to_string(unclaimed) + " results were not fetched");
  finish();
}

void Shutdown::finish() {
  state_ = State::over;
  grace_timer_.end();
  linger_timer_.end();
  look_timer_.end();
  service_.over();
}

void Shutdown::stop() {
  grace_timer_.end();
  linger_timer_.end();
  look_timer_.end();
}

}  // namespace backplane::zerorpc
