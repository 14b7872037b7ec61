// The kind palm.functions: PALM messages become calls of functions that components of the host publish, and
// the results messages again. It is what runs in a server, a pipeline, a sink and a worker.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "socket.hpp"

namespace backplane::palm {

inline constexpr std::array<Option, 9> calling_options = {{
    {"functions", component_names, required,
     "components whose functions may be called; the first that has one wins"},
    {"server", text, optional,
     "own name: a call for another server is an error. Without it the name is not looked at, as workers do"},
    {"echo", boolean, "true", "answer a call of echo with its payload when no component has such a function"},
    {"silent", boolean, "false",
     "a function that returns nothing makes no message (pipelines, sinks). Otherwise that is an error"},
    {"many", boolean, "false",
     "every item of a stream or list that a function returns is a message of its own"},
    {"ordered", boolean, "true", "results go out in the order of their calls. Otherwise as they come"},
    {"max_calls", integer.between(1, 1e6), "5000", "calls under way at once"},
    {"call_timeout", duration.between(0, 1e15), "0s", "a function that takes longer has failed. 0: no limit"},
    {"cache", component_name, optional,
     "component whose functions get, set and delete are the cache that called functions see"},
}};

// Belongs to the component's loop.
class Calling {
 public:
  static constexpr auto kind = "palm.functions";
  static constexpr auto says =
      "Calls the function that a PALM message names, and sends the message on with the result as its "
      "payload. A message that says an error is passed on as it is.";
  static constexpr auto properties = outbound;
  static constexpr auto options = tables(calling_options, error_options);

  explicit Calling(Host host);
  void start();
  Taken on_message(Message& message);
  void on_reply(Message outcome);
  void on_resume();
  void drain() {}

 private:
  struct Call {
    Message message;               // as it came
    Fields fields;                 // views of it
    std::vector<Message> results;  // that may not go out yet
    bool done = false;
  };

  // The headers of a call. Those that are the same for all messages of a client are kept from call to call.
  struct Headers {
    std::string server;
    std::string pipeline;
    std::string client;
    std::int64_t stage = 0;
    std::string function;
    std::string lines;     // with the cache header of the latest call at the end
    std::size_t kept = 0;  // bytes of the lines before it; 0: none yet
  };

  void begin(Message message, const Fields& fields);
  void ask(std::uint64_t number, const Selected& selected, const std::string& target);
  const std::string* target_of(std::string_view function);
  void look_up_functions();
  std::string_view headers_of(const Fields& fields, std::string_view server);
  void take_outcome(std::uint64_t number, Message outcome);
  void take_error(std::uint64_t number, const Message& outcome);
  void take_result(Call& call, const Message& outcome);
  void take_value(Call& call, std::string_view encoded);
  void add_result(Call& call, std::string_view payload);
  void add_error(Call& call, std::string_view code, std::string_view why);
  void end(std::uint64_t number);
  void send_finished();
  void send(Message message);
  Call* find(std::uint64_t number);
  // Results that wait for those before them count, too.
  bool full() const { return (ordered_ ? calls_.size() : under_way_) >= max_calls_; }

  Host host_;
  std::vector<std::string> components_;
  std::string server_;
  bool any_server_;
  bool echo_;
  bool silent_;
  bool many_;
  bool ordered_;
  std::size_t max_calls_;
  std::int64_t timeout_;
  std::string cache_;
  std::string error_payload_;
  std::map<std::string, std::string, std::less<>> targets_;  // function -> component.function
  std::int64_t looked_up_ = 0;
  Headers headers_;
  std::deque<Call> calls_;  // in the order they came; numbers go on from first_
  std::uint64_t first_ = 1;
  std::size_t under_way_ = 0;
  bool paused_ = false;
  bool busy_ = false;
  Counter errors_;
};

}  // namespace backplane::palm
