// Functions that a component publishes: named callables, their parameters and their manner.
//
//   void publish(backplane::Functions& functions) {
//     functions.add("add", &Demo::add, "Adds two numbers.", {"a", {"b", 1}});
//     functions.add("slow", &Demo::slow, "Answers after a while.", {"seconds"}, {.manner =
//     Manner::deferred});
//   }
//
// A callable is a member function of the component, a free function or a lambda. What it returns decides
// how it is served: a plain result is computed on the loop (or on a worker thread: `blocking`), a Task or
// Stream is a coroutine, and a callable whose first parameter is a Call<R> answers later, from wherever it
// likes. A first parameter of type Context is the call itself; one of type Arguments, alone, takes whatever
// came. Types of parameters and results: see binding.hpp.
//
// How a call is a message (the only place that says so):
//   request   `function` is the name. Encoding BP_MSGPACK: frame 0 is the list of positional arguments, an
//             optional frame 1 the map of named ones; no frames: no arguments. Encoding BP_RAW: every frame
//             is one argument, as bytes (as text where the parameter is text).
//   reply     Frame 0 is the result in msgpack; bytes and texts answer a BP_RAW request as they are, with
//             encoding BP_RAW. Errors are Host::reply_error: type, message, traceback, and as a fourth
//             frame the attributes of a DetailedError, a map in msgpack.
//   stream    A request with BP_STREAM takes items, one reply with BP_STREAM each, and then one with
//             BP_STREAM_END and no frames, or an error. Items cost credit (envelope.credit at first, then
//             BP_CREDIT), the end and errors do not. Without BP_STREAM the items are answered as a list.
//   deferred  A request with BP_DEFERRED may be answered by a reply with BP_DEFERRED: frame 0 is a token
//             (text), frame 1 the name of this component. The result is had by the function
//             "deferred_result" of that component, with the token as its argument: again such a reply while
//             it is not finished, then the result or error, again and again until it is too old. An unknown
//             token is the error "InvalidAsyncToken".
//   signal    A message with BP_SIGNAL gets no answer. After `expires` it is not run.
// Arguments that do not fit are the error "InvalidCallArguments", an unknown function is "NameError", too
// many calls at once are "Overloaded", a deadline that passed is "DeadlineExceeded", a component that
// stops "ShuttingDown". Bytes that are not msgpack are Malformed.
#pragma once

#include <backplane/abi.h>
#include <backplane/binding.hpp>
#include <backplane/context.hpp>
#include <backplane/task.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace backplane {

enum class Manner {
  ordinary = BP_ORDINARY,          // a deferred when it takes longer than max_response_time
  immediate = BP_IMMEDIATE,        // never a deferred
  deferred = BP_DEFERRED_MANNER,   // always a deferred, for an asker that takes one
  synchronized = BP_SYNCHRONIZED,  // at most one of its group runs at a time, the others queue
  signal = BP_SIGNAL_MANNER,       // no answer; an asker that waits gets nil
  stream = BP_STREAM_MANNER,       // many items
};

// A parameter's name, and its default when it has one.
struct Parameter {
  Parameter(const char* called) : name(called) {}
  template <typename Default>
  Parameter(const char* called, Default&& otherwise)
      : name(called), default_value(to_value(std::forward<Default>(otherwise))) {}
  std::string name;
  std::optional<Value> default_value;
};

// What else there is to say about a function.
struct FunctionSettings {
  Manner manner = Manner::ordinary;
  std::string group = {};                           // synchronized with others of the same group
  std::chrono::nanoseconds max_response_time = {};  // 0: ServingLimits::max_response_time
  bool blocking = false;                            // may wait: runs on the component's worker threads
};

// Bounds of one component's serving.
struct ServingLimits {
  std::size_t running = 100'000;      // calls at once, waiting ones included
  std::size_t group_queue = 10'000;   // calls waiting for one group
  std::size_t workers = 1;            // threads for blocking functions; worker_options override it
  std::size_t worker_queue = 1'000;   // calls waiting for a worker; worker_options override it
  std::size_t collected = 1'000'000;  // items of a stream that is answered as a list
  std::chrono::nanoseconds max_response_time = std::chrono::milliseconds(500);
  std::size_t deferred = 10'000;                                   // deferreds that run or are kept
  std::size_t deferred_bytes = std::size_t{256} << 20;             // of kept results
  std::chrono::nanoseconds keep_result = std::chrono::seconds(5);  // after its end, and after it was fetched
  DecodeLimits decode = {};
};

