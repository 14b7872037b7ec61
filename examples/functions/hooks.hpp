// What an operator of zerorpc.service may put into it: a middleware, and a shutdown strategy. Both are
// components with functions.
#pragma once

#include <backplane/plugin.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace oven {

// A middleware: some methods need a key in the header, all are counted, every answer names the oven.
class Guard {
 public:
  static constexpr auto kind = "oven.guard";
  static constexpr auto says = "A middleware for zerorpc.service: keys for methods, and counts.";
  static constexpr backplane::Option options[] = {
      {"locked", backplane::text_list, backplane::required, "methods that need the key"},
      {"key", backplane::secret, backplane::required, "what their callers have in the header as oven_key"},
  };

  explicit Guard(backplane::Host host)
      : locked_(host.option("locked")), key_(host.option("key").view()), name_(host.host_name()) {}

  // {method, args, header}. What it throws is the call's error.
  void server_before_exec(const backplane::Value& event) const {
    const auto method = text_in(event, "method");
    if (std::find(locked_.begin(), locked_.end(), method) == locked_.end()) return;
    if (text_in(*event.find("header"), "oven_key") != key_)
      throw backplane::Error("Forbidden", method + " needs the key");
  }
  // {method, result}
  void server_after_exec(const backplane::Value& event) { ++served_[text_in(event, "method")]; }
  // {method}. Further keys for the header of the answer.
  backplane::Map get_task_context(const backplane::Value&) const { return {{"oven", name_}}; }

  std::map<std::string, int> served() const { return served_; }

  void publish(backplane::Functions& functions) {
    functions.add("server_before_exec", &Guard::server_before_exec, "Refuse a call.", {"event"});
    functions.add("server_after_exec", &Guard::server_after_exec, "Count a call.", {"event"});
    functions.add("get_task_context", &Guard::get_task_context, "Name the oven.", {"event"});
    functions.add("served", &Guard::served, "Return how often each method was served.");
  }

 private:
  static std::string text_in(const backplane::Value& map, std::string_view key) {
    const auto* value = map.find(key);
    const auto* words = value == nullptr ? nullptr : value->get_if<std::string>();
    return words == nullptr ? std::string() : *words;
  }

  std::vector<std::string> locked_;
  std::string key_;
  std::string name_;
  std::map<std::string, int> served_;
};

// A shutdown strategy: clients have some time to fetch what they wait for; then the rest is aborted.
class Caretaker {
 public:
  static constexpr auto kind = "oven.caretaker";
  static constexpr auto says = "A shutdown strategy for zerorpc.service: waits, then aborts.";
  static constexpr backplane::Option options[] = {
      {"patience", backplane::duration.between(0, 3600e9), "5s", "how long calls and their clients have"},
  };

  explicit Caretaker(backplane::Host host) : patience_(host.option("patience")) {}

  // Is called with the name of the service; that is over when it returns.
  backplane::Task<void> end(std::string service) {
    const bool empty =
        co_await backplane::call<bool>(service + ".wait_for_empty_deferred_requests", patience_.count());
    if (!empty) co_await backplane::call<void>(service + ".abort_requests");
  }

  void publish(backplane::Functions& functions) {
    functions.add("end", &Caretaker::end, "End a service.", {"service"});
  }

 private:
  std::chrono::duration<double> patience_;
};

}  // namespace oven
