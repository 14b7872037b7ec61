// An oven of a laboratory as functions: one for each thing that a function can be. Its temperature is made
// up.
#pragma once

#include <backplane/plugin.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace oven {

using backplane::Arguments;
using backplane::Call;
using backplane::Context;
using backplane::DetailedError;
using backplane::Error;
using backplane::Functions;
using backplane::Host;
using backplane::Manner;
using backplane::Map;
using backplane::Severity;
using backplane::Stream;
using backplane::Task;
using backplane::Value;
using Seconds = std::chrono::duration<double>;

// A step of a program: so hot, for so many seconds.
struct Step {
  double celsius;
  double seconds;
};

}  // namespace oven

// A type of one's own as parameter and result. It travels as the list [celsius, seconds].
template <>
struct backplane::Converter<oven::Step> {
  static constexpr const char* type = "list";
  static oven::Step take(Value& value) {
    const auto [celsius, seconds] = Converter<std::pair<double, double>>::take(value);
    return {celsius, seconds};
  }
  static Value give(const oven::Step& step) { return to_value(std::pair(step.celsius, step.seconds)); }
};

namespace oven {

class Oven {
 public:
  static constexpr auto kind = "oven.control";
  static constexpr auto says = "A made-up oven: temperature, programs, a sensor, a door.";
  // With `workers` and `worker_queue`, for functions that wait on a thread.
  static constexpr std::array<backplane::Option, 2> own_options = {{
      {"hottest", backplane::number.between(30, 2000), "300", "degrees Celsius that it may be set to"},
      {"journal", backplane::component_name, backplane::required, "component that keeps lines"},
  }};
  static constexpr auto options = backplane::tables(own_options, backplane::worker_options);

  explicit Oven(Host host)
      : host_(host), hottest_(host.option("hottest")), journal_(host.option("journal").view()) {}

  void publish(Functions& functions) {
    const backplane::FunctionSettings at_once{.manner = Manner::immediate};
    const backplane::FunctionSettings later{.manner = Manner::deferred};
    const backplane::FunctionSettings in_turn{.manner = Manner::synchronized, .group = "sensor"};
    const backplane::FunctionSettings no_answer{.manner = Manner::signal};
    const backplane::FunctionSettings on_a_thread{.max_response_time = std::chrono::seconds(2),
                                                  .blocking = true};

    functions.add("celsius", &Oven::celsius, "Return the temperature.", {}, at_once);
    functions.add("set", &Oven::set, "Set a temperature; return the seconds until it is reached.",
                  {"celsius", {"speed", 10}});
    functions.add("heat", &Oven::heat, "Set a temperature and wait until it is reached.", {"celsius"});
    functions.add("run", &Oven::run, "Run a program of [celsius, seconds]; return its steps.", {"program"},
                  later);
    functions.add("readings", &Oven::readings, "Stream n temperatures.", {"n", {"every", 0.1}});
    functions.add("calibrate", &Oven::calibrate, "Take a tenth of a second to set the sensor right.",
                  {"offset"}, in_turn);
    functions.add("self_test", &Oven::self_test, "Take a second to test the sensor.", {}, in_turn);
    functions.add("beep", &Oven::beep, "Make a noise.", {{"times", 1}}, no_answer);
    functions.add("beeps", &Oven::beeps, "Return how often it has beeped.", {}, at_once);
    functions.add("certificate", &Oven::certificate, "Compute a certificate, which takes a while.",
                  {"customer", {"rounds", 1000}}, on_a_thread);
    functions.add("wait_for_door", &Oven::wait_for_door, "Return who opens the door next.");
    functions.add("open_door", &Oven::open_door, "Open the door; return how many have waited for that.",
                  {"who"});
    functions.add("about_call", &Oven::about_call, "Return what is known of this call.");
    functions.add("any", &Oven::any, "Return what it was given.");
  }

  double celsius() const {
    const double since = Seconds(std::chrono::nanoseconds(host_.now() - since_)).count();
    const double way = target_ - from_;
    return from_ + std::copysign(std::min(std::abs(way), since * speed_), way) + offset_;
  }