// Options of a kind with blocking functions, by which a manifest says how many of their calls run at once and
// wait: `static constexpr auto options = tables(own_options, worker_options);`. Without them the limits of
// the component count.
inline constexpr std::array<Option, 2> worker_options = {{
    {"workers", integer.between(1, 1000), optional,
     "threads for functions that block; without it as many as the kind itself says, usually 1"},
    {"worker_queue", integer.between(1, 1'000'000), optional,
     "calls of such functions that may wait for a thread, those beyond are refused; usually 1000"},
}};

// The answer that a function gives later: a callable whose first parameter is a Call<R> keeps it, and
// answers once, from a timer, a callback or another thread. Copies are the same call; when the last one is
// dropped without an answer, the asker gets the error "Unanswered".
template <typename R = void>
class Call {
 public:
  explicit Call(const std::shared_ptr<detail::CallRecord>& record)
      : state_(std::make_shared<State>(record)) {}

  Context context() const { return Context(state_->record); }
  bool cancelled() const { return state_->record->cancelled; }

  // The result. Any thread. What comes after the first answer, or after the component stopped, is ignored.
  template <typename Result>
  requires(!std::is_void_v<R>) void answer(Result&& result) const {
    state_->end({Converter<R>::give(R(std::forward<Result>(result))), {}});
  }
  void answer() const requires std::is_void_v<R> { state_->end({}); }
  // An error instead. Any thread.
  void fail(std::string type, std::string message, std::string traceback = {}) const {
    state_->end({{}, detail::Failure{std::move(type), std::move(message), std::move(traceback)}});
  }
  void fail(const DetailedError& error) const { state_->end({{}, detail::failure_of(error)}); }

 private:
  struct State {
    explicit State(std::shared_ptr<detail::CallRecord> of) : record(std::move(of)) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
      end({{}, detail::Failure{"Unanswered", "the function dropped its call without an answer", {}}});
    }
    void end(detail::Outcome outcome) {
      if (ended.exchange(true)) return;
      const std::scoped_lock lock(record->gate->mutex);
      if (!record->gate->open) return;
      record->host.post([kept = record, end = std::move(outcome)] {
        if (auto* engine = kept->gate->engine) engine->complete(kept, end);
      });
    }
    std::shared_ptr<detail::CallRecord> record;
    std::atomic<bool> ended = false;
  };
  std::shared_ptr<State> state_;
};

namespace detail {

// A callable, ready to be called with the arguments of a record.
class Invoker {
 public:
  virtual ~Invoker() = default;
  // Calls it: a plain callable's result comes back; a coroutine is put into the record, not started; one
  // that answers later has kept its Call. Throws what the callable throws. Worker thread: plain ones only.
  virtual Value invoke(CallRecord& record) = 0;
};

enum class Shape { plain, later, task, stream };

struct FunctionEntry {
  struct Described {
    std::string name;
    const char* type;
    std::optional<Value> default_value;
    std::string default_json;
  };
  std::string name;
  std::string help;
  std::vector<Described> parameters;
  const char* result = "";
  FunctionSettings settings;
  Shape shape = Shape::plain;
  bool any_arguments = false;  // a parameter of type Arguments
  std::unique_ptr<Invoker> invoker;

