// Kinds that ask outside: zmq.req (one request at a time, on the wire a REQ) and zmq.dealer (any number in
// flight). A message that reaches them is sent; the answer goes to whoever waits for one, and along the
// component's routes when it has any. All members run on the component's loop.
#pragma once

#include <backplane/plugin.hpp>

#include <chrono>
#include <cstdint>
#include <optional>

#include "outlet.hpp"
#include "slots.hpp"
#include "socket.hpp"
#include "socket_options.hpp"

namespace backplane::zmq {

// A message that was sent and whose answer is awaited.
struct Asked {
  bp_envelope request{};
  bool wants_reply = false;
  std::int64_t deadline = 0;  // 0: none
};

// Where answers go, and when waiting for them ends.
class Answers {
 public:
  explicit Answers(Host host);
  // REQUIRES: called before the message is sent, which takes its frames.
  Asked asked(const Message& message) const;
  // The answer, without its envelope. False: bring no more for now.
  bool deliver(const Asked& asked, Message answer);
  void fail(const Asked& asked, std::string_view type, std::string_view text);
  void time_out(const Asked& asked);
  void unmatched() { unmatched_.happened("an answer that belongs to no request, or came too late"); }
  // How often to look for requests that have waited too long.
  std::chrono::nanoseconds tick() const;

 private:
  Host host_;
  std::chrono::nanoseconds timeout_;
  Counter answers_;
  Trouble unanswered_;
  Trouble unmatched_;
};

inline constexpr std::array<Option, 2> ask_options = {{
    {"timeout", duration, "30s",
     "how long to wait for an answer before the asker gets an error. 0: for ever"},
    {"probe", boolean, "false", "send every new ROUTER peer an empty message, so that it knows this socket"},
}};
inline constexpr std::array<Option, 1> req_options = {{
    {"correlate", boolean, "true",
     "number the requests, so that a late answer is not taken for the next one. Peers must send the whole "
     "envelope back, as REP does; with false, the connection is made anew after a timeout"},
}};
inline constexpr std::array<Option, 1> dealer_options = {{
    {"max_pending", integer.between(1, most), "10000", "requests that may be in flight; then it is busy"},
}};

class Req {
 public:
  static constexpr auto kind = "zmq.req";
  static constexpr auto says = "Asks a REP or ROUTER peer, one request at a time, and delivers its answers.";
  static constexpr auto properties = outbound | service | connection;
  static constexpr auto options =
      tables(common_options, ask_options, req_options, send_options, receive_options);

  explicit Req(Host host);
  void start();
  // Busy while a request is under way, or no peer is there.
  Taken on_message(Message& message);
  // Whoever still waits gets an error.
  void stop();

 private:
  void receive();
  void look_at_clock();
  void done();
  static void prepare(void* socket, bool correlate);

  Host host_;
  bool correlate_;
  Answers answers_;
  Receiver receiver_;
  Outlet outlet_;
  std::optional<Asked> asked_;
  bool refused_ = false;  // a message was told to come back when the answer is there
  Timer clock_;
};

class Dealer {
 public:
  static constexpr auto kind = "zmq.dealer";
  static constexpr auto says =
      "Asks REP or ROUTER peers, many requests in flight, sent as [number][empty][frames...], which peers "
      "echo.";
  static constexpr auto properties = outbound | service | connection;
  static constexpr auto options =
      tables(common_options, ask_options, dealer_options, send_options, receive_options);

  explicit Dealer(Host host);
  void start();
  // Busy while max_pending requests are under way, or no peer can take more.
  Taken on_message(Message& message);
  // Whoever still waits gets an error.
  void stop();

 private:
  void receive();
  bool take_answer(Message answer);
  void look_at_clock();
  void release(std::uint64_t number);

  Host host_;
  std::size_t max_pending_;
  Answers answers_;
  Receiver receiver_;
  Outlet outlet_;
  Slots<Asked> pending_;
  bool refused_ = false;  // a message was told to come back when there is room
  Timer clock_;
};

}  // namespace backplane::zmq
