// PALM workers of raw libzmq: each pulls jobs and pushes the same bytes back as results.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "measuring.hpp"
#include "sockets.hpp"

namespace backplane::bench {

// On a thread of its own with a context of its own, as the process of a worker would be.
class PalmWorker {
 public:
  PalmWorker(const std::string& jobs, const std::string& results)
      : jobs_(open(context_, jobs)), results_(open(context_, results)), thread_([this] { run(); }) {}
  ~PalmWorker() { end_ = true; }
  PalmWorker(const PalmWorker&) = delete;
  PalmWorker& operator=(const PalmWorker&) = delete;

 private:
  void run() {
    Frame job;
    while (!end_) {
      if (!job.receive(jobs_, 0)) continue;
      while (!job.send(results_, 0) && !end_) continue;
    }
  }
  const Context context_;
  const Socket jobs_;
  const Socket results_;
  std::atomic<bool> end_{false};
  std::jthread thread_;  // last: joined before the sockets go
};

// As many as there are pairs of ends.
class PalmWorkers {
 public:
  explicit PalmWorkers(const std::vector<std::string>& ends) {
    for (std::size_t at = 0; at + 1 < ends.size(); at += 2) workers_.emplace_back(ends[at], ends[at + 1]);
  }

 private:
  std::deque<PalmWorker> workers_;
};

}  // namespace backplane::bench
