#include "functions.hpp"

#include <chrono>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace backplane::demo {

namespace {

__extension__ typedef __int128 WideInteger;  // holds the sum of any two integers of msgpack

bool is_integer(const Value& value) { return value.kind() == ValueKind::whole; }
bool is_number(const Value& value) { return is_integer(value) || value.kind() == ValueKind::real; }

WideInteger wide(const Value& value) {
  if (const auto* small = value.get_if<std::int64_t>()) return *small;
  return *value.get_if<std::uint64_t>();
}

Value narrow(WideInteger sum) {
  if (sum > std::numeric_limits<std::uint64_t>::max() || sum < std::numeric_limits<std::int64_t>::min())
    throw Error("OverflowError", "the sum does not fit into 64 bits");
  if (sum < 0) return static_cast<std::int64_t>(sum);
  return static_cast<std::uint64_t>(sum);
}

double real(const Value& value) {
  return is_integer(value) ? static_cast<double>(wide(value)) : *value.get_if<double>();
}

std::chrono::nanoseconds span_of(const Value& seconds) {
  if (!is_number(seconds)) throw Error("TypeError", "seconds must be a number, got " + describe(seconds));
  const double given = real(seconds);
  constexpr double longest = 1e9;
  if (!(given >= 0 && given <= longest))
    throw Error("ValueError", "seconds must be from 0 to 1e9, got " + to_json(seconds));
  return std::chrono::nanoseconds(std::llround(given * 1e9));
}

// Counts while it lives: also a coroutine that is given up ends its count.
class Counted {
 public:
  explicit Counted(std::int64_t& count) : count_(count) { ++count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --count_; }

 private:
  std::int64_t& count_;
};

}  // namespace

void DemoService::publish_common(Functions& functions, Parameter b) {
  using Self = DemoService;
  functions.add("add", &Self::add, "Add two numbers.", {"a", std::move(b)});
  functions.add("echo", &Self::echo, "Return the argument.", {"x"});
  functions.add("fail", &Self::fail, "Fail with an error that says msg.", {"msg"});
  functions.add("slow", &Self::slow, "Return seconds, after that time.", {"seconds"});
}

void DemoService::publish_of_zerorpc(Functions& functions) {
  using Self = DemoService;
  functions.add("active", &Self::active, "Return how many slow calls are running now.");
  functions.add("count", &Self::count, "Stream the numbers from 0 to n - 1.", {"n"});
  functions.add("count_fail", &Self::count_fail, "Stream the numbers from 0 to n - 1, then fail.", {"n"});
  functions.add("big", &Self::big, "Return n bytes; byte i is i modulo 256.", {"n"});
  functions.add("note", &Self::note, "Keep x.", {"x"});
  functions.add("notes", &Self::notes, "Return the last 100 values kept.");
}

void DemoService::publish_of_infi(Functions& functions) {
  using Self = DemoService;
  const FunctionSettings deferred{.manner = Manner::deferred};
  const FunctionSettings immediate{.manner = Manner::immediate};
  const FunctionSettings synchronized{.manner = Manner::synchronized};

  functions.add("later", &Self::echo, "Return the argument as a deferred.", {"x"}, deferred);
  functions.add("later_fail", &Self::fail, "Fail as a deferred.", {"msg"}, deferred);
  functions.add("now", &Self::echo, "Return the argument at once, never as a deferred.", {"x"}, immediate);
  functions.add("hold", &Self::hold, "Return seconds, after that time, never as a deferred.", {"seconds"},
                immediate);
  functions.add("crash", &Self::crash, "Fail with an exception that is no error of this service.", {"msg"});
  functions.add("locked", &Self::hold, "Return seconds, after that time; one call at a time.", {"seconds"},
                synchronized);
  functions.add("started", &Self::started, "Return how many slow calls have begun so far.", {}, immediate);
}

void DemoFunctions::publish(Functions& functions) {
  publish_common(functions, {"b", 1});
  publish_of_zerorpc(functions);
  publish_of_infi(functions);
}

void DemoZerorpc::publish(Functions& functions) {
  publish_common(functions, "b");
  publish_of_zerorpc(functions);
}

void DemoInfi::publish(Functions& functions) {
  publish_common(functions, {"b", 1});
  publish_of_infi(functions);
}

Value DemoService::add(const Value& a, const Value& b) const {
  if (is_integer(a) && is_integer(b)) return narrow(wide(a) + wide(b));
  if (is_number(a) && is_number(b)) return real(a) + real(b);
  if (const auto* left = a.get_if<std::string>(), *right = b.get_if<std::string>(); left && right)
    return *left + *right;
  if (const auto* left = a.get_if<Bytes>(), *right = b.get_if<Bytes>(); left && right)
    return Bytes{left->content + right->content};
  throw Error("TypeError", "cannot add " + describe(a) + " and " + describe(b));
}

void DemoService::fail(const std::string& msg) const { throw Error(fails_with_, msg); }

void DemoService::crash(const std::string& msg) const { throw std::runtime_error(msg); }

Task<Value> DemoService::slow(Value seconds) {
  const auto span = span_of(seconds);
  ++started_;
  const Counted running(active_);
  co_await sleep(span);
  co_return seconds;
}

Task<Value> DemoService::hold(Value seconds) const {
  co_await sleep(span_of(seconds));
  co_return seconds;
}

Stream<std::int64_t> DemoService::count(std::int64_t n) const {
  for (std::int64_t i = 0; i < n; ++i) co_yield i;
}

Stream<std::int64_t> DemoService::count_fail(std::int64_t n) const {
  for (std::int64_t i = 0; i < n; ++i) co_yield i;
  throw Error(fails_with_, "stream broken");
}

Bytes DemoService::big(std::int64_t n) const {
  if (n < 0 || n > kBiggest)
    throw Error("ValueError",
                "n must be from 0 to " + std::to_string(kBiggest) + ", got " + std::to_string(n));
  Bytes bytes{std::string(static_cast<std::size_t>(n), '\0')};
  for (std::size_t i = 0; i < bytes.content.size(); ++i) bytes.content[i] = static_cast<char>(i & 0xff);
  return bytes;
}

void DemoService::note(Value x) {
  notes_.push_back(std::move(x));
  if (notes_.size() > kNotes) notes_.pop_front();
}

}  // namespace backplane::demo
