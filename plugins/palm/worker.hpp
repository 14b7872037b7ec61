// The kind palm.worker: the host as a worker of a PALM master.
#pragma once

#include <backplane/functions.hpp>

#include <array>
#include <optional>
#include <string>

#include "db_link.hpp"
#include "socket.hpp"
#include "zmq/outlet.hpp"

namespace backplane::palm {

inline constexpr std::array<Option, 6> worker_options = {{
    {"connect", endpoint_list, required, "db address of the master, e.g. tcp://127.0.0.1:5559"},
    {"push_address", endpoint, optional, "where the master pushes jobs. Default: what its cache says"},
    {"pull_address", endpoint, optional, "where the master pulls results. Default: what its cache says"},
    {"receive_hwm", integer.between(0, zmq::most), "100",
     "jobs that wait in the socket: few, so that other workers get some, and few are lost with this one"},
    {"max_frames", integer.between(1, 65536), "256",
     "frames in one message; a longer one is dropped and counted"},
    {"batch", integer.between(1, 65536), "256",
     "messages taken per wake-up before other components have their turn"},
}};

// Jobs go along its routes; what routes bring to it are results. It waits for the master, and finds it again
// when it comes back, at other addresses too. Belongs to the component's loop.
class Worker {
 public:
  static constexpr auto kind = "palm.worker";
  static constexpr auto says =
      "Takes in the jobs of a PALM master, as a worker, and gives it the results that routes bring.";
  static constexpr auto properties = inbound | outbound | connection;
  static constexpr auto options = tables(worker_options, zmq::transport_options, palm_security_options);

  explicit Worker(Host host);
  void start();
  Taken on_message(Message& message);
  void drain();
  void stop();
  static void publish(Functions& functions);

  // The cache of the master.
  void get(Call<std::optional<Bytes>> call, std::string key);
  void set(Call<std::string> call, const Value& value, const std::string& key);
  void remove(Call<bool> call, std::string key);

 private:
  void look_up_addresses();
  void take_address(std::string& address, std::string_view found, std::string_view key);
  void open_sockets();
  void open_results();
  void open_jobs();
  void take_job(Message job);

  Host host_;
  std::string push_address_;  // from which jobs come; empty: not known yet
  std::string pull_address_;  // to which results go
  std::string jobs_at_;       // the address of the open socket; empty: there is none
  std::string results_at_;
  DbLink db_;
  zmq::Receiver receiver_;
  std::optional<zmq::Socket> jobs_;
  std::optional<zmq::Socket> results_;
  Watch jobs_watch_;
  Watch results_watch_;
  Timer retry_;
  bool waiting_ = false;  // for room in results_
  bool draining_ = false;
};

}  // namespace backplane::palm
