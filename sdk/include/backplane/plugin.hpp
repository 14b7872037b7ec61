// All that a plugin author includes: a component is a plain class, its kind a few static members, the
// plugin one line at the end of the file.
//
//   static constexpr auto kind = "plugin.kind";              required: the name in a manifest
//   static constexpr auto says = "One line for people.";     required
//   static constexpr backplane::Option options[] = {...};    optional: the option table
//   static constexpr auto properties = backplane::inbound | backplane::service;   optional
//   T(backplane::Host) or T()                                may read options and log
//   void start()                                             opens sockets, watches, timers
//   void on_message(backplane::Message)                      takes what routes bring, or
//   backplane::Taken on_message(backplane::Message&)         may answer busy and leave the message
//   void on_reply(backplane::Message)                        outcomes of requests it sent
//   void on_resume()                                         send is welcome again
//   void drain()                                             nothing new from outside
//   void stop()                                              the end
//   [static] void publish(backplane::Functions&)             functions it offers
//
// Everything but kind, says and a constructor is optional and found by asking the class. All are called on
// the component's loop. An exception from the constructor or start() refuses the component; one from
// on_message drops the message, counts it and answers its asker; neither stops the host.
//
// A class with a `scheme` instead of a `kind` is a client (caller.hpp).
#pragma once

#include <backplane/abi.h>
#include <backplane/caller.hpp>
#include <backplane/function_server.hpp>
#include <backplane/functions.hpp>
#include <backplane/host.hpp>
#include <backplane/message.hpp>
#include <backplane/options.hpp>

#include <array>
#include <concepts>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

namespace backplane {

inline constexpr std::uint32_t inbound = BP_INBOUND;        // brings messages from outside
inline constexpr std::uint32_t outbound = BP_OUTBOUND;      // takes messages from the router
inline constexpr std::uint32_t service = BP_SERVICE;        // binds its outside endpoint
inline constexpr std::uint32_t connection = BP_CONNECTION;  // connects to one
inline constexpr std::uint32_t bypass = BP_BYPASS;          // never touches the router
inline constexpr std::uint32_t blocking = BP_BLOCKING;      // callbacks may wait: a loop of its own
inline constexpr std::uint32_t own_loop = BP_OWN_LOOP;    // nobody else may hold it up: the same, or `loop:`
inline constexpr std::uint32_t publishes = BP_FUNCTIONS;  // functions, by publish_function (published.hpp)

// What on_message answers when it may also say no.
enum class Taken {
  yes = BP_TAKEN,
  busy = BP_BUSY,  // the message is untouched; the host offers it again after Host::resume
};

namespace detail {

template <typename T>
concept HasOptions = requires {
  std::size(T::options);
};
template <typename T>
concept HasProperties = requires {
  T::properties;
};
template <typename T>
concept Starts = requires(T& self) {
  self.start();
};
template <typename T>
concept TakesMessages = requires(T& self, Message message) {
  self.on_message(std::move(message));
};
template <typename T>
concept MayBeBusy = requires(T& self, Message& message) {
  { self.on_message(message) } -> std::same_as<Taken>;
};
template <typename T>
concept TakesReplies = requires(T& self, Message message) {
  self.on_reply(std::move(message));
};
template <typename T>
concept Resumes = requires(T& self) {
  self.on_resume();
};
template <typename T>
concept Drains = requires(T& self) {
  self.drain();
};
template <typename T>
concept Stops = requires(T& self) {
  self.stop();
};
template <typename T>
concept Publishes = requires(T& self, Functions& functions) {
  self.publish(functions);
};
template <typename T>
concept PublishesStatically = requires(Functions& functions) {
  T::publish(functions);
};

struct NoFunctions {};

// One component of kind T on the plugin's side of the boundary: the guard that stops exceptions.
template <typename T>
class Component {
 public:
  static constexpr bool serves_functions = Publishes<T>;
  static constexpr bool takes_messages = TakesMessages<T> || MayBeBusy<T> || serves_functions;

  static void* create(const bp_host* host, bp_error* error) noexcept {
    try {
      return new Component(host);
    } catch (...) {
      describe_current(*error);
      return nullptr;
    }
  }

