// A plugin for the tests of zerorpc.service: functions that wait where they should and where they should not,
// functions that tell what reached them, a strategy for a shutdown.
#include <backplane/plugin.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace {

using backplane::Bytes;
using backplane::Context;
using backplane::Host;
using backplane::Stream;
using backplane::Task;
using backplane::Value;
using Seconds = std::chrono::duration<double>;

class Tools {
 public:
  static constexpr auto kind = "rpc_tools.functions";
  static constexpr auto says = "Functions for tests.";
  static constexpr backplane::Option options[] = {
      {"workers", backplane::integer.between(1, 64), "1", "threads of the function work"},
      {"worker_queue", backplane::integer.between(1, 1000), "1000", "calls of it that wait"},
  };

  explicit Tools(Host host) : host_(host) {}

  static double work(double seconds) {
    ++working_;
    std::this_thread::sleep_for(Seconds(seconds));
    --working_;
    return seconds;
  }
  // Writes a file once the time is over: seen also by who gets no answer.
  static Task<Value> touch(double seconds, std::string file) {
    co_await backplane::sleep(Seconds(seconds));
    std::ofstream(file) << "done";
    co_return Value();
  }
  static Value time_left(const Context& context) {
    const auto left = context.time_left();
    return left ? Value(std::chrono::duration<double>(*left).count()) : Value();
  }
  static std::int64_t working() { return working_; }
  // Works until nobody waits for it; the file says how far it is.
  static void work_on(const Context& context, const std::string& file) {
    std::ofstream(file) << "begun";
    while (!context.cancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::ofstream(file) << "cancelled";
  }
  static std::string trace(const Context& context) { return context.baggage("trace_id"); }
  static Task<Value> ask(std::string function) {
    const auto answer = co_await backplane::call<Value>(function);
    co_return answer;
  }
  static Task<Value> ask_with(std::string function, Value argument) {
    const auto answer = co_await backplane::call<Value>(function, argument);
    co_return answer;
  }
  static Task<Value> ask_after(double seconds, std::string function) {
    co_await backplane::sleep(Seconds(seconds));
    const auto answer = co_await backplane::call<Value>(function);
    co_return answer;
  }
  // An endless stream.
  Stream<Bytes> pump(std::int64_t size) {
    const Bytes block{
        std::string(static_cast<std::size_t>(size), 'x')};  // g++ 12 breaks one made in co_yield
    const Pumping pumping(pumping_);
    while (true) {
      ++pumped_;
      co_yield block;
    }
  }
  std::int64_t pumped() const { return pumped_; }
  std::int64_t pumping() const { return pumping_; }

  void publish(backplane::Functions& functions) {
    const backplane::FunctionSettings blocking{.blocking = true};
    functions.add("work", &Tools::work, "Holds a worker thread for so long.", {"seconds"}, blocking);
    functions.add("block", &Tools::work, "Holds the loop for so long, which a function should not.",
                  {"seconds"});
    functions.add("touch", &Tools::touch, "Writes a file after that time.", {"seconds", "file"});
    functions.add("working", &Tools::working, "How many calls of work and block go on in this host.");
    functions.add("work_on", &Tools::work_on, "Holds a worker thread until nobody waits for it.", {"file"},
                  blocking);
    functions.add("time_left", &Tools::time_left, "Seconds until the caller waits no more, or nil.");
    functions.add("trace", &Tools::trace, "The trace id that came along.");
    functions.add("ask", &Tools::ask, "Calls another function.", {"function"});
    functions.add("ask_with", &Tools::ask_with, "Calls another function with an argument.",
                  {"function", "argument"});
    functions.add("ask_after", &Tools::ask_after, "Calls another function after that time.",
                  {"seconds", "function"});
    functions.add("pump", &Tools::pump, "Streams blocks of bytes without end.", {"size"});
    functions.add("pumping", &Tools::pumping, "How many calls of pump go on.");
    functions.add("pumped", &Tools::pumped, "How many blocks pump has made.");
  }

 private:
  // Counts a stream as long as it lives.
  class Pumping {
   public:
    explicit Pumping(std::int64_t& count) : count_(count) { ++count_; }
    Pumping(const Pumping&) = delete;
    Pumping& operator=(const Pumping&) = delete;
    ~Pumping() { --count_; }

   private:
    std::int64_t& count_;
  };

  static inline std::atomic<std::int64_t> working_ = 0;

  Host host_;
  std::int64_t pumped_ = 0;
  std::int64_t pumping_ = 0;
};

// A strategy: the shutdown of a service is over when a file is there.
class Strategy {
 public:
  static constexpr auto kind = "rpc_tools.strategy";
  static constexpr auto says = "Ends a service's shutdown when the file is there.";
  static constexpr backplane::Option options[] = {
      {"file", backplane::path, backplane::required, "the file that is waited for"},
  };

  explicit Strategy(Host host) : host_(host), file_(host.option("file")) {}

  Task<void> decide(std::string component) {
    host_.info("deciding about " + component);
    while (!std::filesystem::exists(file_)) co_await backplane::sleep(std::chrono::milliseconds(10));
    host_.info("decided about " + component);
  }
  static void refuse(const std::string& component) {
    throw backplane::Error("Undecided", "cannot decide about " + component);
  }

  void publish(backplane::Functions& functions) {
    functions.add("decide", &Strategy::decide, "Returns when the file is there.", {"component"});
    functions.add("refuse", &Strategy::refuse, "Fails.", {"component"});
  }

 private:
  Host host_;
  std::filesystem::path file_;
};

}  // namespace

BACKPLANE_PLUGIN("rpc_tools", "1.0.0", Tools, Strategy)
