// Clients: what a plugin offers to programs without a manifest, `backplane call` and `backplane job`. A
// client is a plain class, named like a kind in BACKPLANE_PLUGIN; it has a scheme instead of a kind.
//
//   static constexpr auto scheme = "palm";                   required: of addresses, palm+tcp://HOST:PORT
//   static constexpr auto says = "One line for people.";     required
//   static constexpr backplane::Option options[] = {...};    optional: given with --option NAME=VALUE
//   T(backplane::Caller, std::string_view endpoint)          connects
//   void call(const backplane::ClientCall&, backplane::Results&)   calls a function
//   void job(backplane::ClientJob&, backplane::Results&)     optional: many calls
//   void functions(const backplane::TellFunction&)           optional: what can be called
//
// Everything runs on one thread and may wait, Caller::timeout for one answer. An exception ends the call or
// job; Error tells its type. Items of a job that fail are Results::fail, and the job goes on.
#pragma once

#include <backplane/abi.h>
#include <backplane/host.hpp>
#include <backplane/message.hpp>
#include <backplane/options.hpp>
#include <backplane/value.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace backplane {

// A client's view of the program it works for: a copyable handle, for the client's thread.
class Caller {
 public:
  explicit Caller(const bp_caller* caller) : caller_(caller) {}
  OptionValue option(const char* name) const {
    bp_value value{};
    return caller_->option(caller_, name, &value) == 0 ? OptionValue(value) : OptionValue();
  }
  // How long a connection or one answer may take; 0: for ever.
  std::chrono::nanoseconds timeout() const { return std::chrono::nanoseconds(caller_->timeout); }
  void log(Severity severity, std::string_view line) const {
    caller_->log(caller_, static_cast<std::uint32_t>(severity), to_text(line));
  }
  // True when what runs should end. A job asks ten times a second.
  bool interrupted() const { return caller_->interrupted(caller_) != 0; }

 private:
  const bp_caller* caller_;
};

// A call, borrowed while it runs.
class ClientCall {
 public:
  explicit ClientCall(const bp_client_call& call) : call_(call) {}

  std::string_view function() const { return to_view(call_.function); }
  bool has(std::uint32_t flag) const { return (call_.flags & flag) != 0; }
  // BP_RAW or BP_MSGPACK, as functions.hpp says; the frames as they were given.
  std::uint32_t encoding() const { return call_.encoding; }
  std::vector<std::string_view> frames() const {
    std::vector<std::string_view> all;
    for (std::uint32_t i = 0; i < call_.frame_count; ++i) all.push_back(to_view(call_.frames[i]));
    return all;
  }

  // The positional arguments as values; raw ones are bytes. Throws Malformed.
  Array arguments() const {
    const auto all = frames();
    if (call_.encoding == BP_MSGPACK) return all.empty() ? Array() : decode_arguments(all[0]);
    Array bytes;
    for (const auto frame : all) bytes.emplace_back(Bytes{std::string(frame)});
    return bytes;
  }
  // The named ones. Throws Malformed.
  Map named_arguments() const {
    const auto all = frames();
    return call_.encoding == BP_MSGPACK && all.size() > 1 ? decode_named_arguments(all[1]) : Map();
  }

 private:
  const bp_client_call& call_;
};

// Where results go. All return false when no more are wanted; then the call or job should end.
class Results {
 public:
  Results(bp_take_result take, void* context) : take_(take), context_(context) {}

  // A result as text or bytes. `index`: of the item; `flags`: BP_STREAM for one of several.
  bool give_bytes(std::string_view bytes, std::uint64_t index = 0, std::uint32_t flags = 0) {
    return hand_over(bytes, BP_RAW, index, flags, nullptr);
  }
  // A result of any type. Throws Error "ValueError": nested too deep.
  bool give_value(const Value& value, std::uint64_t index = 0, std::uint32_t flags = 0) {
    return hand_over(encode(value), BP_MSGPACK, index, flags, nullptr);
  }
  // After results that were flagged BP_STREAM.
  bool end_of_stream() { return hand_over({}, BP_RAW, 0, BP_STREAM_END, nullptr); }
  // An item of a job failed.
  bool fail(std::uint64_t index, const Error& error) {
    bp_error filled{};
    detail::fill(filled, error.type(), error.what(), error.traceback());
    return hand_over({}, BP_RAW, index, BP_ERROR, &filled);
  }

