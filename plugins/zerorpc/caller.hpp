// The clients of `backplane call zerorpc+ENDPOINT` and `infirpc+ENDPOINT`: rpc::Client, its one-way senders
// and rpc::InfiClient behind the boundary.
#pragma once

#include <backplane/caller.hpp>
#include <backplane/rpc/client.hpp>
#include <backplane/rpc/infi_client.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace backplane::zerorpc {

// Calls a method, or sends it one way to a puller or to subscribers. A call is answered with a result or with
// a stream of them.
class ZerorpcCaller {
 public:
  static constexpr auto scheme = "zerorpc";
  static constexpr auto says = "Calls methods of ZeroRPC servers, and pushes and publishes one-way calls.";
  static constexpr Option options[] = {
      {"pattern", choice("call|push|publish"), "call",
       "call, or send without an answer to a puller or to all subscribers; one must be there within the "
       "timeout"},
      {"bind", boolean, "false", "bind the endpoint, for a server, puller or subscriber that connects"},
      {"heartbeat", duration.between(0, 1e15), "5s", "period of heartbeats, as the server has it; 0s: none"},
      {"slots", integer.between(2, 1e6), "100", "items of a stream that may wait to be read"},
      {"context", text_list, optional, "keys for the header, each KEY=VALUE, such as trace_id=abc"},
  };

  ZerorpcCaller(Caller caller, std::string_view endpoint) : caller_(caller), endpoint_(endpoint) {}
  void call(const ClientCall& call, Results& results);
  void functions(const TellFunction& tell);

 private:
  rpc::ClientOptions client_options() const;

  Caller caller_;
  std::string endpoint_;
};

// Calls a method of an infi.rpc server; of one that takes its time, until it has ended, or, when a token will
// do for an answer, until that has come.
class InfiCaller {
 public:
  static constexpr auto scheme = "infirpc";
  static constexpr auto says = "Calls methods of infi.rpc servers.";
  static constexpr Option options[] = {
      {"bind", boolean, "false", "bind the endpoint, for a server that connects"},
      {"poll_interval", duration.between(1e6, 1e15), "100ms", "how often to ask whether the work has ended"},
      {"heartbeat", duration.between(0, 1e15), "0s",
       "infi.rpc has no heartbeats: none are sent, whatever it says"},
      {"auto_timeout", boolean, "false",
       "ask the server within what time it answers, and wait twice as long, at least 1s, for each answer"},
      {"tag", text, "", "request_id_tag for the server's log, 8 hexadecimal digits; empty: it makes one"},
      {"context", text_list, optional, "keys for the header, each KEY=VALUE, such as trace_id=abc"},
  };

  InfiCaller(Caller caller, std::string_view endpoint);
  void call(const ClientCall& call, Results& results);
  void functions(const TellFunction& tell);

 private:
  rpc::InfiClient client_;
};

}  // namespace backplane::zerorpc
