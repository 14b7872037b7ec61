// The kind palm.push_pull: the link to PALM workers in one part, so that what goes out and what comes back
// are known together.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "jobs.hpp"
#include "outbound.hpp"
#include "socket.hpp"
#include "zmtp.hpp"

namespace backplane::palm {

// The PUSH side, where the host chooses who gets a job and knows what a worker that goes has not done.
// libzmq's PUSH socket tells neither, so the workers' connections come by a ZMQ_STREAM socket, and what
// libzmq would say on them is said here (see zmtp.hpp). Belongs to the component's loop.
//
// With CURVE, and on addresses other than tcp, there is a PUSH socket for all workers, which shares out the
// jobs in turn.
class WorkerLinks {
 public:
  struct Events {
    std::function<void(Jobs::LinkId)> gone;  // it had jobs, perhaps
    std::function<void()> room;              // somebody can take a job again
  };

  WorkerLinks(Host host, Jobs& jobs, Events events);
  WorkerLinks(const WorkerLinks&) = delete;
  WorkerLinks& operator=(const WorkerLinks&) = delete;

  // Throws Error.
  void start();
  void stop();
  // False: the link has no room; `room` is called when it may have some. Throws Error "SendFailed".
  bool send(Jobs::LinkId link, const Message& job);
  // Those that are told apart.
  std::size_t workers() const { return by_link_.size(); }

 private:
  struct Worker {
    PushPeer peer;
    Jobs::LinkId link = 0;       // 0: its handshake is not over
    std::int64_t began = 0;      // when it connected
    std::int64_t last_sign = 0;  // when it was last heard
    std::string address;
  };
  using Workers = std::unordered_map<std::string, Worker>;  // by the routing id of their connection

  void read();
  void take(Message& chunk);
  void greet(const std::string& id, std::string_view address);
  void hear(Workers::iterator worker, std::string_view bytes);
  void lose(Workers::iterator worker);
  void disconnect(Workers::iterator worker, const std::string& why);
  void look_after();
  bool write(const std::string& id, std::string_view bytes);
  bool write_job(const std::string& id, const Message& job);
  bool write_frame(const std::string& id, zmq_msg_t* frame);
  void wait_for_room();

  Host host_;
  Jobs& jobs_;
  Events events_;
  zmq::SocketPlan plan_;
  std::int64_t heartbeat_;
  std::int64_t heartbeat_timeout_;
  std::int64_t handshake_;
  std::optional<zmq::Socket> socket_;
  Watch watch_;
  Timer upkeep_;
  std::int64_t last_heartbeat_ = 0;
  bool waiting_ = false;  // for room
  Workers workers_;
  std::unordered_map<Jobs::LinkId, std::string> by_link_;  // those that are told apart
  Jobs::LinkId for_all_ = 0;                               // of the PUSH socket for all
  zmq::Trouble refused_;
};

inline constexpr std::array<Option, 9> workers_options = {{
    {"push", endpoint_list, required, "endpoint that workers pull jobs from, e.g. tcp://127.0.0.1:5558"},
    {"pull", endpoint_list, required, "endpoint that workers push results to, e.g. tcp://127.0.0.1:5557"},
    {"insecure", boolean, "false",
     "allow endpoints that other machines can reach without CURVE or an allow-list"},
    {"window", integer.between(1, 1e6), "1000",
     "jobs in the hands of one worker at most. It begins with 8 and gets more while it is quick, fewer when "
     "it is slow"},
    {"answers", choice("one|many"), "one",
     "one: a worker answers each job once; many: any number of times (MuxWorker), so a job counts as done "
     "when a later one is answered, too"},
    {"patience", duration.between(1e6, 1e15), "5s",
     "a worker that is full and answers nothing for so long is given more all the same"},
    {"settle", duration.between(0, 1e12), "200ms",
     "how long results of a worker that has gone may still come before its jobs are sent again"},
    {"job_timeout", duration.between(0, 1e15), "0s",
     "send a job to another worker when it is not answered by then. 0: only when its worker has gone"},
    {"attempts", integer.between(1, 1e6), "5",
     "a job that so many workers have not answered is answered with an error"},
}};

// Jobs come by the routes to it, results go along its routes, and with them the errors of what no worker can
// take.
class PushPull {
 public:
  static constexpr auto kind = "palm.push_pull";
  static constexpr auto says =
      "The link to PALM workers: pushes jobs to the worker that has least to do, takes in the results, and "
      "sends again what a worker that has gone did not answer.";
  static constexpr auto properties = inbound | outbound | service;
  static constexpr auto options = tables(workers_options, zmq::transport_options, palm_security_options,
                                         error_options, zmq::receive_options);

  explicit PushPull(Host host);
  void start();
  Taken on_message(Message& message);
  void drain() {}  // results are taken in as long as they are awaited
  void stop();

 private:
  bool send(Jobs::Job job);
  bool send_given_back();
  void give_up(Message message, const std::string& why);
  void take_results();
  void take_result(Message message);
  void look_after_jobs();
  void worker_gone(Jobs::LinkId link);
  void room();
  void tell();

  Host host_;
  bool one_answer_;
  std::int64_t job_timeout_;
  std::chrono::nanoseconds settle_;
  unsigned attempts_;
  std::string error_payload_;
  WorkerGuard guard_;
  Jobs jobs_;
  WorkerLinks links_;
  zmq::SocketPlan pull_plan_;
  zmq::Receiver receiver_;
  std::optional<zmq::Socket> pull_;
  Watch pull_watch_;
  Timer settling_;
  Timer upkeep_;
  bool busy_ = false;
  Counter results_;
  Counter resent_;
  Counter duplicates_;
  Counter given_up_;
  Gauge workers_;
  Gauge outstanding_;
};

}  // namespace backplane::palm