  bool grouped() const { return settings.manner == Manner::synchronized || !settings.group.empty(); }
};

// ---- taking signatures apart ----

template <typename... T>
struct Types {
  static constexpr std::size_t count = sizeof...(T);
};

template <typename Callable>
struct SignatureOf : SignatureOf<decltype(&Callable::operator())> {};
template <typename R, typename... P>
struct SignatureOf<R (*)(P...)> {
  using Result = R;
  using Parameters = Types<P...>;
  using Class = void;
};
template <typename R, typename C, typename... P>
struct SignatureOf<R (C::*)(P...)> {
  using Result = R;
  using Parameters = Types<P...>;
  using Class = C;
};
template <typename R, typename... P>
struct SignatureOf<R (*)(P...) noexcept> : SignatureOf<R (*)(P...)> {};
template <typename R, typename C, typename... P>
struct SignatureOf<R (C::*)(P...) const> : SignatureOf<R (C::*)(P...)> {};
template <typename R, typename C, typename... P>
struct SignatureOf<R (C::*)(P...) noexcept> : SignatureOf<R (C::*)(P...)> {};
template <typename R, typename C, typename... P>
struct SignatureOf<R (C::*)(P...) const noexcept> : SignatureOf<R (C::*)(P...)> {};

// What a first parameter may be besides an argument.
struct NoLead {
  static constexpr bool later = false;
};
struct ContextLead {
  static constexpr bool later = false;
  static Context make(CallRecord& record) { return Context(record.shared_from_this()); }
};
template <typename R>
struct CallLead {
  static constexpr bool later = true;
  using Result = R;
  static Call<R> make(CallRecord& record) { return Call<R>(record.shared_from_this()); }
};

template <typename Parameters>
struct SplitLead {
  using Lead = NoLead;
  using Rest = Parameters;
};
template <typename First, typename... Others>
requires std::same_as<std::remove_cvref_t<First>, Context>
struct SplitLead<Types<First, Others...>> {
  using Lead = ContextLead;
  using Rest = Types<Others...>;
};
template <typename R, typename... Others>
struct SplitLead<Types<Call<R>, Others...>> {
  using Lead = CallLead<R>;
  using Rest = Types<Others...>;
};

template <typename R>
struct ResultOf {
  using Type = std::decay_t<R>;
  static constexpr Shape shape = Shape::plain;
};
template <typename T>
struct ResultOf<Task<T>> {
  using Type = T;
  static constexpr Shape shape = Shape::task;
};
template <typename T>
struct ResultOf<Stream<T>> {
  using Type = T;
  static constexpr Shape shape = Shape::stream;
};

template <typename T>
constexpr const char* type_of() {
  if constexpr (std::is_void_v<T>) {
    return "";
  } else {
    return Converter<T>::type;
  }
}

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};

// What Functions::add needs to know of a parameter's type, so that it is no template itself.
struct ParameterTraits {
  const char* type;
  bool optional;
  bool all_arguments;
  void (*try_take)(Value value);  // throws TypeMismatch
};
template <typename T>
void try_take(Value value) {
  (void)Converter<T>::take(value);
}
template <typename T>
constexpr ParameterTraits traits_of() {
  return {type_of<T>(), IsOptional<T>::value, std::is_same_v<T, Arguments>, &try_take<T>};
}
template <typename Parameters>
struct TraitsOf;
template <typename... P>
struct TraitsOf<Types<P...>> {
  static constexpr std::size_t count = sizeof...(P);
  static constexpr ParameterTraits list[] = {traits_of<std::remove_cvref_t<P>>()..., ParameterTraits{}};
};

// Converts one argument, and names the parameter when it does not fit.
template <typename T>
T take_argument(const CallRecord& record, Value& value, std::size_t index) {
  try {
    return Converter<T>::take(value);
  } catch (const TypeMismatch& failure) {
    throw Error("InvalidCallArguments", record.entry.name + ": parameter \"" +
                                            record.entry.parameters[index].name + "\": " + failure.what());
  }
}

template <typename Callable, typename Result, typename Lead, typename Parameters>
class BoundCallable;

template <typename Callable, typename Result, typename Lead, typename... P>
class BoundCallable<Callable, Result, Lead, Types<P...>> final : public Invoker {
 public:
  static_assert(((!std::is_lvalue_reference_v<P> || std::is_const_v<std::remove_reference_t<P>>)&&...),
                "a parameter of a function is a value or a const reference");
  static constexpr Shape shape = ResultOf<Result>::shape;

  explicit BoundCallable(Callable callable) : callable_(std::move(callable)) {}

  Value invoke(CallRecord& record) override {
    const auto indices = std::index_sequence_for<P...>();
    if constexpr (shape == Shape::plain) {
      auto parameters = take_all(record, indices);
      if constexpr (std::is_void_v<Result>) {
        call(record, parameters, indices);
        return {};
      } else {
        return to_value(call(record, parameters, indices));
      }
    } else {
      auto parameters = std::make_shared<Stored>(take_all(record, indices));
      record.parameters = parameters;
      call(record, *parameters, indices).give_to(record);
      return {};
    }
  }

 private:
  using Stored = std::tuple<std::remove_cvref_t<P>...>;

