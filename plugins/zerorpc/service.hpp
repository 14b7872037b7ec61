// The kind zerorpc.service: functions of the host for clients of ZeroRPC and of infi.rpc.
#pragma once

#include <backplane/plugin.hpp>
#include <backplane/rpc/event.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calls.hpp"
#include "channels.hpp"
#include "control.hpp"
#include "infi.hpp"
#include "middleware.hpp"
#include "offered.hpp"
#include "shutdown.hpp"
#include "zmq/socket.hpp"
#include "zmq/socket_options.hpp"

namespace backplane::zerorpc {

inline constexpr std::array<Option, 13> service_options = {{
    {"functions", component_names, optional,
     "components whose functions are offered. Default: all of the host"},
    {"layer", choice("both|zerorpc|infi"), "both",
     "what clients speak. zerorpc: plain ZeroRPC; infi: infi.rpc on top of it, which has no heartbeats; "
     "both: "
     "infi.rpc for those who call on_call"},
    {"name", text, optional, "what the service calls itself. Default: the component's name"},
    {"heartbeat", duration.between(0, 1e15), "5s",
     "period of heartbeats: clients must have the same. A client that sends none for two periods is lost. 0: "
     "none are sent, no client is lost"},
    {"in_flight", integer.between(1, 1e7), "10000", "calls of functions that run at once; others wait"},
    {"max_waiting", integer.between(0, 1e7), "10000", "calls that wait until others end; more are refused"},
    {"max_channels", integer.between(1, 1e7), "100000",
     "conversations that are open at once; requests beyond are refused"},
    {"timeout", duration.between(0, 1e15), "0s", "how long a function may take. 0: no limit"},
    {"max_payload", backplane::size.between(1024, 2147483648.0), "100MiB",
     "longest request and answer; Python's peers take no longer ones"},
    {"max_depth", integer.between(8, 512), "512", "lists and maps within each other in a request"},
    {"carry", text_list, "trace_id",
     "keys of a request's header that go back with its answer, and on to what its function calls"},
    {"middleware", component_names, optional,
     "components whose functions look at each call, in this order; see docs/protocols/zerorpc.md"},
    {"send_hwm", integer.between(1, zmq::most), "10000",
     "events that wait in the socket for one peer; further ones wait in the service"},
}};

inline constexpr std::array<Option, 11> infi_options = {{
    {"mode", choice("server|all_deferred|all_immediate"), "server",
     "infi.rpc: which functions are answered with a token. server: deferred ones, and ordinary ones that "
     "take "
     "long"},
    {"max_response_time", duration.between(0, 1e15), "500ms",
     "infi.rpc: how long an ordinary function may take until its client gets a token instead. 0: no limit"},
    {"error_classes", text_list, optional,
     "infi.rpc: Python classes for errors of functions, TYPE=PACKAGE.CLASS, e.g. Busy=mypackage.errors.Busy"},
    {"results.store", choice("memory|sqlite"), "memory",
     "infi.rpc: where results are kept. sqlite: in a file, through a restart"},
    {"results.path", path, optional, "the file of results.store: sqlite"},
    {"results.keep", duration.between(1e6, 1e17), "5s", "how long a result that nobody fetches is kept"},
    {"results.redeliver", duration.between(0, 1e17), optional,
     "how long it can be fetched again after the first time. Default: results.keep"},
    {"results.collect", duration.between(1e6, 1e15), "5s",
     "how often results that are too old are looked for"},
    {"results.keep_unfetched", boolean, "false",
     "results stay until they are fetched, however long that takes"},
    {"results.max_count", integer.between(1, 1e8), "10000", "calls that run and results that are kept"},
    {"results.max_bytes", backplane::size.between(1024, 1e13), "256MiB",
     "of kept results. Beyond, those that were fetched go first, the oldest first; then calls are refused"},
}};

inline constexpr std::array<Option, 5> shutdown_options = {{
    {"shutdown.strategy", choice(shutdown_strategies), "wait_until_polled",
     "what a stop waits for. wait_until_polled: all calls, and the fetching of all results; drain: all "
     "calls; "
     "abort: nothing, calls end with an error; close: the socket closes at once, calls go on; custom: "
     "shutdown.function"},
    {"shutdown.grace", duration.between(0, 1e15), "30s",
     "then what still runs is aborted, and the exit code is 1"},
    {"shutdown.abort_linger", duration.between(0, 1e15), "1s",
     "how long the errors of strategy abort can be fetched"},
    {"shutdown.function", text, optional,
     "COMPONENT.FUNCTION that is called with the name of this component, and is over when it returns"},
    {"shutdown.control", boolean, "false",
     "publish functions by which components of this host look at this service and end it: request_shutdown "
     "and others; strategy custom always does"},
}};

class Service {
 public:
  static constexpr auto kind = "zerorpc.service";
  static constexpr auto says = "Offers the functions of the host to clients of ZeroRPC and infi.rpc.";
  static constexpr std::uint32_t properties = bypass | service | connection | own_loop;
  static constexpr auto options =
      tables(service_options, infi_options, shutdown_options, zmq::endpoint_options, zmq::transport_options,
             zmq::security_options, zmq::receive_options);

