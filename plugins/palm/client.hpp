// The kind palm.client: the host as a client of a PALM server, master or pipeline.
#pragma once

#include <backplane/functions.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "db_link.hpp"
#include "socket.hpp"
#include "zmq/socket_events.hpp"

namespace backplane::palm {

inline constexpr std::array<Option, 12> client_options = {{
    {"connect", endpoint_list, required, "db address of the server, e.g. tcp://127.0.0.1:5559"},
    {"server", text, optional, "name that the server must have. Without it any is taken"},
    {"push_address", endpoint, optional, "where to push messages. Default: the server's pull_address"},
    {"sub_address", endpoint, optional,
     "where the answers are published; in a multi-stage call by the last server. Default: the server's "
     "pub_address"},
    {"session", text, optional, "pipeline of the messages that have none. Default: a fresh UUID"},
    {"function", text, optional,
     "call this, e.g. server.foo: messages that come are payloads, and so are the answers. Without it they "
     "are PALM messages"},
    {"functions", text_list, optional,
     "functions of the server, e.g. server.foo, that other components call here by these names"},
    {"messages", integer.between(1, 1e6), "1", "answers to each message"},
    {"timeout", duration.between(0, 1e15), "60s", "how long an answer may take. 0: no limit"},
    {"max_waiting", integer.between(1, 1e7), "10000", "messages that wait for their answers at once"},
    {"max_frames", integer.between(1, 65536), "256",
     "frames in one message; a longer one is dropped and counted"},
    {"batch", integer.between(1, 65536), "256",
     "messages taken per wake-up before other components have their turn"},
}};

// What comes by routes is asked of the server, under a UUID of its own; the answers go along the routes from
// here, and to whoever asked, with the pipeline and client of the question. An answer is known by a mark that
// other programs pass on unseen (field 1001). Belongs to the component's loop.
class Asker {
 public:
  static constexpr auto kind = "palm.client";
  static constexpr auto says =
      "Asks a PALM server: pushes what routes bring, sends the answers on, and lets other components call "
      "the server's functions.";
  static constexpr auto properties = inbound | outbound | connection;
  static constexpr auto options = tables(client_options, zmq::transport_options, palm_security_options);

  explicit Asker(Host host);
  void start();
  Taken on_message(Message& message);
  void drain() {}
  void stop();
  void publish(Functions& functions);

 private:
  // A message under way, and what its answers are given back.
  struct Question {
    bp_envelope envelope{};
    bool asked = false;  // somebody waits for the first answer
    std::string pipeline;
    std::string client;
    std::int64_t stage = 0;
    std::int64_t deadline = 0;
    std::int64_t left = 1;  // answers
    std::optional<Call<Bytes>> call;
  };
  using Questions = std::unordered_map<std::string, Question>;  // by the mark under which it is asked

  void eval(const Call<Bytes>& call, const std::string& function, const Value& payload);
  void get(const Call<std::optional<Bytes>>& call, const std::string& key);
  void set(const Call<std::string>& call, const Value& value, const std::string& key);
  void remove(const Call<bool>& call, const std::string& key);
  void look_up_addresses();
  void check_name(std::string_view name);
  void open_sockets();
  void open_push();
  void open_sub();
  void note_connection(zmq::SocketEvents& events, bool& stands);
  void check_ready();
  bool push(const Fields& fields, Question question);
  void take_answer(Message answer);
  void give(Question& question, const Fields& fields);
  void give_up_late();
  void fail(Question& question, std::string_view why);
  void tell();

  Host host_;
  std::string uuid_;
  std::string server_;
  std::string push_address_;
  std::string sub_address_;
  std::string session_;
  std::string session_prefix_;  // before the keys that are set, as Python's client has it
  std::string function_;
  std::vector<std::string> functions_;
  std::int64_t messages_;
  std::int64_t timeout_;
  std::size_t max_waiting_;
  DbLink db_;
  zmq::Receiver receiver_;
  std::optional<zmq::Socket> push_;
  std::optional<zmq::Socket> sub_;
  std::optional<zmq::SocketEvents> push_events_;
  std::optional<zmq::SocketEvents> sub_events_;
  Watch push_watch_;
  Watch sub_watch_;
  Watch push_event_watch_;
  Watch sub_event_watch_;
  bool push_stands_ = false;
  bool sub_stands_ = false;
  bool ready_ = false;
  bool busy_ = false;
  Timer settling_;
  Timer retry_;
  Timer upkeep_;
  Questions questions_;
  zmq::Trouble unanswered_;
  Counter unexpected_;
};

}  // namespace backplane::palm
