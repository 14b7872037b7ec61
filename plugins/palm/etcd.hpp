// Kinds that talk to etcd by its API v2: palm.etcd_poller brings changes as messages, palm.etcd publishes
// functions. All members run on the component's loop.
#pragma once

#include <backplane/plugin.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "http/client.hpp"
#include "socket.hpp"

namespace backplane::palm {

inline constexpr std::array<Option, 1> etcd_options = {{
    {"url", text, "http://127.0.0.1:4001", "where etcd is"},
}};

// An answer of etcd as the text that Python's json.dumps makes of it: ", " and ": " between its parts, \uXXXX
// for what is not ASCII, keys in the order in which they came. Throws Malformed when it is not JSON, or is
// nested too deeply.
std::string etcd_text(std::string_view answer);
// The same as maps and lists.
Value etcd_value(std::string_view answer);

// The path of a key below /v2/keys, percent-encoded.
std::string etcd_path(std::string_view key);

// How long to wait before the next attempt: twice as long each time.
class BackOff {
 public:
  static constexpr std::chrono::nanoseconds shortest = std::chrono::milliseconds(100);
  static constexpr std::chrono::nanoseconds longest = std::chrono::seconds(10);
  std::chrono::nanoseconds next();
  void reset() { pause_ = shortest; }

 private:
  std::chrono::nanoseconds pause_ = shortest;
};

inline constexpr std::array<Option, 3> poller_options = {{
    {"key", text, required, "key to watch, with all that is below it"},
    {"function", text, "update", "function that the messages call"},
    {"poll_timeout", duration.between(0, 1e18), "0s",
     "ask again when nothing has changed for so long, to learn that the connection is dead. 0: never"},
}};

// While etcd is not there it tries on, and says so in the log.
class EtcdPoller {
 public:
  static constexpr auto kind = "palm.etcd_poller";
  static constexpr auto says = "Brings every change of a key of etcd as a PALM message.";
  static constexpr std::uint32_t properties = inbound | connection;
  static constexpr auto options = tables(etcd_options, poller_options);

  explicit EtcdPoller(Host host);
  void start();
  void on_resume();
  void drain() { end(); }
  void stop();

 private:
  void poll();
  void take(const http::Result& result);
  void take_change(const std::string& answer);
  void try_later(const std::string& why);
  void end();

  Host host_;
  std::string path_;
  std::string function_;
  std::chrono::nanoseconds poll_timeout_;
  std::optional<std::uint64_t>
      next_index_;             // of the change to wait for; nothing: the next one, whatever it is
  std::uint64_t request_ = 0;  // 0: none under way
  BackOff back_off_;
  Timer retry_;
  bool paused_ = false;
  bool ended_ = false;
  Counter changes_;
  zmq::Trouble failures_;
  http::Client client_;  // last: it calls the rest
};

inline constexpr std::array<Option, 4> etcd_call_options = {{
    {"answers", choice("value|text"), "value",
     "value: functions return etcd's answer as maps and lists; text: as JSON, which a PALM message can "
     "carry"},
    {"timeout", duration.between(1e6, 1e18), "10s",
     "how long etcd may take to answer, or to be there at all. Waits have no limit"},
    {"max_connections", integer.between(1, 10'000), "16", "requests under way at once; more wait in order"},
    {"max_waits", integer.between(1, 10'000), "100", "waits under way at once; more wait in order"},
}};

// Functions fail with "KeyNotFound", with "EtcdError" for anything else that etcd refuses, with "Unreachable"
// when it gave no answer, and with "Malformed" when its answer is not JSON.
class Etcd {
 public:
  static constexpr auto kind = "palm.etcd";
  static constexpr auto says = "Functions that read, write and watch keys of etcd.";
  static constexpr std::uint32_t properties = bypass | connection;
  static constexpr auto options = tables(etcd_options, etcd_call_options);

  explicit Etcd(Host host);
  void start();
  void stop();
  static void publish(Functions& functions);

  void get(Call<Value> call, const std::string& key);
  void list(Call<Value> call, const std::string& key);
  void wait(Call<Value> call, const std::string& key, std::uint64_t index);
  void put(Call<Value> call, const std::string& key, const std::string& value);
  void put_directory(Call<Value> call, const std::string& key);
  void delete_key(Call<Value> call, const std::string& key);
  void delete_directory(Call<Value> call, const std::string& key);

 private:
  struct Asked {
    Call<Value> call;
    const char* method = "GET";
    std::string target = {};
    http::Client* client = nullptr;
    int retries = 0;              // left for a key that is not there
    std::int64_t give_up_at = 0;  // 0: never
    BackOff back_off = {};
    std::uint64_t request = 0;  // 0: none under way
    Timer retry = {};
  };

  void ask(Call<Value> call, const char* method, std::string target, int retries = 0);
  void begin(Asked asked);
  void send(std::uint64_t number);
  void take(std::uint64_t number, const http::Result& result);
  void send_later(std::uint64_t number, std::chrono::nanoseconds pause);
  void answer(const Asked& asked, const http::Result& result) const;
  void forget(std::uint64_t number);

  Host host_;
  bool as_text_;
  std::chrono::nanoseconds timeout_;
  std::unordered_map<std::uint64_t, Asked> asked_;
  std::uint64_t last_number_ = 0;
  http::Client client_;
  http::Client waits_;  // apart, so that waits hold up nothing
};

}  // namespace backplane::palm
