// The kind palm.cache: keys and values for clients, workers and functions, and the addresses by which they
// find their server.
#pragma once

#include <backplane/plugin.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "basic/memory_store.hpp"
#include "cache_file.hpp"
#include "socket.hpp"
#include "zmq/answering.hpp"

namespace backplane::palm {

// Values that are set when the server starts. An address that no peer can connect to, because it is one to
// listen on all interfaces, is given the host that `advertise` says. Throws Error "BadOption".
std::map<std::string, std::string, std::less<>> read_preset(const Host& host);

// `tcp://*:5555` and the like with `host` in place of the wildcard; any other text as it is. Throws Error
// "BadOption" for a port *.
std::string connectable(const std::string& value, const std::string& host);

inline constexpr std::array<Option, 9> cache_options = {{
    {"preset", text_list, optional,
     "\"key=value\" texts that are there from the start, such as \"pull_address=tcp://127.0.0.1:5555\""},
    {"sub_addresses", endpoint_list, optional,
     "preset as sub_address_0, sub_address_1, ...: where a sink takes its messages from"},
    {"advertise", text, optional,
     "host for preset addresses that are bound to all interfaces (*, 0.0.0.0, [::]). Default: an address of "
     "this machine"},
    {"protect_preset", boolean, "false", "let nobody change or delete preset keys"},
    {"max_entries", integer.between(1, 1e9), "1000000", "keys it holds at most, beside the preset ones"},
    {"max_bytes", backplane::size.between(1, 1e13), "1GiB", "bytes of their keys and values"},
    {"ttl", duration.between(0, 1e18), "0s", "how long an entry lives. 0: for good"},
    {"full", choice("refuse|evict"), "refuse",
     "refuse: what does not fit is answered with an empty reply; evict: the entries not used for longest "
     "make "
     "room"},
    {"path", backplane::path, optional,
     "file that keeps the entries through a restart: a change is on disk before it is answered. Say "
     "blocking: "
     "true as well, so that the disk delays nobody else"},
}};

// Belongs to the component's loop.
class Cache {
 public:
  static constexpr auto kind = "palm.cache";
  static constexpr auto says =
      "Keys and values of a PALM server: get, set and delete for its clients, workers and functions.";
  static constexpr std::uint32_t properties = bypass | service | connection;
  static constexpr auto options = tables(palm_socket_options, cache_options, zmq::receive_options);

  explicit Cache(Host host);
  void start();
  void stop();
  static void publish(Functions& functions);

  // For functions of the host: nothing for a missing key; the key; whether there was one; how many.
  std::optional<Bytes> get(const std::string& key);
  std::string set(const Value& value, const std::string& key);
  bool remove(const std::string& key);
  bool contains(const std::string& key);
  std::int64_t clean(const std::string& prefix);

 private:
  struct Answer {
    zmq::Way way;
    std::string value;
  };

  void serve();
  std::string answer(const Message& request, std::size_t first);
  std::string carry_out(const Fields& request);
  std::optional<std::string_view> find(std::string_view key);
  bool store(std::string_view key, std::string_view value);
  bool erase(std::string_view key);
  bool commit();
  void load();
  void tell();

  Host host_;
  zmq::SocketPlan plan_;
  std::map<std::string, std::string, std::less<>> preset_;
  bool protect_preset_;
  std::int64_t ttl_;
  basic::MemoryStore store_;
  std::unique_ptr<CacheFile> file_;
  zmq::Receiver receiver_;
  std::optional<zmq::Socket> socket_;
  Watch watch_;
  Timer sweep_;
  std::vector<Answer> answers_;
  Counter requests_;
  zmq::Trouble bad_requests_;
  Counter undelivered_;
  zmq::Trouble refused_;
  zmq::Trouble store_failures_;
  Gauge entries_;
  Gauge bytes_;
};

}  // namespace backplane::palm
