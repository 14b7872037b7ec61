// A plugin that misbehaves on demand, and a bridge that lets a raw peer call functions.
#include <backplane/plugin.hpp>

#include <chrono>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace backplane::awkward {

// Functions that go wrong in every way.
class WrongFunctions {
 public:
  static constexpr auto kind = "awkward.functions";
  static constexpr auto says = "Functions that go wrong.";

  static void publish(Functions& functions) {
    functions.add(
        "fine", [] { return 42; }, "Answers.");
    functions.add(
        "throws", []() -> int { throw std::runtime_error("thrown on purpose"); }, "Throws.");
    functions.add(
        "throws_int", []() -> int { throw 7; }, "Throws what is no exception.");
    functions.add("allocates", [](std::uint64_t bytes) { return std::string(bytes, 'x').size(); },
                  "Asks for memory.", {"bytes"});
    functions.add("forever",
                  [](Context context) {
                    while (!context.cancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
                    return 0;
                  },
                  "Runs until nobody waits any more.", {}, {.blocking = true});
    functions.add("blocks",
                  [](int milliseconds) {
                    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
                    return milliseconds;
                  },
                  "Holds up its loop.", {"milliseconds"}, {.manner = Manner::immediate});
  }
};

// Takes [function, arguments in msgpack], answers the result in msgpack or "error TYPE: TEXT".
class Bridge {
 public:
  static constexpr auto kind = "awkward.bridge";
  static constexpr auto says = "Calls functions for raw peers.";
  static constexpr auto properties = outbound;
  static constexpr Option options[] = {{"deadline", duration, "5s", "how long a call may take"}};

  explicit Bridge(Host host) : host_(host), deadline_(host.option("deadline")) {}

  void on_message(Message message) {
    if (message.size() != 2) throw Malformed("two frames are expected: function, arguments");
    auto call = host_.message({message[1]});
    call.envelope().encoding = BP_MSGPACK;
    call.envelope().deadline = host_.now() + std::chrono::nanoseconds(deadline_).count();
    call.envelope().cookie = ++last_;
    call.set(BP_REQUEST);
    waiting_.emplace(last_, message.envelope());
    host_.call(message[0], std::move(call));
  }
  void on_reply(Message reply) {
    const auto found = waiting_.find(reply.envelope().cookie);
    if (found == waiting_.end()) return;
    if (reply.is_error()) {
      host_.reply(found->second, {"error " + std::string(reply[0]) + ": " + std::string(reply[1])});
    } else {
      host_.reply(found->second, {reply[0]});
    }
    waiting_.erase(found);
  }

 private:
  Host host_;
  std::chrono::nanoseconds deadline_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, bp_envelope> waiting_;
};

// Cannot be made.
class Refuses {
 public:
  static constexpr auto kind = "awkward.refuses";
  static constexpr auto says = "Throws from its constructor.";
  explicit Refuses(Host) { throw std::runtime_error("this component does not want to live"); }
  void on_message(Message) {}
};

// Stays in its callback for ever.
class Hangs {
 public:
  static constexpr auto kind = "awkward.hangs";
  static constexpr auto says = "Never comes back from a message.";
  static constexpr auto properties = outbound | blocking;
  explicit Hangs(Host host) : host_(host) {}
  void on_message(Message) {
    host_.info("hangs from now on");
    while (true) std::this_thread::sleep_for(std::chrono::seconds(1));
  }

 private:
  Host host_;
};

}  // namespace backplane::awkward

BACKPLANE_PLUGIN("awkward", "1.0.0", backplane::awkward::WrongFunctions, backplane::awkward::Bridge,
                 backplane::awkward::Refuses, backplane::awkward::Hangs)
