// Functions by which components of the host look at a service and end it: what infi.rpc's services have as
// methods of their server. Belongs to the component's loop.
#pragma once

#include <backplane/host.hpp>
#include <backplane/value.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>

namespace backplane::zerorpc {

//   request_shutdown()                          new calls are refused from now on
//   is_shutdown_requested()                     bool
//   deferred_requests_count()                   calls of infi.rpc that run, and results nobody has fetched
//   has_deferred_requests()                     bool
//   wait_for_empty_deferred_requests(timeout)   bool: there are none; false: not within `timeout` seconds
//                                               (nil: waits for ever)
//   abort_requests()                            what runs ends with an error
//   unbind()                                    closes the socket
class Control {
 public:
  struct Service {
    std::function<void()> request_shutdown;
    std::function<bool()> is_shutdown_requested;
    std::function<std::size_t()> deferred_requests;
    std::function<void()> abort;
    std::function<void()> unbind;
  };

  Control(Host host, Service service) : host_(host), service_(std::move(service)) {}
  // Tells the host the functions, as those of control_group. In start().
  void publish();
  // Serves a call. Throws Error, Malformed.
  void serve(const Message& call);
  // The number of deferred requests may have changed.
  void look();
  // Whoever waits gets false.
  void stop();

 private:
  struct Waiting {
    bp_envelope call;
    std::int64_t until;  // 0: for ever
  };

  void wait(const Message& call, const Array& arguments);
  void answer(const bp_envelope& call, const Value& result) const;

  Host host_;
  Service service_;
  std::list<Waiting> waiting_;
  Timer timer_;
};

}  // namespace backplane::zerorpc
