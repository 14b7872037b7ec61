// The kind cache.memory: keys and values for the other components of a host, and for peers.
#pragma once

#include "memory_store.hpp"

#include <backplane/plugin.hpp>

#include <memory>
#include <optional>
#include <string>

namespace backplane::basic {

// Functions get, set, delete and size for components (`call("cache.get", ...)`); with `bind` also a ROUTER
// socket for REQ and DEALER peers. A request is a list of frames, its answer begins with a status:
//
//   get KEY                 ok VALUE | missing
//   set KEY VALUE [TTL_MS]  ok | full
//   delete KEY              ok | missing
//   size                    ok COUNT
//   anything else           error TEXT
class Cache {
 public:
  static constexpr auto kind = "cache.memory";
  static constexpr auto says = "Keeps keys and values in memory, within limits, for components and peers.";
  static constexpr std::uint32_t properties = bypass | service;
  static constexpr Option options[] = {
      {"bind", endpoint, optional,
       "endpoint for REQ and DEALER peers; without it only functions are offered"},
      {"insecure", boolean, "false", "allow an endpoint that other machines can reach"},
      {"max_entries", integer.between(1, 1e9), "100000", "keys it holds at most"},
      {"max_bytes", size.between(1, 1e12), "64MiB", "bytes of all keys and values"},
      {"max_message", size.between(1, 1 << 30), "16MiB", "a peer that sends a longer frame is disconnected"},
      {"ttl", duration, "0s", "how long an entry lives when its setter does not say; 0s: for good"},
      {"full", choice("evict|refuse"), "evict",
       "evict: the entries not used for longest make room; refuse: new entries are not taken"},
  };

  explicit Cache(Host host);
  void start();
  void stop();
  static void publish(Functions& functions);

  // Keys and values are texts or bytes.
  std::optional<Bytes> get(const Value& key);
  bool set(const Value& key, const Value& value, std::optional<double> ttl);
  bool remove(const Value& key);
  std::int64_t count();

 private:
  struct CloseSocket {
    void operator()(void* socket) const { zmq_close(socket); }
  };
  struct Answer {
    std::string_view status;
    std::string value;
    bool has_value = false;
  };

  void bind(const std::string& endpoint);
  void serve();
  void serve_one(const Message& request);
  Answer answer(const Message& request, std::size_t first);
  bool store(std::string_view key, std::string_view value, std::int64_t ttl);
  void tell_numbers();

  Host host_;
  MemoryStore store_;
  std::int64_t ttl_;
  std::unique_ptr<void, CloseSocket> socket_;
  Watch watch_;
  Timer sweep_;
  Counter requests_;
  Counter bad_requests_;
  Counter lost_answers_;
  Gauge entries_;
  Gauge bytes_;
  Gauge evicted_;
  Gauge expired_;
};

}  // namespace backplane::basic
