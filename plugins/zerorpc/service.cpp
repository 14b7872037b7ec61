#include "service.hpp"

#include <zmq.h>
#include <backplane/baggage.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "outgoing.hpp"
#include "results_file.hpp"

namespace backplane::zerorpc {

namespace {

using Strategy = ShutdownSettings::Strategy;

constexpr std::int64_t second = 1'000'000'000;
// Clients may ask for what there is, and what there is not, as fast as they can.
constexpr std::int64_t look_up_pause = second / 10;
// Of a request that a middleware is told of, and of an answer.
constexpr std::uint64_t most_header_pairs = 256;

std::string bad_option(const char* option, const std::string& why) {
  return std::string("option \"") + option + "\": " + why;
}

ShutdownSettings shutdown_settings(const Host& host) {
  ShutdownSettings settings;
  const auto strategy = host.option("shutdown.strategy");
  if (strategy == "drain") settings.strategy = Strategy::drain;
  if (strategy == "abort") settings.strategy = Strategy::abort;
  if (strategy == "close") settings.strategy = Strategy::close;
  if (strategy == "custom") settings.strategy = Strategy::custom;
  settings.grace = host.option("shutdown.grace");
  settings.abort_linger = host.option("shutdown.abort_linger");
  settings.function = std::string(host.option("shutdown.function"));
  if ((settings.strategy == Strategy::custom) == settings.function.empty())
    throw Error("BadOption", bad_option("shutdown.function",
                                        "is given with shutdown.strategy: custom, and "
                                        "only then"));
  return settings;
}

InfiSettings infi_settings(const Host& host) {
  InfiSettings settings;
  const auto mode = host.option("mode");
  if (mode == "all_deferred") settings.mode = InfiSettings::Mode::all_deferred;
  if (mode == "all_immediate") settings.mode = InfiSettings::Mode::all_immediate;
  settings.max_response_time = host.option("max_response_time");
  settings.max_payload = host.option("max_payload");
  settings.classes = ErrorClasses(host.option("error_classes").list());
  return settings;
}

std::unique_ptr<Requests> requests_of(const Host& host) {
  RequestLimits limits;
  limits.keep = host.option("results.keep");
  if (host.option("results.redeliver").given())
    limits.redeliver = std::chrono::nanoseconds(host.option("results.redeliver"));
  limits.collect_every = host.option("results.collect");
  limits.keep_unfetched = host.option("results.keep_unfetched");
  limits.max_requests = host.option("results.max_count");
  limits.max_bytes = host.option("results.max_bytes");
  const bool kept = host.option("results.store") == "sqlite";
  const std::string path(host.option("results.path"));
  if (kept == path.empty())
    throw Error("BadOption",
                bad_option("results.path", "is given with results.store: sqlite, and only then"));
  std::unique_ptr<ResultStore> store;
  if (kept) store = std::make_unique<ResultsFile>(host, path);
  return std::make_unique<Requests>(host, limits, std::move(store), [](const std::string&) {
    return error_result(infi_error::aborted, "the host was stopped while the request was being processed");
  });
}

// The longest id of a request: it goes back with each event of its channel. Peers have 32 bytes.
constexpr std::size_t longest_id = 256;
// The longest value of a header that goes back with each event of its channel.
constexpr std::size_t longest_carried = 1024;
// The longest frame of the way to a peer: ZeroMQ has no longer routing ids.
constexpr std::size_t longest_route = 255;

bool is_built_in(std::string_view method) { return method.starts_with("_zerorpc_"); }

bool tells_of_functions(std::string_view method) {
  return method == "_zerorpc_list" || method == "_zerorpc_inspect" || method == "_zerorpc_help" ||
         method == "_zerorpc_args";
}

// Nanoseconds that the encoded milliseconds of a header say; 0: they say nothing that can be used.
std::int64_t time_left(std::string_view encoded) {
  constexpr std::uint64_t longest = 1'000'000'000'000;
  if (encoded.empty()) return 0;
  const auto token = rpc::token_of(encoded);
  if (token.kind != rpc::Token::Kind::whole || !token.positive || token.number > longest) return 0;
  return static_cast<std::int64_t>(std::max<std::uint64_t>(token.number * 1'000'000, 1));
}

// False: there is nothing in the header but what the protocol itself says. Version 1 need not be told.
bool says_more(const rpc::Event& event) { return event.context_pairs > (event.version > 1 ? 2U : 1U); }

// Adds further pairs to the header of what goes back, as far as there is room.
void add_context(Channel& channel, const Value& pairs) {
  const auto* map = pairs.get_if<Map>();
  if (map == nullptr) return;
  HeaderPairs further;
  for (const auto& [key, value] : *map) {
    if (channel.context_pairs + further.count >= most_header_pairs) break;
    if (const auto* name = key.get_if<std::string>()) further.add(*name, value);
  }
  channel.context += further.bytes;
  channel.context_pairs += further.count;
}

// The header as a function of a middleware sees it.
Value header_of(const rpc::Event& event) {
  Map header;
  rpc::for_each_header(event, [&](std::string_view key, std::string_view value) {
    header.push_back({key, decoded_or_nil(value)});
    return true;
  });
  return header;
}

}  // namespace

Service::Service(Host host)
    : host_(host),
      plan_(host),
      layer_(host.option("layer") == "both"      ? Layer::both
             : host.option("layer") == "zerorpc" ? Layer::zerorpc
                                                 : Layer::infi),
      name_(host.option("name").given() ? host.option("name").view() : host.component()),
      components_(host.option("functions").list()),
      carried_(host.option("carry").list()),
      timeout_(std::chrono::nanoseconds(host.option("timeout")).count()),
      max_payload_(host.option("max_payload")),
      max_depth_(host.option("max_depth")),
      max_channels_(host.option("max_channels")),
      receiver_(host),
      unreadable_(host, "unreadable",
                  "events that were dropped: none of ZeroRPC, or of no open conversation"),
      channels_(host,
                {.heartbeat = std::chrono::nanoseconds(host.option("heartbeat")).count(),
                 .most_bytes = max_payload_},
                {.send = [this](const Way& way, const rpc::EventParts& event) { return send(way, event); },
                 .on_lost =
                     [this](std::uint64_t number, Channel& channel) {
                       calls_.forget(number);
                       give_up(channel);
                     },
                 .on_credit = [this](Channel& channel,
                                     std::uint32_t items) { host_.grant(channel.correlation, items); },
                 .on_closed = [this] { changed(); },
                 .receive = [this] { return receive(); }}),
      calls_(host, {.at_once = host.option("in_flight"), .waiting = host.option("max_waiting")},
             {.wanted =
                  [this](std::uint64_t cookie) {
                    return (cookie & Infi::cookie_mark) != 0 ? infi_.wanted(cookie)
                                                             : channels_.find(cookie) != nullptr;
                  },
              .expired = [this](std::uint64_t cookie) { expire(cookie); },
              .begun =
                  [this](std::uint64_t cookie, std::uint64_t correlation) {
                    if ((cookie & Infi::cookie_mark) != 0) return infi_.begun(cookie, correlation);
                    if (auto* channel = channels_.find(cookie)) {
                      channel->running = true;
                      channel->correlation = correlation;
                    }
                  }}),
      infi_(host, infi_settings(host),
            {.offered = [this]() -> const Offered& {
               refresh();
               return offered_;
             },
             .find = [this](std::string_view method) { return find(method); },
             .shutting_down = [this] { return shutdown_.requested(); },
             .changed = [this] { changed(); },
             .carry =
                 [this](std::uint64_t number, Message& request) {
                   if (const auto* channel = channels_.find(number)) add_carried(*channel, request);
                 }},
            channels_, calls_, requests_of(host)),
      middleware_(host, host.option("middleware").list()),
      shutdown_(host, shutdown_settings(host),
                {.unanswered = [this] { return channels_.size() + infi_.running(); },
                 .unclaimed = [this] { return infi_.unclaimed(); },
                 .abort = [this] { return abort(); },
                 .unbind = [this] { unbind(); },
                 .ask = [this] { ask_strategy(); },
                 .told = [this](const std::string& what) { host_.failed("GraceExceeded", what); },
                 .over = [this] { host_.holding(0); }}),
      control_(host, {.request_shutdown = [this] { drain(); },
                      .is_shutdown_requested = [this] { return shutdown_.requested(); },
                      .deferred_requests = [this] { return infi_.waiting(); },
                      .abort = [this] { abort(); },
                      .unbind = [this] { unbind(); }}) {}

void Service::start() {
  requests_ = host_.counter("requests", "requests of clients");
  errors_ = host_.counter("failed_calls", "requests that were answered with an error");
  duplicates_ = host_.counter("duplicates", "requests dropped: their client has one of this id open");
  channels_.start();
  calls_.start();
  middleware_.start();
  shutdown_.start();
  if (host_.option("shutdown.control") || host_.option("shutdown.strategy") == "custom") control_.publish();
  look_up_functions();
  for (const auto& component : components_)
    if (!offered_.has_component(component))
      host_.warn("option \"functions\": component " + component + " publishes no function yet");
  socket_.emplace(host_, ZMQ_ROUTER, plan_,
                  [](void* socket) { zmq::set_option(socket, "send_hwm", ZMQ_ROUTER_MANDATORY, 1); });
  watch_ = host_.watch_socket(socket_->get(), BP_READABLE | BP_ALWAYS, [this](std::uint32_t) { receive(); });
}

void Service::drain() {
  shutdown_.request();
  changed();
}

void Service::stop() {
  shutdown_.stop();
  control_.stop();
  watch_.end();
  calls_.drop_waiting();
  if (socket_) {
    if (shutdown_.requested()) refuse_the_last();
    infi_.abort();
    for (const auto number : channels_.numbers())
      end_failed(number, {"ShuttingDown", std::string(host_.component()) + " stops"});
  }
  channels_.stop();
  infi_.stop();
  socket_.reset();
}

// ---- what comes ---------------------------------------------------------------------------------------

// False: more may wait in the socket.
bool Service::receive() {
  if (!socket_) return true;
  return receiver_.run(socket_->get(), [this](Message message) {
    take(std::move(message));
    return true;
  });
}

// Requests that came too late to be answered otherwise. No more than a loop reads at once: clients that go on
// asking do not hold up the end.
void Service::refuse_the_last() {
  for (int left = Channels::most_reads; left > 0 && !receive(); --left) {
  }
}

void Service::take(Message message) {
  const auto frames = zmq::frames_of(message);
  const auto count = frames.size();
  if (count < 2 || (count > 2 && zmq_msg_size(const_cast<zmq_msg_t*>(&frames[count - 2])) != 0))
    return receiver_.malformed("a message without an empty frame before its last one");
  const auto way = frames.first(count == 2 ? 1 : count - 2);
  for (const auto& frame : way)
    if (frame_view(frame).size() > longest_route)
      return receiver_.malformed("a message with a routing id of more than 255 bytes");
  rpc::Event event;
  if (const auto* why = rpc::read_event(message[count - 1], event, max_depth_))
    return unreadable_.happened(std::string("an event is dropped: ") + why);
  const auto id = event.opens_channel() ? event.message_id : event.response_to;
  if (id.size() > longest_id)
    return unreadable_.happened("an event is dropped: the id of its channel is longer than 256 bytes");
  Channels::make_key(key_, way, id);
  if (!event.opens_channel()) {
    channels_.receive(key_, event);  // one that is for no open channel came late
    return;
  }
  take_request(event, std::move(message), way.size());
}

void Service::take_request(const rpc::Event& event, Message message, std::size_t way) {
  requests_.add();
  const bool infi = layer_ != Layer::zerorpc && event.name == infi_method;
  const auto number = channels_.open(key_, event.message_id.size(), event, infi || layer_ == Layer::infi);
  if (number == 0) return duplicates_.add();
  auto& channel = *channels_.find(number);
  channel.detached = infi;
  channel.way.resize(way);
  for (std::size_t i = 0; i < way; ++i) zmq_msg_move(channel.way[i].raw(), message.raw(i));
  carry_context(event, channel);
  if (middleware_.any()) channel.method = event.name;
  auto* const payload = message.raw(message.size() - 1);
  if (channels_.size() > max_channels_) {
    end_failed(number, {"RuntimeError", "too many conversations are open"});
    if (channels_.find(number) != nullptr) channels_.close(number);  // its client does not read
    return;
  }
  if (zmq_msg_size(payload) > max_payload_)
    return fail(number, {"RuntimeError", "a request of " + std::to_string(zmq_msg_size(payload)) +
                                             " bytes; at most " + std::to_string(max_payload_) +
                                             " are taken (option max_payload)"});
  if (!middleware_.any()) return serve(number, event, payload);
  if (event.context_pairs > most_header_pairs)
    return fail(number, {"RuntimeError", "a header of " + std::to_string(event.context_pairs) +
                                             " keys; a middleware is told of at most " +
                                             std::to_string(most_header_pairs)});
  look_at(number, std::move(message));
}

// The pairs of the header that go back with the answer.
void Service::carry_context(const rpc::Event& event, Channel& channel) const {
  if (!says_more(event)) return;
  for (const auto& key : carried_) {
    const auto value = rpc::header_value(event, key);
    if (value.empty() || value.size() > longest_carried || rpc::why_unreadable(value) != nullptr) continue;
    rpc::append_text(channel.context, key);
    channel.context += value;
    ++channel.context_pairs;
  }
}

// Lets a middleware look at the request, then serves it.
void Service::look_at(std::uint64_t number, Message message) {
  const auto kept = std::make_shared<Message>(std::move(message));
  const auto event = [this, kept] {
    rpc::Event again;
    rpc::read_event((*kept)[kept->size() - 1], again, max_depth_);
    return again;
  };
  const auto serve_it = [=, this](const std::vector<Value>& contexts) {
    auto& channel = *channels_.find(number);
    for (const auto& context : contexts) add_context(channel, context);
    serve(number, event(), kept->raw(kept->size() - 1));
  };
  const auto context = [=, this](const std::vector<Value>&) {
    const auto about = [&] { return Map{{"method", event().name}}; };
    look_at(number, Hook::get_task_context, about, serve_it);
  };
  const auto before = [=, this](const std::vector<Value>&) {
    const auto about = [&] {
      const auto asked = event();
      return Map{{"method", asked.name}, {"args", decoded_or_nil(asked.args)}, {"header", header_of(asked)}};
    };
    look_at(number, Hook::server_before_exec, about, context);
  };
  const auto about = [&] { return Map{{"header", header_of(event())}}; };
  look_at(number, Hook::load_task_context, about, before);
}

// `about` tells what the hook is given; it is asked when there is one.
void Service::look_at(std::uint64_t number, Hook hook, const std::function<Value()>& about,
                      std::function<void(const std::vector<Value>&)> next) {
  if (!middleware_.has(hook)) return next({});
  middleware_.run(hook, about(),
                  [this, number, go_on = std::move(next)](const std::optional<Failure>& failure,
                                                          const std::vector<Value>& results) {
                    if (channels_.find(number) == nullptr) return;  // the client has gone
                    if (failure) return fail(number, remote_error(*failure));
                    go_on(results);
                  });
}

void Service::serve(std::uint64_t number, const rpc::Event& event, zmq_msg_t* payload) {
  const bool infi = channels_.find(number)->detached;
  if (infi) return infi_.serve(number, event.args, payload, deadline_of(event));
  if (!event.named) return fail(number, {"NameError", "the name of the method is no text"});
  if (is_built_in(event.name)) return serve_built_in(number, event);
  if (layer_ == Layer::infi)
    return end(number, rpc::event_name::ok, rpc::encoded::list_of_one,
               error_result(infi_error::method, std::string(event.name)));
  if (event.name.starts_with('_')) return fail(number, {"NameError", std::string(event.name)});
  if (shutdown_.requested())
    return fail(number, {"ShuttingDown", "the service " + name_ + " is shutting down"});
  rpc::Token args;
  if (!rpc::Scanner(event.args).next(args) || args.kind != rpc::Token::Kind::list)
    return fail(number, {"TypeError", "the arguments of " + std::string(event.name) + " are no list"});
  const auto* method = find(event.name);
  if (method == nullptr) return fail(number, {"NameError", std::string(event.name)});
  if (!calls_.begin(method->target, request_of(*channels_.find(number), event, payload), number))
    fail(number, {"RuntimeError", "too many requests"});
}

Message Service::request_of(const Channel& channel, const rpc::Event& event, zmq_msg_t* payload) const {
  Message request = host_.message();
  request.append_part(payload, event.args);
  auto& envelope = request.envelope();
  envelope.encoding = BP_MSGPACK;
  envelope.flags = BP_REQUEST | BP_STREAM;
  envelope.credit = 1;  // what a client of ZeroRPC has given by asking
  envelope.deadline = deadline_of(event);
  add_carried(channel, request);
  return request;
}

// Until when the function of a request may take, by the option and by what its header says; 0: no limit.
std::int64_t Service::deadline_of(const rpc::Event& event) const {
  const auto told =
      says_more(event) ? time_left(rpc::header_value(event, rpc::time_left_key)) : std::int64_t{0};
  const auto span = told == 0 || timeout_ == 0 ? std::max(told, timeout_) : std::min(told, timeout_);
  return span == 0 ? 0 : host_.now() + span;
}

// The texts among them as baggage of the request.
void Service::add_carried(const Channel& channel, Message& request) const {
  if (channel.context_pairs == 0) return;
  rpc::Event header;
  header.context = channel.context;
  header.context_pairs = channel.context_pairs;
  for (const auto& key : carried_)
    if (const auto content = rpc::text_of(rpc::header_value(header, key)))
      add_baggage(request, key, *content);
}

// ---- introspection ------------------------------------------------------------------------------------

void Service::serve_built_in(std::uint64_t number, const rpc::Event& event) {
  if (tells_of_functions(event.name)) refresh();
  Array arguments;
  try {
    arguments = decode_arguments(event.args);
  } catch (const Malformed& failure) {
    return fail(number, {"TypeError", failure.what()});
  }
  try {
    end(number, rpc::event_name::ok, rpc::encoded::list_of_one, encode(introspect(event.name, arguments)));
  } catch (const Error& failure) {
    fail(number, {failure.type(), failure.what()});
  }
}

Value Service::introspect(std::string_view method, const Array& arguments) const {
  // infi.rpc's servers call themselves so, and are seen to have one method.
  static const Offered infi_only(
      {{.component = "infi", .name = std::string(infi_method), .parameters = {{"arg", "list"}}}}, {});
  const bool infi = layer_ == Layer::infi;
  const std::string name = infi ? "dict" : name_;
  const auto& offered = infi ? infi_only : offered_;
  const auto takes = [&](std::size_t count) {
    if (arguments.size() != count)
      throw Error("TypeError", std::string(method) + " takes " + std::to_string(count) + " arguments, got " +
                                   std::to_string(arguments.size()));
  };
  const auto named = [&]() -> const Method& {
    takes(1);
    const auto* wanted = arguments[0].get_if<std::string>();
    const auto* bytes = arguments[0].get_if<Bytes>();
    const auto wanted_name = wanted != nullptr  ? *wanted
                             : bytes != nullptr ? bytes->content
                                                : describe(arguments[0]);
    if (const auto* found = offered.find(wanted_name)) return *found;
    throw Error("KeyError", wanted_name);
  };
  if (method == "_zerorpc_help") return Offered::help(named());
  if (method == "_zerorpc_args") return Offered::arguments(named());
  if (method == "_zerorpc_ping" || method == "_zerorpc_name" || method == "_zerorpc_list" ||
      method == "_zerorpc_inspect")
    takes(0);
  if (method == "_zerorpc_ping") return Array{"pong", name};
  if (method == "_zerorpc_name") return name;
  if (method == "_zerorpc_list") return to_value(offered.names());
  if (method == "_zerorpc_inspect") return offered.inspect(name);
  throw Error("NameError", std::string(method));
}

// nullptr: no component has it. One that begins to publish later is found later.
const Method* Service::find(std::string_view method) {
  if (const auto* found = offered_.find(method)) return found;
  refresh();
  return offered_.find(method);
}

// Looks up the functions, unless that was a moment ago.
void Service::refresh() {
  if (host_.now() - looked_up_ >= look_up_pause) look_up_functions();
}

void Service::look_up_functions() {
  looked_up_ = host_.now();
  auto all = published_functions(host_);
  const auto own = host_.component().substr(0, host_.component().find('#'));
  if (components_.empty())
    std::erase_if(all, [&](const auto& each) { return each.component == own || middleware_.is_hook(each); });
  offered_ = Offered(std::move(all), components_);
}

// ---- what goes back -----------------------------------------------------------------------------------

void Service::on_reply(Message outcome) {
  const auto cookie = outcome.envelope().cookie;
  if ((cookie & Infi::cookie_mark) != 0) return infi_.take_outcome(outcome);
  if ((cookie & Middleware::cookie_mark) != 0) return middleware_.take_outcome(outcome);
  if (cookie == strategy_cookie) return take_strategy_outcome(outcome);
  auto* channel = channels_.find(cookie);
  if (channel == nullptr || !channel->running) return;
  const bool item = outcome.has(BP_STREAM) && !outcome.has(BP_STREAM_END) && !outcome.is_error();
  if (item) return take_item(cookie, *channel, outcome);
  channel->running = false;
  channel->correlation = 0;
  calls_.ended();
  if (outcome.is_error()) {
    fail(cookie, remote_error(failure_of(outcome)));
  } else if (outcome.has(BP_STREAM_END)) {
    finish(cookie, rpc::event_name::stream_done, {}, rpc::encoded::nil);
  } else {
    take_result(cookie, outcome);
  }
}

// The time of a call was over before others had ended.
void Service::expire(std::uint64_t cookie) {
  const Failure failure{"DeadlineExceeded", "the time for the call was over before others had ended"};
  if ((cookie & Infi::cookie_mark) != 0) return infi_.fail(cookie, failure);
  fail(cookie, remote_error(failure));
}

void Service::take_item(std::uint64_t number, Channel& channel, const Message& item) {
  std::string made;
  const auto encoded = encoded_result(item, made);
  const auto* why = why_unsendable(channel, encoded);
  if (why == nullptr && channels_.item(number, encoded)) return;
  give_up(channel);
  fail(number, why != nullptr ? RemoteError{"TypeError", std::string("an item cannot be sent: ") + why}
                              : RemoteError{"RuntimeError", "too many items wait for the client"});
}

void Service::take_result(std::uint64_t number, const Message& outcome) {
  std::string made;
  const auto encoded = encoded_result(outcome, made);
  if (const auto* why = why_unsendable(*channels_.find(number), encoded))
    return fail(number, {"TypeError", std::string("the result cannot be sent: ") + why});
  finish(number, rpc::event_name::ok, rpc::encoded::list_of_one, encoded);
}

// The result as msgpack; `made` holds it when it came in another form.
std::string_view Service::encoded_result(const Message& outcome, std::string& made) {
  if (outcome.envelope().encoding == BP_MSGPACK) return outcome.empty() ? rpc::encoded::nil : outcome[0];
  rpc::append_content(made, outcome.empty() ? std::string_view() : outcome[0], false);
  return made;
}

const char* Service::why_unsendable(const Channel& channel, std::string_view encoded) const {
  const auto around = 256 + channel.id().size() + channel.context.size();  // what an event has besides
  if (encoded.size() + around > max_payload_) return "it is longer than clients take (option max_payload)";
  return rpc::why_unreadable(encoded);
}

void Service::finish(std::uint64_t number, std::string_view name, std::string_view front,
                     std::string_view encoded) {
  if (!middleware_.has(Hook::server_after_exec)) return end(number, name, front, encoded);
  Map event{{"method", channels_.find(number)->method}};
  if (name == rpc::event_name::ok) event.push_back({"result", decoded_or_nil(encoded)});
  middleware_.run(Hook::server_after_exec, event,
                  [this, number, name, front, kept = std::string(encoded)](std::optional<Failure> failure,
                                                                           const std::vector<Value>&) {
                    if (channels_.find(number) == nullptr) return;
                    if (failure) return end_failed(number, remote_error(*failure));
                    end(number, name, front, kept);
                  });
}

void Service::fail(std::uint64_t number, const RemoteError& error) {
  if (!middleware_.has(Hook::server_inspect_exception)) return end_failed(number, error);
  const Map event{{"method", channels_.find(number)->method},
                  {"error", Map{{"name", error.name}, {"message", error.message}}}};
  middleware_.run(Hook::server_inspect_exception, event,
                  [this, number, error](const std::optional<Failure>&, const std::vector<Value>&) {
                    if (channels_.find(number) != nullptr) end_failed(number, error);
                  });
}

void Service::end_failed(std::uint64_t number, const RemoteError& error) {
  errors_.add();
  const auto& channel = *channels_.find(number);
  if (layer_ == Layer::infi || channel.detached)
    return end(number, rpc::event_name::ok, rpc::encoded::list_of_one,
               error_result(Failure{error.name == "RuntimeError" ? infi_error::framework : error.name,
                                    error.message}));
  end(number, rpc::event_name::error, {}, rpc::error_args(error.name, error.message, channel.version));
}

void Service::end(std::uint64_t number, std::string_view name, std::string_view front,
                  std::string_view args) {
  channels_.end(number, {name, front, args});
}

// An event in one frame behind the way to its peer and an empty one.
Delivered Service::send(const Way& way, const rpc::EventParts& event) {
  if (!socket_) return Delivered::gone;
  auto* const socket = socket_->get();
  constexpr int flags = ZMQ_DONTWAIT | ZMQ_SNDMORE;
  // Made first: without memory for it nothing is sent, not half a message.
  zmq::Frame payload(rpc::size_of(event));
  rpc::Memory memory{payload.data()};
  rpc::write_event(memory, event);
  for (const auto& frame : way) {
    zmq::Frame copy;
    zmq_msg_copy(copy.raw(), const_cast<zmq::Frame&>(frame).raw());
    if (zmq_msg_send(copy.raw(), socket, flags) < 0) {
      const bool full = errno == EAGAIN;
      return full ? Delivered::full : Delivered::gone;
    }
  }
  zmq::Frame delimiter;
  if (zmq_msg_send(delimiter.raw(), socket, flags) < 0) return Delivered::gone;
  return zmq_msg_send(payload.raw(), socket, ZMQ_DONTWAIT) < 0 ? Delivered::gone : Delivered::yes;
}

// ---- clients that go, and the end ---------------------------------------------------------------------

void Service::give_up(Channel& channel) {
  if (!std::exchange(channel.running, false)) return;
  if (channel.correlation != 0) host_.cancel(channel.correlation);
  channel.correlation = 0;
  calls_.ended();
}

// Ends every call with an error; how many there were.
std::size_t Service::abort() {
  calls_.drop_waiting();
  auto aborted = infi_.abort();
  for (const auto number : channels_.numbers()) {
    auto* channel = channels_.find(number);
    if (channel == nullptr || channel->detached) continue;
    ++aborted;
    give_up(*channel);
    end_failed(number, {"ShuttingDown", "the call was aborted: the service " + name_ + " is shutting down"});
  }
  return aborted;
}

void Service::unbind() {
  watch_.end();
  socket_.reset();
  channels_.end_reach();
}

// Calls the function that says when a shutdown is over.
void Service::ask_strategy() {
  Message request = host_.message({encode(Array{host_.component()})});
  request.envelope().encoding = BP_MSGPACK;
  request.envelope().deadline =
      host_.now() + std::chrono::nanoseconds(host_.option("shutdown.grace")).count() + second;
  request.envelope().cookie = strategy_cookie;
  request.set(BP_REQUEST);
  host_.call(host_.option("shutdown.function").view(), std::move(request));
}

void Service::take_strategy_outcome(const Message& outcome) {
  if (outcome.is_error()) {
    const auto failure = failure_of(outcome);
    host_.warn("shutdown.function failed: " + failure.type + ": " + failure.message + "; calls are drained");
  }
  shutdown_.function_returned();
}

void Service::changed() {
  control_.look();
  if (!shutdown_.requested()) return;
  shutdown_.look();
  host_.holding(shutdown_.over() ? 0 : 1 + channels_.size() + infi_.waiting());
}

}  // namespace backplane::zerorpc