  template <std::size_t... Index>
  static Stored take_all([[maybe_unused]] CallRecord& record, std::index_sequence<Index...>) {
    return Stored{take_argument<std::remove_cvref_t<P>>(record, record.arguments[Index], Index)...};
  }
  template <std::size_t... Index>
  Result call([[maybe_unused]] CallRecord& record, [[maybe_unused]] Stored& parameters,
              std::index_sequence<Index...>) {
    if constexpr (std::is_same_v<Lead, NoLead>) {
      return callable_(static_cast<P&&>(std::get<Index>(parameters))...);
    } else {
      return callable_(Lead::make(record), static_cast<P&&>(std::get<Index>(parameters))...);
    }
  }

  Callable callable_;
};

// A member function and the object it is called on.
template <typename Class, typename Method>
struct MemberCall {
  Class* object;
  Method method;
  template <typename... Given>
  decltype(auto) operator()(Given&&... given) const {
    return (object->*method)(std::forward<Given>(given)...);
  }
};

}  // namespace detail

template <>
struct Converter<Arguments> {
  static constexpr const char* type = "any";
  static Arguments take(Value& value) {
    auto* both = value.get_if<Array>();
    if (both == nullptr || both->size() != 2) detail::mismatch("list of 2", value);
    return {Converter<Array>::take((*both)[0]), Converter<Map>::take((*both)[1])};
  }
};

// What `publish(Functions&)` fills. Made by the SDK; alone, it serves to describe. Loop thread only.
class Functions {
 public:
  Functions() = default;
  Functions(const Functions&) = delete;
  Functions& operator=(const Functions&) = delete;

  // Publishes `callable` as `name`. Parameters that are not named are called arg1, arg2, ...; defaults may
  // be given to the last ones, and an std::optional without a default is one that may be left out. Throws
  // Error "BadFunction" when the parts do not fit each other: then the component is refused.
  template <typename Callable>
  Functions& add(std::string name, Callable callable, std::string help = {},
                 std::initializer_list<Parameter> parameters = {}, FunctionSettings settings = {}) {
    using Signature = detail::SignatureOf<Callable>;
    using Split = detail::SplitLead<typename Signature::Parameters>;
    using Result = typename Signature::Result;
    using Lead = typename Split::Lead;

    auto entry = std::make_unique<detail::FunctionEntry>();
    entry->name = std::move(name);
    entry->help = std::move(help);
    entry->settings = std::move(settings);
    entry->shape = Lead::later ? detail::Shape::later : detail::ResultOf<Result>::shape;
    if constexpr (Lead::later) {
      static_assert(std::is_void_v<Result>, "a callable that takes a Call returns nothing");
      entry->result = detail::type_of<typename Lead::Result>();
    } else {
      entry->result = detail::type_of<typename detail::ResultOf<Result>::Type>();
    }
    using Traits = detail::TraitsOf<typename Split::Rest>;
    describe_parameters(*entry, Traits::list, Traits::count, parameters);
    check(*entry);
    if constexpr (std::is_member_function_pointer_v<Callable>) {
      using Class = typename Signature::Class;
      using Member = detail::MemberCall<Class, Callable>;
      entry->invoker = std::make_unique<detail::BoundCallable<Member, Result, Lead, typename Split::Rest>>(
          Member{object_as<Class>(entry->name), callable});
    } else {
      entry->invoker = std::make_unique<detail::BoundCallable<Callable, Result, Lead, typename Split::Rest>>(
          std::move(callable));
    }
    by_name_.emplace(entry->name, entry.get());
    entries_.push_back(std::move(entry));
    return *this;
  }

  // Other bounds than the usual ones.
  Functions& limit(ServingLimits limits) {
    limits_ = limits;
    return *this;
  }
  const ServingLimits& limits() const { return limits_; }

