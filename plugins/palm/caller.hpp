// The client of `backplane call palm+ENDPOINT`: a palm::Client behind the boundary.
#pragma once

#include <backplane/caller.hpp>

#include <string>
#include <string_view>

namespace backplane::palm {

// The endpoint is where the server's cache answers. Functions are `server.function`, several of them
// separated by blanks; names without a dot are requests to the cache: get KEY, set VALUE, set KEY VALUE,
// delete KEY. The one argument of a function is its payload: texts and bytes as they are, other values as
// JSON.
class CallingClient {
 public:
  static constexpr auto scheme = "palm";
  static constexpr auto says = "Calls functions of PALM servers, and their cache.";
  static constexpr Option options[] = {
      {"server", text, "", "name that the server must have; empty: any"},
      {"messages", integer.between(1, 1e9), "1", "how many replies a call has"},
      {"cache", text, "", "what the cache field of messages says; empty: a key of its own for each"},
      {"session", text, "", "pipeline of the messages, and prefix of the keys that are set"},
      {"push_address", endpoint, optional, "where messages go, instead of the server's pull_address"},
      {"sub_address", endpoint, optional,
       "where replies come from, instead of the server's pub_address: that of the last server of several"},
  };

  CallingClient(Caller caller, std::string_view endpoint);
  void call(const ClientCall& call, Results& results);
  void job(ClientJob& job, Results& results);

 private:
  void call_function(const ClientCall& call, const Array& arguments, Results& results);
  void ask_cache(std::string_view instruction, const Array& arguments, Results& results);

  Caller caller_;
  std::string endpoint_;
};

}  // namespace backplane::palm
