// The kind demo.functions: the functions that the demo services of all wires have in common.
#pragma once

#include <backplane/plugin.hpp>

#include <cstdint>
#include <deque>
#include <string>

namespace backplane::demo {

class DemoFunctions {
 public:
  static constexpr auto kind = "demo.functions";
  static constexpr auto says = "A few functions to try a host with.";
  static constexpr Option options[] = {
      {"fails_with", text, "DemoError", "type of the error that fail, later_fail and count_fail end with"},
  };
  static constexpr std::size_t kNotes = 100;
  static constexpr std::int64_t kBiggest = std::int64_t{256} << 20;

  explicit DemoFunctions(Host host) : fails_with_(host.option("fails_with")) {}
  static void publish(Functions& functions);

  Value add(const Value& a, const Value& b) const;
  Value echo(Value x) const { return x; }
  void fail(const std::string& msg) const;
  Task<Value> slow(Value seconds);
  std::int64_t active() const { return active_; }
  std::int64_t started() const { return started_; }
  Stream<std::int64_t> count(std::int64_t n) const;
  Stream<std::int64_t> count_fail(std::int64_t n) const;
  Bytes big(std::int64_t n) const;
  void note(Value x);
  Array notes() const { return {notes_.begin(), notes_.end()}; }
  void crash(const std::string& msg) const;
  Task<Value> hold(Value seconds) const;

 private:
  std::string fails_with_;
  std::int64_t active_ = 0;
  std::int64_t started_ = 0;
  std::deque<Value> notes_;
};

}  // namespace backplane::demo