  static std::int32_t start(void* self, bp_error* error) noexcept {
    try {
      auto& component = of(self);
      if constexpr (serves_functions) component.functions_.start();
      if constexpr (Starts<T>) component.object_->start();
      return 0;
    } catch (...) {
      describe_current(*error);
      return -1;
    }
  }

  static std::int32_t on_message(void* self, bp_message* raw, bp_error* error) noexcept {
    auto& component = of(self);
    Message message(component.host_.abi(), raw);
    bp_message* rescued = nullptr;  // from a handler that threw with the message still in its hands
    try {
      if constexpr (serves_functions) {
        if (!message.function().empty() || !(TakesMessages<T> || MayBeBusy<T>)) {
          component.functions_.handle(std::move(message));
          return BP_TAKEN;
        }
      }
      if constexpr (MayBeBusy<T>) {
        const auto taken = component.object_->on_message(message);
        if (taken == Taken::busy) {
          message.release();
          return BP_BUSY;
        }
      } else if constexpr (TakesMessages<T>) {
        component.object_->on_message(Message(component.host_.abi(), message.release(), &rescued));
      }
      return BP_TAKEN;
    } catch (const Malformed&) {
      return refuse(component, message, rescued, error, BP_MALFORMED);
    } catch (...) {
      return refuse(component, message, rescued, error, BP_FAILED);
    }
  }

  static void on_reply(void* self, bp_message* raw) noexcept {
    auto& component = of(self);
    Host::guarded(component.host_.abi(), "on_reply", [&] {
      Message message(component.host_.abi(), raw);
      if constexpr (serves_functions) {
        if (component.functions_.on_reply(message)) return;
      }
      if constexpr (TakesReplies<T>) component.object_->on_reply(std::move(message));
    });
  }

  static void on_resume(void* self) noexcept {
    if constexpr (Resumes<T>)
      Host::guarded(of(self).host_.abi(), "on_resume", [&] { of(self).object_->on_resume(); });
  }

  static void drain(void* self) noexcept {
    if constexpr (Drains<T>) Host::guarded(of(self).host_.abi(), "drain", [&] { of(self).object_->drain(); });
  }

  static void stop(void* self) noexcept {
    auto& component = of(self);
    Host::guarded(component.host_.abi(), "stop", [&] {
      if constexpr (serves_functions) component.functions_.stop();
      if constexpr (Stops<T>) component.object_->stop();
    });
  }

  static void destroy(void* self) noexcept { delete &of(self); }

  // The author's object behind `self`, for tests.
  static T& object_of(void* self) { return *of(self).object_; }

  static std::int32_t functions(void (*tell)(void*, const bp_function*), void* context) noexcept {
    try {
      Functions described;
      if constexpr (PublishesStatically<T>) {
        T::publish(described);
      } else if constexpr (std::default_initializable<T>) {
        T scratch;
        scratch.publish(described);
      } else {
        return -1;
      }
      described.tell(tell, context);
      return 0;
    } catch (...) {
      return -1;
    }
  }

 private:
  explicit Component(const bp_host* host) : host_(host), functions_(make_functions(host)) {
    if constexpr (std::constructible_from<T, Host>) {
      object_ = std::make_unique<T>(host_);
    } else {
      object_ = std::make_unique<T>();
    }
    if constexpr (serves_functions) {
      functions_.bind(object_.get());
      object_->publish(functions_.functions());
      functions_.publish();
    }
  }

  static Component& of(void* self) { return *static_cast<Component*>(self); }

  static auto make_functions(const bp_host* host) {
    if constexpr (serves_functions) {
      return FunctionServer(Host(host));
    } else {
      return NoFunctions{};
    }
  }

  // A message that the component still had goes back to the host, which counts it and answers its asker.
  static std::int32_t refuse(Component& component, Message& message, const bp_message* rescued,
                             bp_error* error, std::int32_t answer) {
    describe_current(*error);
    if (message.release() != nullptr || rescued != nullptr) return answer;
    component.host_.log(Severity::failure,
                        std::string("on_message failed: ") + error->type + ": " + error->message);
    return BP_TAKEN;
  }