  // nullptr: no function is called so.
  const detail::FunctionEntry* find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }
  const std::vector<std::unique_ptr<detail::FunctionEntry>>& entries() const { return entries_; }

  // Tells every function, in the order of adding. What is told lives until the call returns.
  void tell(void (*tell_one)(void*, const bp_function*), void* context) const {
    for (const auto& entry : entries_) {
      std::vector<bp_parameter> parameters;
      for (const auto& parameter : entry->parameters)
        parameters.push_back({parameter.name.c_str(), parameter.type,
                              parameter.default_value ? parameter.default_json.c_str() : nullptr});
      bp_function told{};
      told.size = sizeof told;
      told.manner = static_cast<std::uint32_t>(entry->settings.manner);
      told.name = entry->name.c_str();
      told.help = entry->help.c_str();
      told.result = entry->result;
      told.group = entry->settings.group.c_str();
      told.parameters = parameters.data();
      told.parameter_count = parameters.size();
      told.max_response_time = entry->settings.max_response_time.count();
      tell_one(context, &told);
    }
  }

  // Names the object whose member functions are added. Before add().
  template <typename T>
  void bind(T* object) {
    throw_object_ = [object] { throw object; };
  }

 private:
  // The object as a pointer to the class of a member function, which may be one of its bases. Throwing and
  // catching the pointer is the language's own cast from a type that is no longer known here.
  template <typename Class>
  Class* object_as(const std::string& function) const {
    if (!throw_object_) return nullptr;  // describing only
    try {
      throw_object_();
    } catch (Class* object) {
      return object;
    } catch (...) {
    }
    throw Error("BadFunction", function + ": a member function of a class that the component is not");
  }

  static void describe_parameters(detail::FunctionEntry& entry, const detail::ParameterTraits* traits,
                                  std::size_t count, std::initializer_list<Parameter> given) {
    entry.any_arguments =
        std::any_of(traits, traits + count, [](const auto& one) { return one.all_arguments; });
    if (entry.any_arguments) {
      if (count != 1) bad(entry, "a parameter of type Arguments must be the only one");
      entry.parameters.push_back({given.size() == 0 ? "arguments" : given.begin()->name, "any", {}, {}});
      return;
    }
    if (given.size() != 0 && given.size() != count)
      bad(entry,
          "takes " + std::to_string(count) + " parameters, " + std::to_string(given.size()) + " are named");
    for (std::size_t i = 0; i < count; ++i) {
      detail::FunctionEntry::Described made{"arg" + std::to_string(i + 1), traits[i].type, {}, {}};
      if (given.size() != 0) {
        made.name = given.begin()[i].name;
        made.default_value = given.begin()[i].default_value;
      }
      if (!made.default_value && traits[i].optional) made.default_value = Value();
      if (made.default_value) {
        made.default_json = to_json(*made.default_value);
        check_default(entry, made, traits[i]);
      } else if (i > 0 && entry.parameters[i - 1].default_value) {
        bad(entry, "\"" + made.name + "\" follows a parameter with a default and has none");
      }
      entry.parameters.push_back(std::move(made));
    }
  }

  static void check_default(const detail::FunctionEntry& entry,
                            const detail::FunctionEntry::Described& parameter,
                            const detail::ParameterTraits& traits) {
    try {
      traits.try_take(*parameter.default_value);
    } catch (const TypeMismatch& failure) {
      bad(entry, "the default of \"" + parameter.name + "\": " + failure.what());
    }
  }

  void check(detail::FunctionEntry& entry) const {
    auto& settings = entry.settings;
    if (entry.name.empty()) bad(entry, "a function needs a name");
    if (find(entry.name) != nullptr) bad(entry, "is published twice");
    for (std::size_t i = 0; i < entry.parameters.size(); ++i)
      for (std::size_t k = 0; k < i; ++k)
        if (entry.parameters[i].name == entry.parameters[k].name)
          bad(entry, "two parameters are called \"" + entry.parameters[i].name + "\"");
    if (settings.blocking && entry.shape != detail::Shape::plain)
      bad(entry, "only a plain function can be blocking: coroutines and kept calls wait without a thread");
    if (settings.blocking && settings.manner == Manner::immediate)
      bad(entry, "an immediate function cannot be blocking");
    if (entry.shape == detail::Shape::stream) {
      if (settings.manner != Manner::ordinary && settings.manner != Manner::stream)
        bad(entry, "returns a Stream: its manner is stream");
      settings.manner = Manner::stream;
    } else if (settings.manner == Manner::stream) {
      bad(entry, "the manner stream needs a callable that returns a Stream");
    }
  }

  [[noreturn]] static void bad(const detail::FunctionEntry& entry, const std::string& why) {
    throw Error("BadFunction", "function \"" + entry.name + "\": " + why);
  }

  std::vector<std::unique_ptr<detail::FunctionEntry>> entries_;
  std::map<std::string_view, const detail::FunctionEntry*> by_name_;  // views of their names
  ServingLimits limits_;
  std::function<void()> throw_object_;
};

}  // namespace backplane
