// A PALM worker made of raw sockets: takes a master's jobs and gives results.
#pragma once

#include <backplane/palm/message.hpp>

#include <zmq.h>

#include <optional>
#include <string>
#include <utility>

#include "support/peer.hpp"

namespace backplane::test {

// All waiting has a limit, kPatience unless told. One thread at a time.
class PalmWorker {
 public:
  PalmWorker(const std::string& jobs, const std::string& results) {
    jobs_.connect(jobs);
    results_.connect(results);
  }
  // The next job; nothing: none came within the limit.
  std::optional<palm::PalmMessage> take(std::chrono::nanoseconds limit = kPatience) {
    const auto job = jobs_.receive(limit);
    if (!job || job->size() != 1) return std::nullopt;
    return palm::PalmMessage(palm::read(job->front()));
  }
  void give(palm::PalmMessage message, std::string payload) {
    message.payload = std::move(payload);
    results_.send({palm::encode(message.fields())});
  }
  // Answers so many jobs with what they brought.
  void echo(int count) {
    for (int i = 0; i < count; ++i)
      if (const auto job = take()) give(*job, job->payload);
  }

 private:
  Peer jobs_{ZMQ_PULL};
  Peer results_{ZMQ_PUSH};
};

}  // namespace backplane::test
