// A server of ZeroRPC or infi.rpc that the host is a client of: its socket, the channels that are open on it,
// and whether it is there. Knows no functions: what comes goes to callbacks. Belongs to the component's loop.
#pragma once

#include <backplane/host.hpp>
#include <backplane/rpc/channels.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "zmq/socket.hpp"
#include "zmq/socket_events.hpp"

namespace backplane::zerorpc {

class Remote {
 public:
  // Names who opened a channel; never 0, which is the remote itself.
  using Ticket = std::uint64_t;
  using News = rpc::ChannelNews<Ticket>;
  static constexpr auto never = rpc::ClientChannels<Ticket>::never;  // an instant

  struct Settings {
    rpc::ChannelSettings channels;
    std::chrono::nanoseconds reconnect = {};  // pause before a connection that broke is made again
  };
  // The remote may be used in all of them, but not destroyed.
  struct Callbacks {
    // An event for a channel, or a failure of one alone. `payload` is the frame of which the news are views;
    // they hold until the remote is used.
    std::function<void(Remote& remote, const News& news, zmq_msg_t* payload)> on_news;
    // It can be asked: it was connected, or has answered a ping.
    std::function<void(Remote& remote)> on_there;
    // These channels have closed: nothing will be answered on them. Without any, it was told by there() alone
    // that it should not be asked for a while.
    std::function<void(Remote& remote, const std::vector<Ticket>& lost, const std::string& why)> on_lost;
  };

  // Begins to connect. Throws Error naming the address, when `required`; else it is told in the log, and
  // tried again and again.
  Remote(Host host, std::string address, const Settings& settings, const Callbacks& callbacks, bool required);
  Remote(const Remote&) = delete;
  Remote& operator=(const Remote&) = delete;
  ~Remote();

  const std::string& address() const { return address_; }
  bool there() const { return state_ == State::there; }
  bool connected() const { return state_ != State::away; }
  // How many calls it has; counted by whoever gives it some.
  std::size_t calls = 0;

  // Opens a channel with a request. Nothing: too many events wait for the server, and there() does not hold
  // any more. REQUIRES: connected().
  std::optional<rpc::ChannelId> ask(const rpc::ChannelRequest& request, Ticket ticket);
  // Lets the server send so many events more. One of a channel that has closed is ignored. False: too many
  // events wait for the server.
  bool grant(const rpc::ChannelId& channel, std::uint32_t credit);
  // A request had no answer in time. When nothing at all was heard meanwhile, and there are no heartbeats to
  // tell, a ping must be answered before there() holds again.
  void unanswered();
  // Forgets a channel, if it is still open.
  void close(const rpc::ChannelId& channel);

 private:
  static constexpr Ticket ping_ticket = 0;
  enum class State : std::uint8_t {
    away,      // not connected
    there,     // to be asked
    doubtful,  // connected, but it is silent or does not read: pinged until it answers
  };

  void open();
  void try_open();
  void close_socket();
  void look_at_connection();
  void arrive();
  void break_off();
  void lose(const std::string& why);
  void doubt(const std::string& why);
  void ping();

  std::size_t receive();
  bool receive_all();
  void take(Message message);
  bool send(const rpc::EventParts& event);
  void tick();
  void fail(const News& failure, std::int64_t now);
  void arm();

  Host host_;
  std::string address_;
  const Settings& settings_;
  const Callbacks& callbacks_;
  zmq::SocketPlan plan_;
  zmq::Receiver receiver_;
  zmq::Trouble unreadable_;
  Counter late_;
  rpc::ClientChannels<Ticket> channels_;
  State state_ = State::away;
  std::int64_t last_heard_ = 0;
  std::int64_t unheard_since_ = 0;  // the first request after that; 0: none
  std::int64_t armed_ = never;
  Timer tick_timer_;
  Timer reopen_timer_;
  Timer ping_timer_;
  std::optional<zmq::Socket> socket_;
  std::optional<zmq::SocketEvents> events_;
  Watch watch_;
  Watch event_watch_;
};

}  // namespace backplane::zerorpc