 private:
  bool hand_over(std::string_view content, std::uint32_t encoding, std::uint64_t index, std::uint32_t flags,
                 const bp_error* error) {
    const bp_result result{sizeof(bp_result), encoding, flags, index, to_text(content), error};
    return take_(context_, &result) == 0;
  }
  bp_take_result take_;
  void* context_;
};

// A job, borrowed while it runs.
class ClientJob {
 public:
  enum class Next { item = BP_ITEM, later = BP_LATER, end = BP_END };

  explicit ClientJob(const bp_client_job& job) : job_(job) {}
  std::string_view function() const { return to_view(job_.function); }
  std::uint32_t encoding() const { return job_.encoding; }
  bool ordered() const { return job_.ordered != 0; }
  std::size_t window() const { return job_.window; }
  // The next item, valid until the next call; or none now, or none any more.
  Next next(std::string_view& item) {
    bp_text given{};
    const auto answer = static_cast<Next>(job_.next(job_.context, &given));
    item = to_view(given);
    return answer;
  }
  // Readable when `next` should be asked again after `later`; -1: ask again soon.
  int descriptor() const { return job_.descriptor; }

 private:
  const bp_client_job& job_;
};

// Takes one function that the other side offers; its texts are borrowed for the call.
using TellFunction = std::function<void(const bp_function&)>;

namespace detail {

template <typename T>
concept IsClient = requires {
  T::scheme;
}
&&!requires { T::kind; };
template <typename T>
concept RunsJobs = requires(T& self, ClientJob& job, Results& results) {
  self.job(job, results);
};
template <typename T>
concept TellsFunctions = requires(T& self, const TellFunction& tell) {
  self.functions(tell);
};
template <typename T>
concept ClientHasOptions = requires {
  std::size(T::options);
};

// One client of class T on the plugin's side of the boundary: the guard that stops exceptions.
template <typename T>
struct ClientSide {
  static void* open(const bp_caller* caller, bp_text endpoint, bp_error* error) noexcept {
    try {
      return new T(Caller(caller), to_view(endpoint));
    } catch (...) {
      describe_current(*error);
      return nullptr;
    }
  }
  static std::int32_t call(void* self, const bp_client_call* call, bp_take_result take, void* context,
                           bp_error* error) noexcept {
    return guarded(*error, [&] {
      const ClientCall wanted(*call);
      Results results(take, context);
      static_cast<T*>(self)->call(wanted, results);
    });
  }
  static std::int32_t job(void* self, const bp_client_job* job, bp_take_result take, void* context,
                          bp_error* error) noexcept {
    return guarded(*error, [&] {
      ClientJob wanted(*job);
      Results results(take, context);
      static_cast<T*>(self)->job(wanted, results);
    });
  }
  static std::int32_t functions(void* self, void (*tell)(void*, const bp_function*), void* context,
                                bp_error* error) noexcept {
    return guarded(*error, [&] {
      const TellFunction to_program = [=](const bp_function& function) { tell(context, &function); };
      static_cast<T*>(self)->functions(to_program);
    });
  }
  static void close(void* self) noexcept { delete static_cast<T*>(self); }

 private:
  template <typename Body>
  static std::int32_t guarded(bp_error& error, Body&& body) noexcept {
    try {
      body();
      return 0;
    } catch (...) {
      describe_current(error);
      return -1;
    }
  }
};

template <typename T>
constexpr bp_client client_of() {
  bp_client client{};
  client.size = sizeof(bp_client);
  client.scheme = T::scheme;
  client.says = T::says;
  if constexpr (ClientHasOptions<T>) {
    client.options = std::data(T::options);
    client.option_count = std::size(T::options);
  }
  client.option_size = sizeof(Option);
  client.open = &ClientSide<T>::open;
  client.call = &ClientSide<T>::call;
  if constexpr (RunsJobs<T>) client.job = &ClientSide<T>::job;
  if constexpr (TellsFunctions<T>) client.functions = &ClientSide<T>::functions;
  client.close = &ClientSide<T>::close;
  return client;
}

}  // namespace detail

}  // namespace backplane
