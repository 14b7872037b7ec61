// The kind zerorpc.client: functions of servers of ZeroRPC or infi.rpc as functions of this host.
#pragma once

#include <backplane/plugin.hpp>
#include <backplane/rpc/channels.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lessons.hpp"
#include "middleware.hpp"
#include "outgoing.hpp"
#include "remotes.hpp"
#include "zmq/slots.hpp"
#include "zmq/socket_options.hpp"

namespace backplane::zerorpc {

inline constexpr std::array<Option, 17> client_options = {{
    {"connect", endpoint_list, optional,
     "endpoint(s) of servers, e.g. tcp://127.0.0.1:4242. Several are expected to have the same functions"},
    {"connect_name", text_list, optional,
     "names of servers, of which a function resolve_endpoint of \"middleware\" makes endpoints"},
    {"layer", choice("zerorpc|infi"), "zerorpc",
     "what the servers speak: plain ZeroRPC, or infi.rpc on top of it"},
    {"functions", text_list, optional,
     "functions of the servers that are published here. Default: all that the servers tell. Others can be "
     "called all the same"},
    {"heartbeat", duration.between(0, 1e15), "5s",
     "period of heartbeats: servers must have the same. A server that sends none for two periods is lost. 0: "
     "none are sent, no server is lost by them. infi.rpc has none"},
    {"passive_heartbeat", boolean, "false",
     "heartbeats of a call begin with the first that its server sends"},
    {"timeout", duration.between(0, 1e15), optional,
     "how long a call may wait for its first answer, and for a server that is there. 0: no limit. Default: "
     "30s; of infi.rpc 10s"},
    {"slots", integer.between(2, 1e6), "100", "items of one stream that may be on their way"},
    {"balance", choice("round_robin|least_loaded"), "round_robin",
     "which server gets the next call: one after the other, or the one with the fewest"},
    {"retry_lost", boolean, "false",
     "a call whose server is lost before it answered goes to another one: it may then run twice. Otherwise "
     "it "
     "fails with LostRemote"},
    {"in_flight", integer.between(1, 1e7), "10000", "calls that are under way at once; others wait"},
    {"max_waiting", integer.between(1, 1e7), "10000",
     "calls that wait for a server, or until others end; then the component is busy"},
    {"poll_interval", duration.between(1e6, 1e15), "100ms",
     "infi.rpc: how often the result of a call is asked for that takes long"},
    {"max_payload", backplane::size.between(1024, 2147483648.0), "100MiB",
     "longest request; Python's peers take no longer ones"},
    {"send_hwm", integer.between(1, zmq::most), "10000",
     "events that wait in the socket for one server; beyond, it gets no calls until it reads again"},
    {"carry", text_list, "trace_id", "baggage of a call that its request's header gets as keys"},
    {"middleware", component_names, optional,
     "components whose functions look at each call, in this order; see docs/protocols/zerorpc.md"},
}};

// The servers' functions are called by the names that they have there. Belongs to the component's loop.
//
// While the host drains, calls of other components are still taken: they belong to what is being ended.
class Client {
 public:
  static constexpr auto kind = "zerorpc.client";
  static constexpr auto says =
      "Calls functions of servers of ZeroRPC or infi.rpc: they appear as functions of this component.";
  static constexpr auto properties = outbound | connection | publishes;
  // Keys of a client alone: it binds nothing.
  static constexpr auto options =
      tables(client_options, zmq::transport_options, rows<2, 4>(zmq::security_options), zmq::receive_options);

  explicit Client(Host host);
  void start();
  // Busy while too many calls wait.
  Taken on_message(Message& message);
  void on_reply(Message outcome);
  // Whoever waits for an answer gets the error "ShuttingDown".
  void stop();

 private:
  using Alarms = std::multimap<std::int64_t, std::uint64_t>;  // instants, and the numbers of their calls

