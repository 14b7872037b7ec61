#include "arrivals.hpp"

#include <zmq.h>

#include <algorithm>
#include <map>

namespace backplane::palm {

// ---- the latest requests ------------------------------------------------------------------------------

void LatestRequests::note(std::string_view client, Look accepted) {
  if (const auto found = by_client_.find(client); found != by_client_.end()) {
    found->second->accepted = accepted;
    entries_.splice(entries_.begin(), entries_, found->second);
    return;
  }
  if (entries_.size() >= most_ && !entries_.empty()) {
    by_client_.erase(entries_.back().client);
    entries_.pop_back();
  }
  entries_.push_front({std::string(client), accepted});
  by_client_.emplace(entries_.front().client, entries_.begin());
}

Look LatestRequests::accepted(std::string_view client) const {
  const auto found = by_client_.find(client);
  return found == by_client_.end() ? 0 : found->second->accepted;
}

void LatestRequests::settle(std::string_view client) {
  if (const auto found = by_client_.find(client); found != by_client_.end()) found->second->accepted = 0;
}

// ---- the loop -----------------------------------------------------------------------------------------

std::shared_ptr<LoopArrivals> LoopArrivals::of_this_loop(const Host& host) {
  thread_local std::map<void*, std::weak_ptr<LoopArrivals>> by_host;  // by libzmq context: one per host
  std::erase_if(by_host, [](const auto& entry) { return entry.second.expired(); });
  auto& known = by_host[host.zmq_context()];
  auto arrivals = known.lock();
  if (!arrivals) {
    arrivals = std::make_shared<LoopArrivals>();
    known = arrivals;
  }
  return arrivals;
}

Look LoopArrivals::look() {
  ++look_;
  for (auto* door : doors_) door->take_events(look_);
  return look_;
}

LoopArrivals::Door::Door(std::shared_ptr<LoopArrivals> arrivals, const Host& host, void* socket)
    : arrivals_(std::move(arrivals)), events_(host, socket, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED) {
  arrivals_->doors_.push_back(this);
}

LoopArrivals::Door::~Door() { std::erase(arrivals_->doors_, this); }

void LoopArrivals::Door::take_events(Look look) {
  while (const auto event = events_.next()) {
    const int descriptor = static_cast<int>(event->value);
    if (event->what == ZMQ_EVENT_ACCEPTED) {
      accepted_[descriptor] = look;
    } else {
      accepted_.erase(descriptor);
    }
    last_descriptor_ = -1;
  }
}

void LoopArrivals::Door::note(std::string_view client, int descriptor) {
  const auto found = accepted_.find(descriptor);
  const Look accepted = found == accepted_.end() ? 0 : found->second;
  // Many messages in a row come from one client: it stands in the list already.
  if (descriptor == last_descriptor_ && accepted == last_accepted_ && client == last_client_) return;
  last_descriptor_ = descriptor;
  last_accepted_ = accepted;
  last_client_ = client;
  arrivals_->latest_.note(client, accepted);
}

}  // namespace backplane::palm