  explicit Service(Host host);
  void start();
  void on_message(Message call) { control_.serve(call); }
  void on_reply(Message outcome);
  void drain();
  void stop();

 private:
  enum class Layer { both, zerorpc, infi };
  static constexpr std::uint64_t strategy_cookie = std::uint64_t{1} << 60;

  bool receive();
  void refuse_the_last();
  void take(Message message);
  void take_request(const rpc::Event& event, Message message, std::size_t way);
  void carry_context(const rpc::Event& event, Channel& channel) const;
  void look_at(std::uint64_t number, Message message);
  void look_at(std::uint64_t number, Hook hook, const std::function<Value()>& about,
               std::function<void(const std::vector<Value>&)> next);
  void serve(std::uint64_t number, const rpc::Event& event, zmq_msg_t* payload);
  Message request_of(const Channel& channel, const rpc::Event& event, zmq_msg_t* payload) const;
  std::int64_t deadline_of(const rpc::Event& event) const;
  void add_carried(const Channel& channel, Message& request) const;

  void serve_built_in(std::uint64_t number, const rpc::Event& event);
  Value introspect(std::string_view method, const Array& arguments) const;
  const Method* find(std::string_view method);
  void refresh();
  void look_up_functions();

  void expire(std::uint64_t cookie);
  void take_item(std::uint64_t number, Channel& channel, const Message& item);
  void take_result(std::uint64_t number, const Message& outcome);
  static std::string_view encoded_result(const Message& outcome, std::string& made);
  const char* why_unsendable(const Channel& channel, std::string_view encoded) const;
  void finish(std::uint64_t number, std::string_view name, std::string_view front, std::string_view encoded);
  void fail(std::uint64_t number, const RemoteError& error);
  void end_failed(std::uint64_t number, const RemoteError& error);
  void end(std::uint64_t number, std::string_view name, std::string_view front, std::string_view args);
  Delivered send(const Way& way, const rpc::EventParts& event);

  void give_up(Channel& channel);
  void ask_strategy();
  void take_strategy_outcome(const Message& outcome);
  std::size_t abort();
  void unbind();
  void changed();

  Host host_;
  zmq::SocketPlan plan_;
  Layer layer_;
  std::string name_;
  std::vector<std::string> components_;
  std::vector<std::string> carried_;
  std::int64_t timeout_;
  std::size_t max_payload_;
  std::size_t max_depth_;
  std::size_t max_channels_;
  zmq::Receiver receiver_;
  zmq::Trouble unreadable_;
  Offered offered_;
  std::int64_t looked_up_ = 0;
  Channels channels_;
  Calls calls_;
  Infi infi_;
  Middleware middleware_;
  Shutdown shutdown_;
  Control control_;
  std::string key_;  // of the event that is looked at
  Counter requests_;
  Counter errors_;
  Counter duplicates_;
  std::optional<zmq::Socket> socket_;
  Watch watch_;
};

}  // namespace backplane::zerorpc
