// The link of a connection to the cache service of a PALM server (its db address): requests find their
// replies, and those that a lost connection has swallowed are sent again. Belongs to the component's loop.
#pragma once

#include <backplane/functions.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "socket.hpp"
#include "zmq/socket_events.hpp"

namespace backplane::palm {

class DbLink {
 public:
  // Gets the reply's bytes.
  using Done = std::function<void(std::string_view)>;

  // `client`: the UUID under which requests are made. `server`: the word before the instruction.
  DbLink(Host host, std::string client, std::string server)
      : host_(host), client_(std::move(client)), server_(std::move(server)), plan_(host), receiver_(host) {}

  // Connects. `connected` is called whenever the connection stands, `lost` when it is lost. Throws Error.
  void start(std::function<void()> connected, std::function<void()> lost = {});
  void stop();

  // `done` is called once, however long the server is away; not after stop(). Returns a number for forget().
  std::uint64_t get(std::string_view key, Done done);
  std::uint64_t set(std::string_view key, std::string_view value, Done done);
  std::uint64_t remove(std::string_view key, Done done);
  void forget(std::uint64_t number) { waiting_.erase(number); }
  bool connected() const { return connected_; }

 private:
  struct Request {
    std::string bytes;
    Done done;
  };

  std::uint64_t ask(std::string_view instruction, std::string_view key, std::string_view payload, Done done);
  void send(std::uint64_t number, const Request& request);
  void take_events();
  void take_reply(Message reply);

  Host host_;
  std::string client_;
  std::string server_;
  zmq::SocketPlan plan_;
  zmq::Receiver receiver_;
  std::optional<zmq::Socket> socket_;
  std::optional<zmq::SocketEvents> events_;
  Watch watch_;
  Watch event_watch_;
  std::function<void()> on_connected_;
  std::function<void()> on_lost_;
  bool connected_ = false;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Request> waiting_;  // in the order of asking
};

// Functions of a component that pass on to a server's cache. They end when the asker gives up.
void cache_get(DbLink& db, const Call<std::optional<Bytes>>& call, const std::string& key);
void cache_set(DbLink& db, const Call<std::string>& call, const Value& value, const std::string& key);
void cache_delete(DbLink& db, const Call<bool>& call, const std::string& key);

}  // namespace backplane::palm
