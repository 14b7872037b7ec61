// infi.rpc on top of ZeroRPC: one method, on_call, whose argument says which function is meant and whose
// result says how it went. Functions that take long are answered with a token to poll with; their results are
// kept. Belongs to the component's loop.
#pragma once

#include <backplane/host.hpp>
#include <backplane/rpc/event.hpp>
#include <backplane/value.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "calls.hpp"
#include "channels.hpp"
#include "errors.hpp"
#include "infi_call.hpp"
#include "offered.hpp"
#include "requests.hpp"
#include "zmq/slots.hpp"

namespace backplane::zerorpc {

inline constexpr std::string_view infi_method = "on_call";

struct InfiSettings {
  enum class Mode {
    server,         // a function says by its manner whether it is deferred
    all_deferred,   // all are, but the immediate ones
    all_immediate,  // none is
  };
  Mode mode = Mode::server;
  std::chrono::nanoseconds max_response_time = std::chrono::milliseconds(500);  // 0: no limit
  std::size_t max_payload = std::size_t{100} << 20;  // longest answer that clients take
  ErrorClasses classes;
};

class Infi {
 public:
  struct Service {
    std::function<const Offered&()> offered;  // as of now, or a moment ago
    std::function<const Method*(std::string_view name)> find;
    std::function<bool()> shutting_down;
    std::function<void()> changed;  // a call or a result has gone
    // Adds to a request what travels along from the header of the one that opened the channel.
    std::function<void(std::uint64_t channel, Message& request)> carry;
  };
  // What its cookies have in common: the others are channels.
  static constexpr std::uint64_t cookie_mark = std::uint64_t{1} << 62;

  Infi(Host host, InfiSettings settings, Service service, Channels& channels, Calls& calls,
       std::unique_ptr<Requests> requests);
  ~Infi();

  // Serves the request of a channel. `args` is a view of the frame `payload`; a function may take until
  // `deadline`, 0: as long as it likes.
  void serve(std::uint64_t channel, std::string_view args, zmq_msg_t* payload, std::int64_t deadline);
  // What Calls and the host have to tell of a cookie of ours.
  bool wanted(std::uint64_t cookie);
  void begun(std::uint64_t cookie, std::uint64_t correlation);
  // The function of this cookie, which has not begun, will not.
  void fail(std::uint64_t cookie, const Failure& failure);
  void take_outcome(const Message& outcome);
  // Ends every call with RequestAbortedError; how many there were.
  std::size_t abort();
  void stop();
  std::size_t running() const { return active_.size(); }
  std::size_t unclaimed() const { return requests_->unclaimed(); }
  // Running, or ended and not fetched.
  std::size_t waiting() const { return requests_->waiting(); }

 private:
  // What a client asked for; its arguments are views of the payload.
  struct Asked {
    std::string method;
    std::string uuid;
    std::string tag;
    std::string_view args;
    std::string_view kwargs;
    std::int64_t deadline = 0;
  };
  // A function under way.
  struct Active {
    std::string uuid;  // empty: an immediate one
    std::string tag;
    std::string method;
    std::vector<std::uint64_t> waiting;  // channels that wait for its end
    bool promised = false;               // somebody has the token
    std::uint64_t correlation = 0;
    bool begun = false;
  };
  // When a channel gets the token, if its function has not ended by then.
  struct Due {
    std::int64_t when;
    std::uint64_t cookie;
    std::uint64_t channel;
  };
  // Those that wait for the same time, in order; some of them for calls that have ended.
  struct Line {
    std::deque<Due> waiting;
    std::size_t sweep_at = 0;
  };
  // A method that every service has.
  struct BuiltIn {
    std::string_view name;
    std::string (Infi::*serve)(const Array& arguments);
    const char* parameter;  // its only one; nullptr: it has none
  };

  bool answer(std::uint64_t channel, const std::string& result);
  Asked asked_by(const InfiCall& call, std::int64_t deadline);
  static const BuiltIn* built_in(std::string_view method);
  static Array arguments_of(const BuiltIn& method, const Asked& asked);
  void serve_built_in(std::uint64_t channel, const BuiltIn& method, const Asked& asked);
  void serve_function(std::uint64_t channel, const Asked& asked, const Method& method, zmq_msg_t* payload);
  bool is_immediate(const Method& method) const;
  bool is_deferred(const Method& method) const;
  bool joins(const Asked& asked, const Method& method);
  Message request_of(std::uint64_t channel, const Asked& asked, zmq_msg_t* payload) const;
  void call(std::uint64_t cookie, const Method& method, Message request);
  void wait(std::uint64_t cookie, std::uint64_t channel, const Method& method);
  void wake_up_at(std::int64_t when);
  void pass_due();
  void defer(std::uint64_t cookie, std::uint64_t channel);
  void promise(const std::string& uuid, std::uint64_t channel);
  void end(std::uint64_t cookie, std::string result);
  std::uint64_t add(const Asked& asked, bool immediate);

  std::string ping(const Array& arguments);
  std::string method_names(const Array& arguments);
  std::string argument_specification(const Array& arguments);
  std::string query(const Array& arguments);
  std::string max_response_time(const Array& arguments);

  Host host_;
  InfiSettings settings_;
  Service service_;
  Channels& channels_;
  Calls& calls_;
  std::unique_ptr<Requests> requests_;
  zmq::Slots<Active> active_;
  std::unordered_map<std::string_view, std::uint64_t> by_uuid_;  // cookies; views of the uuids of active_
  std::map<std::int64_t, Line> due_;                             // by how long they wait
  std::int64_t due_timer_at_ = 0;
  Timer due_timer_;
  rpc::EventIds tags_;
};

}  // namespace backplane::zerorpc