  Host host_;
  [[no_unique_address]] std::conditional_t<serves_functions, FunctionServer, NoFunctions> functions_;
  std::unique_ptr<T> object_;
};

template <typename T>
constexpr std::uint32_t properties_of() {
  std::uint32_t properties = Publishes<T> ? std::uint32_t{BP_FUNCTIONS} : 0u;
  if constexpr (HasProperties<T>) {
    properties |= T::properties;
  } else if (Component<T>::takes_messages) {
    properties |= BP_OUTBOUND;
  }
  return properties;
}

template <typename T>
constexpr bp_kind kind_of() {
  using C = Component<T>;
  bp_kind kind{};
  kind.size = sizeof(bp_kind);
  kind.properties = properties_of<T>();
  kind.name = T::kind;
  kind.says = T::says;
  if constexpr (HasOptions<T>) {
    kind.options = std::data(T::options);
    kind.option_count = std::size(T::options);
  }
  kind.option_size = sizeof(Option);
  if constexpr (Publishes<T>) kind.functions = &C::functions;
  kind.create = &C::create;
  kind.start = &C::start;
  if constexpr (C::takes_messages) kind.on_message = &C::on_message;
  kind.on_reply = &C::on_reply;
  kind.on_resume = &C::on_resume;
  if constexpr (Drains<T>) kind.drain = &C::drain;
  kind.stop = &C::stop;
  kind.destroy = &C::destroy;
  return kind;
}

// The table of one class that a plugin offers.
template <typename T>
inline constexpr bp_kind kind_table = kind_of<T>();
template <typename T>
inline constexpr bp_client client_table = client_of<T>();

// Pointers to the tables of those classes that are kinds, and of those that are clients.
template <typename... Classes>
struct Tables {
  static constexpr std::size_t client_count = (std::size_t{0} + ... + (IsClient<Classes> ? 1u : 0u));
  static constexpr std::size_t kind_count = sizeof...(Classes) - client_count;

  // One more than needed, because an array has at least one element.
  static constexpr auto kinds = [] {
    std::array<const bp_kind*, kind_count + 1> list{};
    std::size_t count = 0;
    const auto add = [&]<typename T>(std::type_identity<T>) {
      if constexpr (!IsClient<T>) list[count++] = &kind_table<T>;
    };
    (add(std::type_identity<Classes>{}), ...);
    return list;
  }();
  static constexpr auto clients = [] {
    std::array<const bp_client*, client_count + 1> list{};
    std::size_t count = 0;
    const auto add = [&]<typename T>(std::type_identity<T>) {
      if constexpr (IsClient<T>) list[count++] = &client_table<T>;
    };
    (add(std::type_identity<Classes>{}), ...);
    return list;
  }();
};

}  // namespace detail

}  // namespace backplane

#if defined(__clang__)
#define BACKPLANE_COMPILER "clang " __clang_version__
#else
#define BACKPLANE_COMPILER "g++ " __VERSION__
#endif

// Ends a plugin file: its name, its version, the classes it offers as kinds and clients.
#define BACKPLANE_PLUGIN(plugin_name, plugin_version, ...)                            \
  extern "C" __attribute__((visibility("default"))) const bp_plugin backplane_plugin; \
  const bp_plugin backplane_plugin = {                                                \
      sizeof(bp_plugin),                                                              \
      BP_ABI_MAJOR,                                                                   \
      BP_ABI_MINOR,                                                                   \
      ZMQ_VERSION_MAJOR,                                                              \
      ZMQ_VERSION_MINOR,                                                              \
      ZMQ_VERSION_PATCH,                                                              \
      plugin_name,                                                                    \
      plugin_version,                                                                 \
      BACKPLANE_COMPILER,                                                             \
      ::backplane::detail::Tables<__VA_ARGS__>::kinds.data(),                         \
      ::backplane::detail::Tables<__VA_ARGS__>::kind_count,                           \
      ::backplane::detail::Tables<__VA_ARGS__>::clients.data(),                       \
      ::backplane::detail::Tables<__VA_ARGS__>::client_count,                         \
  };