  double set(double celsius, double speed) {
    if (speed <= 0) throw Error("ValueError", "speed must be above 0");
    if (celsius > hottest_)
      throw DetailedError("TooHot", "the oven is not made for that",
                          {{"asked", celsius}, {"hottest", hottest_}});
    from_ = this->celsius() - offset_;
    since_ = host_.now();
    target_ = celsius;
    speed_ = speed;
    return std::abs(target_ - from_) / speed;
  }

  // Waits, and holds no thread meanwhile.
  Task<double> heat(double celsius) {
    const Seconds way(set(celsius, 10));
    co_await backplane::sleep(way);
    co_return this->celsius();
  }

  // Its own coroutines, and functions of other components, are awaited alike.
  Task<int> run(std::vector<Step> program) {
    int done = 0;
    for (const auto& [celsius, seconds] : program) {
      const double reached = co_await heat(celsius);
      co_await backplane::sleep(Seconds(seconds));
      const auto line = std::to_string(std::lround(reached)) + " degrees held";
      co_await backplane::call_within<int>(std::chrono::seconds(5), journal_ + ".write", line);
      ++done;
    }
    co_return done;
  }

  // An item is made when the one before has been sent.
  Stream<double> readings(int n, double every) const {
    for (int i = 0; i < n; ++i) {
      co_yield celsius();
      co_await backplane::sleep(Seconds(every));
    }
  }

  // Both use the sensor: one at a time.
  Task<void> calibrate(double offset) {
    co_await backplane::sleep(Seconds(0.1));
    offset_ = offset;
  }
  Task<bool> self_test() {
    co_await backplane::sleep(Seconds(1));
    co_return std::abs(offset_) < 5;
  }

  void beep(const Context& context, int times) {
    beeps_ += times;
    context.log(Severity::info, "beeped " + std::to_string(times) + " times");
  }
  int beeps() const { return beeps_; }

  // Runs on a worker thread, so it uses no member that others change, and looks now and then whether
  // anybody still waits.
  static std::string certificate(const Context& context, const std::string& customer, int rounds) {
    std::uint64_t sum = 0xcbf29ce484222325U;
    for (int round = 0; round < rounds; ++round) {
      if (context.cancelled()) throw Error("Cancelled", "nobody waits for the certificate");
      for (const unsigned char letter : customer) sum = (sum ^ letter) * 0x100000001b3U;
    }
    return customer + "-" + std::to_string(sum);
  }

  // Answered later: by open_door, whenever that is.
  void wait_for_door(Call<std::string> call) {
    call.context().on_cancel(
        [this] { std::erase_if(at_the_door_, [](const auto& waiting) { return waiting.cancelled(); }); });
    at_the_door_.push_back(std::move(call));
  }
  int open_door(const std::string& who) {
    const auto all = std::exchange(at_the_door_, {});
    for (const auto& waiting : all) waiting.answer(who);
    return static_cast<int>(all.size());
  }

  static Map about_call(const Context& context) {
    const auto left = context.time_left();
    return {{"trace_id", context.baggage("trace_id")},
            {"seconds_left", left ? Value(Seconds(*left).count()) : Value()}};
  }

  // Takes whatever comes, as *args and **kwargs do in Python.
  static Map any(const Arguments& arguments) {
    return {{"positional", arguments.positional}, {"named", arguments.named}};
  }

 private:
  Host host_;
  double hottest_;
  std::string journal_;
  double from_ = 20;
  double target_ = 20;
  double speed_ = 10;
  double offset_ = 0;
  std::int64_t since_ = 0;
  int beeps_ = 0;
  std::vector<Call<std::string>> at_the_door_;
};

// Keeps lines, for whoever calls it.
class Journal {
 public:
  static constexpr auto kind = "oven.journal";
  static constexpr auto says = "Keeps lines.";

  // The line's number. The log says which request it belongs to.
  int write(const Context& context, std::string line) {
    context.log(Severity::info, line);
    lines_.push_back(std::move(line));
    return static_cast<int>(lines_.size());
  }
  std::vector<std::string> lines() const { return lines_; }

  void publish(Functions& functions) {
    functions.add("write", &Journal::write, "Keep a line.", {"line"});
    functions.add("lines", &Journal::lines, "Return all lines.");
  }

 private:
  std::vector<std::string> lines_;
};

}  // namespace oven
