// The functions that the demo services of all wires have in common, and the kinds that publish them: all of
// them (demo.functions), or those that clients of one protocol expect.
#pragma once

#include <backplane/plugin.hpp>

#include <cstdint>
#include <deque>
#include <string>

namespace backplane::demo {

class DemoService {
 public:
  static constexpr std::size_t kNotes = 100;
  static constexpr std::int64_t kBiggest = std::int64_t{256} << 20;

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

 protected:
  // `fails_with`: the type of the error that fail and count_fail end with.
  explicit DemoService(std::string fails_with) : fails_with_(std::move(fails_with)) {}

  // add, echo, fail and slow; `b` is the second parameter of add.
  static void publish_common(Functions& functions, Parameter b);
  // What only ZeroRPC's demo service has: streams, bytes, notes.
  static void publish_of_zerorpc(Functions& functions);
  // What only that of infi.rpc has: one function of each manner.
  static void publish_of_infi(Functions& functions);

 private:
  std::string fails_with_;
  std::int64_t active_ = 0;
  std::int64_t started_ = 0;
  std::deque<Value> notes_;
};

class DemoFunctions : public DemoService {
 public:
  static constexpr auto kind = "demo.functions";
  static constexpr auto says = "A few functions to try a host with.";
  static constexpr Option options[] = {
      {"fails_with", text, "DemoError", "type of the error that fail, later_fail and count_fail end with"},
  };

  explicit DemoFunctions(Host host) : DemoService(host.option("fails_with")) {}
  static void publish(Functions& functions);
};

class DemoZerorpc : public DemoService {
 public:
  static constexpr auto kind = "demo.zerorpc";
  static constexpr auto says = "The functions of ZeroRPC's demo service; errors are of type DemoError.";

  explicit DemoZerorpc(Host) : DemoService("DemoError") {}
  static void publish(Functions& functions);
};

class DemoInfi : public DemoService {
 public:
  static constexpr auto kind = "demo.infi";
  static constexpr auto says =
      "The functions of infi.rpc's demo service; errors are of type RPCUserException.";

  explicit DemoInfi(Host) : DemoService("RPCUserException") {}
  static void publish(Functions& functions);
};

}  // namespace backplane::demo
