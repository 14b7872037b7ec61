// When the connections came by which clients send: what a publisher of the same loop must know to tell a
// fresh subscription from one that is about to end.
//
// A PALM client opens a new PUSH and a new SUB connection for every call, and the SUB of the call before may
// still be registered when the next request comes; an answer sent to it is lost. So a subscription of a
// client counts as fresh only when it was noted in the same or a later look than the acceptance of the
// connection that brought the client's latest request. Details: docs/protocols/palm.md.
#pragma once

#include <backplane/host.hpp>

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "zmq/socket_events.hpp"

namespace backplane::palm {

// The number of a look at what has happened; later looks have greater ones. 0: before all.
using Look = std::uint64_t;

// The latest request of each client, the least recent forgotten when there are too many: a client that is
// forgotten counts as settled. Pure; one thread.
class LatestRequests {
 public:
  explicit LatestRequests(std::size_t most) : most_(most) {}

  // The connection of the client's latest request was accepted at `accepted`.
  void note(std::string_view client, Look accepted);
  // 0: unknown, or settled.
  Look accepted(std::string_view client) const;
  // Whatever subscription the client has is as good as it will get.
  void settle(std::string_view client);
  std::size_t size() const { return by_client_.size(); }

 private:
  struct Entry {
    std::string client;
    Look accepted = 0;
  };
  using Entries = std::list<Entry>;  // the latest first

  std::size_t most_;
  Entries entries_;
  std::unordered_map<std::string_view, Entries::iterator> by_client_;  // keys are those of the entries
};

// All arrivals at one loop of one host. Belongs to the loop's thread.
class LoopArrivals {
 public:
  // That of the calling thread; it lives as long as somebody holds it.
  static std::shared_ptr<LoopArrivals> of_this_loop(const Host& host);

  // One listening socket of the loop.
  class Door {
   public:
    Door(std::shared_ptr<LoopArrivals> arrivals, const Host& host, void* socket);
    ~Door();
    Door(const Door&) = delete;
    Door& operator=(const Door&) = delete;

    // The request that was just read came by the connection with this descriptor. After all requests of a
    // batch are read, and before they are passed on: look(), then note() for each.
    void note(std::string_view client, int descriptor);

   private:
    friend class LoopArrivals;
    void take_events(Look look);

    std::shared_ptr<LoopArrivals> arrivals_;
    zmq::SocketEvents events_;
    std::unordered_map<int, Look> accepted_;  // by descriptor
    std::string last_client_;
    int last_descriptor_ = -1;
    Look last_accepted_ = 0;
  };

  // Takes in all acceptances that are known by now and returns the number of this look.
  Look look();
  LatestRequests& latest() { return latest_; }
  bool empty() const { return doors_.empty(); }

 private:
  Look look_ = 0;
  LatestRequests latest_{100'000};
  std::vector<Door*> doors_;
};

}  // namespace backplane::palm