  // A call on its way, found by its number.
  struct Call {
    enum class Stage : std::uint8_t {
      looked_at,  // by the middleware, before it goes
      waiting,    // for a server, or until others have ended
      asked,      // until the first answer
      streaming,
      pausing,  // of infi.rpc: until its result is asked for again
      polled,   // of infi.rpc: its result was asked for
      ended,    // looked at by the middleware
    };
    Stage stage = Stage::looked_at;
    bp_envelope envelope{};
    bool answers = false;      // somebody waits for the answer
    bool takes_items = false;  // ... item by item
    Lessons::Learn learn;      // it is a lesson, and nobody's call
    std::string method;
    Request request;  // as long as it may have to be sent
    HeaderPairs header;
    std::int64_t patience = 0;  // the end of waiting for a first answer
    std::optional<Alarms::iterator> alarm;
    std::optional<std::list<std::uint64_t>::iterator> place;  // among those that wait

    Remote* remote = nullptr;  // that has it
    rpc::ChannelId channel;
    StreamCredit credit;
    Message waiting_item;
    Collected collected;

    // Of infi.rpc.
    std::string uuid;
    std::string tag;
    std::string token;
    std::int64_t poll_until = 0;
    int polls_left = 0;  // that may go without an answer
  };
  // How a call has ended.
  struct Ending {
    Message reply = {};
    std::optional<Failure> failure = {};
    bool told = false;  // the failure is what the server answered
  };

  void begin(const bp_envelope& envelope, bool answers, Request request);
  void look_at(std::uint64_t number);
  void look_at(std::uint64_t number, Hook hook, const Value& event,
               std::function<void(const std::vector<Value>&)> next);
  void enqueue(std::uint64_t number);
  void pump();
  void send_waiting();
  void ask(std::uint64_t number, Remote& remote);
  void put_back(std::uint64_t number, Call& call);
  bool send(std::uint64_t number, Call& call, std::string_view method, std::string_view arguments,
            std::string_view named);
  void teach(Remote& remote, std::string_view method, const Array& arguments, Lessons::Learn learn);

  void take(const Remote::News& news, zmq_msg_t* payload);
  void take_infi(std::uint64_t number, std::string_view content, zmq_msg_t* payload);
  void take_item(std::uint64_t number, std::string_view content, zmq_msg_t* payload);
  void take_end(std::uint64_t number);
  void give_credit(std::uint64_t number, Call& call);
  void poll(std::uint64_t number);
  void lose(std::uint64_t number, const std::string& why);

  void end(std::uint64_t number, Ending ending);
  void fail(std::uint64_t number, const char* type, const std::string& why);
  void look_back(std::uint64_t number, const std::shared_ptr<Ending>& ending);
  void answer(std::uint64_t number, Ending& ending);
  void detach(Call& call);
  void remove(std::uint64_t number);

  std::int64_t deadline_of(const Call& call) const;
  void set_alarm(std::uint64_t number, Call& call, std::int64_t at);
  void arm();
  void pass_due();
  void pass(std::uint64_t number);

  std::size_t waiting() const { return calls_.size() - running_ - lessons_running_; }

  Host host_;
  bool infi_;
  std::int64_t timeout_;
  std::int64_t poll_interval_;
  std::uint32_t slots_;
  bool retry_lost_;
  std::size_t in_flight_;
  std::size_t max_waiting_;
  std::size_t max_payload_;
  std::vector<std::string> carried_;
  Middleware middleware_;
  Lessons lessons_;
  Remotes remotes_;
  zmq::Slots<Call> calls_;
  std::unordered_map<std::uint64_t, std::uint64_t> by_asker_;  // numbers by the askers' correlation
  std::list<std::uint64_t> waiting_;
  std::size_t running_ = 0;  // calls that a server has, without lessons
  std::size_t lessons_running_ = 0;
  bool busy_ = false;  // a message was told to come back when there is room
  bool stopped_ = false;
  Alarms alarms_;
  std::int64_t armed_;
  Timer clock_;
  Counter calls_counter_;
  Counter failures_;
  Counter retried_;
  Gauge running_gauge_;
  Gauge waiting_gauge_;
};

}  // namespace backplane::zerorpc
