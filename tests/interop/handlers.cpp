// A plugin for tests with real clients: functions that block their thread, one that fails with an error of a
// class that its clients have, and a middleware.
#include <backplane/plugin.hpp>

#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace backplane::handlers {

class Blocking {
 public:
  static constexpr auto kind = "handlers.blocking";
  static constexpr auto says = "Functions that block the thread they run on.";

  static void publish(Functions& functions) {
    functions.limit({.workers = 4});
    functions.add("block_worker", block, "Block a worker.", {"seconds"}, {.blocking = true});
    functions.add("block_loop", block, "Block the component.", {"seconds"});
  }

 private:
  static double block(double seconds) {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    return seconds;
  }
};

class Busy {
 public:
  static constexpr auto kind = "handlers.busy";
  static constexpr auto says = "A function that fails, and says when to try again.";

  static void publish(Functions& functions) {
    functions.add("work",
                  [](double wait) {
                    throw DetailedError("Busy", "come back later", {{"wait", wait}});
                  },
                  "Fail.", {"wait"});
  }
};

// Puts its name into the header of each answer, refuses calls of note, and publishes what it saw.
class Witness {
 public:
  static constexpr auto kind = "handlers.witness";
  static constexpr auto says = "A middleware that tells what it saw.";

  static void publish(Functions& functions) {
    functions.add("load_task_context", &Witness::load_task_context, "", {"event"});
    functions.add("get_task_context", &Witness::get_task_context, "", {"event"});
    functions.add("server_before_exec", &Witness::server_before_exec, "", {"event"});
    functions.add("server_after_exec", &Witness::server_after_exec, "", {"event"});
    functions.add("server_inspect_exception", &Witness::server_inspect_exception, "", {"event"});
    functions.add("seen", &Witness::seen);
  }

  void load_task_context(const Value& event) {
    const auto* user = event.find("header")->find("user");
    saw("load", user == nullptr ? Value("nobody") : *user);
  }
  Map get_task_context(const Value& event) {
    saw("get", *event.find("method"));
    return {{"served_by", "witness"}};
  }
  void server_before_exec(const Value& event) {
    saw("before", *event.find("args"));
    if (*event.find("method") == Value("note")) throw Error("Forbidden", "nobody may take notes");
  }
  void server_after_exec(const Value& event) {
    const auto* result = event.find("result");
    saw("after", result == nullptr ? Value("a stream") : *result);
  }
  void server_inspect_exception(const Value& event) { saw("error", *event.find("error")->find("name")); }
  // What it saw since it was asked last.
  std::vector<std::string> seen() { return std::exchange(seen_, {}); }

 private:
  void saw(const std::string& point, const Value& what) { seen_.push_back(point + ' ' + to_json(what)); }

  std::vector<std::string> seen_;
};

}  // namespace backplane::handlers

BACKPLANE_PLUGIN("handlers", "1.0.0", backplane::handlers::Blocking, backplane::handlers::Busy,
                 backplane::handlers::Witness)
