#include "client.hpp"

#include <backplane/baggage.hpp>
#include <backplane/uuid.hpp>

#include <algorithm>
#include <utility>

#include "infi.hpp"

namespace backplane::zerorpc {

namespace {

using News = Remote::News;

constexpr auto never = Remote::never;
constexpr int polls_again = 3;  // asking for a result changes nothing at the server

std::int64_t span_of(const Host& host, const char* option) {
  return std::chrono::nanoseconds(host.option(option)).count();
}

// What the Python clients of the two wait.
std::int64_t timeout_of(const Host& host, bool infi) {
  if (host.option("timeout").given()) return span_of(host, "timeout");
  return std::chrono::nanoseconds(std::chrono::seconds(infi ? 10 : 30)).count();
}

Remotes::Settings remotes_of(const Host& host, bool infi) {
  Remotes::Settings settings;
  settings.remote.channels.heartbeat = infi ? 0 : span_of(host, "heartbeat");
  settings.remote.channels.passive = host.option("passive_heartbeat");
  settings.remote.reconnect = host.option("reconnect_interval");
  settings.addresses = host.option("connect").list();
  settings.names = host.option("connect_name").list();
  if (host.option("balance") == "least_loaded") settings.balance = Remotes::Balance::least_loaded;
  if (settings.addresses.empty() && settings.names.empty())
    throw Error("BadOption",
                "give \"connect: ENDPOINT\" to say where servers are, or \"connect_name: NAME\" for a "
                "middleware that knows");
  return settings;
}

// `span` from `now`, which is 0 for no limit.
std::int64_t after(std::int64_t now, std::int64_t span) {
  return span == 0 || span > never - now ? never : now + span;
}

Failure failure_of(const Error& error) {
  return {error.type().empty() ? "RemoteError" : error.type(), error.what(), {}, error.traceback()};
}

}  // namespace

Client::Client(Host host)
    : host_(host),
      infi_(host.option("layer") == "infi"),
      timeout_(timeout_of(host, infi_)),
      poll_interval_(span_of(host, "poll_interval")),
      slots_(host.option("slots")),
      retry_lost_(host.option("retry_lost")),
      in_flight_(host.option("in_flight")),
      max_waiting_(host.option("max_waiting")),
      max_payload_(host.option("max_payload")),
      carried_(host.option("carry").list()),
      middleware_(host, host.option("middleware").list()),
      lessons_(host, infi_, host.option("functions").list(),
               [this](Remote& remote, std::string_view method, const Array& arguments, Lessons::Learn learn) {
                 teach(remote, method, arguments, std::move(learn));
               }),
      remotes_(host, remotes_of(host, infi_),
               {.on_news = [this](Remote&, const News& news, zmq_msg_t* payload) { take(news, payload); },
                .on_there =
                    [this](Remote& remote) {
                      pump();
                      lessons_.begin(remote);
                    },
                .on_lost =
                    [this](Remote&, const std::vector<Remote::Ticket>& lost, const std::string& why) {
                      std::for_each(lost.rbegin(), lost.rend(), [&](auto number) { lose(number, why); });
                      pump();
                    }},
               middleware_),
      armed_(never) {}

void Client::start() {
  calls_counter_ = host_.counter("calls", "calls that were taken");
  failures_ = host_.counter("failed_calls", "calls that ended with an error");
  retried_ = host_.counter("retried", "calls that were sent again because their server was lost");
  running_gauge_ = host_.gauge("calls_running", "calls that servers have now");
  waiting_gauge_ = host_.gauge("calls_waiting", "calls that wait for a server, or until others end");
  middleware_.start();
  remotes_.start();
}

void Client::stop() {
  stopped_ = true;
  clock_.end();
  for (const auto number : calls_.numbers([](const Call& call) { return call.answers; })) {
    Ending ending{.failure = Failure{"ShuttingDown", std::string(host_.component()) + " stops"}};
    detach(*calls_.find(number));
    answer(number, ending);
  }
  if (const auto left = calls_.size() - lessons_running_; left > 0)
    host_.warn(std::to_string(left) + " calls for which nobody waits are given up");
  remotes_.stop();
}

// ---- what is asked ------------------------------------------------------------------------------------

Taken Client::on_message(Message& message) {
  if (waiting() >= max_waiting_) {
    busy_ = true;
    return Taken::busy;
  }
  const bp_envelope envelope = message.envelope();
  const bool answers = message.wants_reply() && !message.has(BP_SIGNAL);
  try {
    begin(envelope, answers, Request(std::move(message)));
  } catch (const Error& error) {
    const bool no_call = message && dynamic_cast<const Malformed*>(&error) != nullptr;
    if (no_call) throw;  // the host counts it
    failures_.add();
    if (answers) reply_with(host_, envelope, failure_of(error));
  }
  return Taken::yes;
}

// Throws Error for arguments that cannot be sent.
void Client::begin(const bp_envelope& envelope, bool answers, Request request) {
  if (!infi_ && request.has_named()) request.arrange(lessons_.find(request.method()));
  const auto size = request.arguments().size() + request.named().size();
  if (size > max_payload_)
    throw Error("TypeError", "the arguments of " + std::string(request.method()) + " have " +
                                 std::to_string(size) + " bytes; at most " + std::to_string(max_payload_) +
                                 " are sent (option max_payload)");
  const auto number = calls_.take();
  auto& call = *calls_.find(number);
  call = Call();
  call.envelope = envelope;
  call.answers = answers;
  call.request = std::move(request);
  calls_counter_.add();
  call.method = call.request.method();
  call.takes_items = call.answers && (call.envelope.flags & BP_STREAM) != 0;
  call.credit = StreamCredit(slots_, call.envelope.credit, !call.takes_items);
  if (call.answers) by_asker_[call.envelope.correlation] = number;
  const auto headers = call.request.headers();
  for (const auto& key : carried_)
    if (const auto value = baggage_in(headers, key); !value.empty()) call.header.add(key, value);
  if (infi_) {
    call.uuid = new_uuid();
    call.tag = baggage_in(headers, "log_tag");
  }
  call.patience = after(host_.now(), timeout_);
  const auto worthless = call.envelope.expires == 0 ? never : call.envelope.expires;
  set_alarm(number, call, std::min({call.patience, deadline_of(call), worthless}));
  if (!middleware_.any()) return enqueue(number);
  host_.holding(calls_.size() - lessons_running_);
  look_at(number);
}

// Lets a middleware look at the request before it goes.
void Client::look_at(std::uint64_t number) {
  const auto& call = *calls_.find(number);
  const Map context{{"method", call.method}};
  Map about{{"method", call.method}, {"args", Value()}};
  if (middleware_.has(Hook::client_before_request))
    about.back().value = decoded_or_nil(call.request.arguments());
  const auto before = [=, this](const std::vector<Value>& contexts) {
    auto& header = calls_.find(number)->header;
    for (const auto& pairs : contexts)
      if (const auto* map = pairs.get_if<Map>())
        for (const auto& [key, value] : *map)
          if (const auto* name = key.get_if<std::string>()) header.add(*name, value);
    look_at(number, Hook::client_before_request, about,
            [this, number](const std::vector<Value>&) { enqueue(number); });
  };
  look_at(number, Hook::get_task_context, context, before);
}

void Client::look_at(std::uint64_t number, Hook hook, const Value& event,
                     std::function<void(const std::vector<Value>&)> next) {
  if (!middleware_.has(hook)) return next({});
  middleware_.run(hook, event,
                  [this, number, go_on = std::move(next)](const std::optional<Failure>& failure,
                                                          const std::vector<Value>& results) {
                    if (calls_.find(number) == nullptr) return;  // nobody waits any more
                    if (!failure) return go_on(results);
                    Ending ending{.failure = *failure};
                    answer(number, ending);
                  });
}

void Client::enqueue(std::uint64_t number) {
  auto& call = *calls_.find(number);
  call.stage = Call::Stage::waiting;
  call.place = waiting_.insert(waiting_.end(), number);
  pump();
}

// Sends what waits, as long as there are servers and not too many calls are under way.
void Client::pump() {
  send_waiting();
  running_gauge_.set(static_cast<std::int64_t>(running_));
  waiting_gauge_.set(static_cast<std::int64_t>(waiting()));
  host_.holding(calls_.size() - lessons_running_);
  if (waiting() < max_waiting_ && std::exchange(busy_, false)) host_.resume();
}

void Client::send_waiting() {
  while (!stopped_ && !waiting_.empty() && running_ < in_flight_) {
    auto* remote = remotes_.choose();
    if (remote == nullptr) return;
    const auto number = waiting_.front();
    waiting_.pop_front();
    calls_.find(number)->place.reset();
    ++running_;
    ask(number, *remote);
  }
}

void Client::ask(std::uint64_t number, Remote& remote) {
  auto& call = *calls_.find(number);
  call.stage = Call::Stage::asked;
  call.remote = &remote;
  ++remote.calls;
  if (!send(number, call, call.method, call.request.arguments(), call.request.named()))
    return put_back(number, call);
  if (!retry_lost_) call.request = Request();
  set_alarm(number, call, std::min(call.patience, deadline_of(call)));
}

// The server takes no more now. Another may, or this one later; a lesson begins anew when it does.
void Client::put_back(std::uint64_t number, Call& call) {
  if (call.learn) return fail(number, "LostRemote", "the server takes no more requests now");
  detach(call);
  call.stage = Call::Stage::waiting;
  call.place = waiting_.insert(waiting_.begin(), number);
}

// False: the server takes no more now.
bool Client::send(std::uint64_t number, Call& call, std::string_view method, std::string_view arguments,
                  std::string_view named) {
  auto header = call.header;
  if (const auto deadline = deadline_of(call); deadline != never) {
    const std::chrono::nanoseconds left(std::max<std::int64_t>(0, deadline - host_.now()));
    header.add(rpc::time_left_key, std::chrono::duration_cast<std::chrono::milliseconds>(left).count());
  }
  std::string wrapped;
  if (infi_) {
    const auto uuid = call.token.empty() ? call.uuid : new_uuid();
    wrapped = infi_call(method, uuid, call.tag, arguments, named);
    method = infi_method;
    arguments = wrapped;
  }
  const auto channel = call.remote->ask(
      {.method = method, .args = arguments, .context = header.bytes, .context_pairs = header.count}, number);
  if (channel) call.channel = *channel;
  return channel.has_value();
}

// Calls a method of one server for a lesson.
void Client::teach(Remote& remote, std::string_view method, const Array& arguments, Lessons::Learn learn) {
  Message message = host_.message({encode(arguments)});
  message.envelope().encoding = BP_MSGPACK;
  message.set_function(method);
  const auto number = calls_.take();
  auto& call = *calls_.find(number);
  call = Call();
  call.learn = std::move(learn);
  call.request = Request(std::move(message));
  call.method = method;
  call.credit = StreamCredit(slots_, 0, true);
  if (infi_) call.uuid = new_uuid();
  call.patience = after(host_.now(), timeout_);
  ++lessons_running_;
  ask(number, remote);
}

// ---- what is answered ---------------------------------------------------------------------------------

void Client::take(const News& news, zmq_msg_t* payload) {
  const auto number = *news.owner;
  const auto& call = *calls_.find(number);
  const bool raw = call.envelope.encoding == BP_RAW && !call.learn;
  switch (news.kind) {
    case News::Kind::none:
      break;
    case News::Kind::failure:
      return end(number, {.failure = failure_of(*news.error), .told = news.remote});
    case News::Kind::result:
      if (infi_) return take_infi(number, news.content, payload);
      return end(number, {.reply = reply_with(host_, raw, news.content, payload)});
    case News::Kind::item:
      return take_item(number, news.content, payload);
    case News::Kind::end:
      return take_end(number);
  }
}

void Client::take_infi(std::uint64_t number, std::string_view content, zmq_msg_t* payload) {
  auto& call = *calls_.find(number);
  auto told = infi_answer(content);
  const bool polled = call.stage == Call::Stage::polled;
  if (polled && told.result) told = infi_answer(*told.result);
  if (told.failure) return end(number, {.failure = std::move(told.failure), .told = true});
  if (told.result) {
    const bool raw = call.envelope.encoding == BP_RAW && !call.learn;
    return end(number, {.reply = reply_with(host_, raw, *told.result, payload)});
  }
  const auto now = host_.now();
  call.polls_left = polls_again;
  call.poll_until = after(now + poll_interval_, timeout_);
  if (polled) {
    call.stage = Call::Stage::pausing;
    return set_alarm(number, call, std::min(now + poll_interval_, deadline_of(call)));
  }
  call.token = std::move(told.token);
  call.request = Request();
  poll(number);
}

// Asks for the result of a call that takes long; later, when its server is not there.
void Client::poll(std::uint64_t number) {
  auto& call = *calls_.find(number);
  const auto now = host_.now();
  if (call.poll_until <= now) {
    if (call.polls_left-- == 0)
      return fail(number, "TimeoutExpired",
                  "the server does not tell any more how " + call.method + " goes on");
    call.poll_until = after(now, timeout_);
  }
  if (!call.remote->there() || !send(number, call, "query_async_request", encode(Array{call.token}), {})) {
    call.stage = Call::Stage::pausing;
    return set_alarm(number, call, std::min(now + poll_interval_, deadline_of(call)));
  }
  call.stage = Call::Stage::polled;
  set_alarm(number, call, std::min(call.poll_until, deadline_of(call)));
}

void Client::take_item(std::uint64_t number, std::string_view content, zmq_msg_t* payload) {
  auto& call = *calls_.find(number);
  if (infi_)
    return fail(number, "InvalidReturnValue", "the server's answer is a stream, and none of infi.rpc");
  if (call.stage == Call::Stage::asked) {
    call.stage = Call::Stage::streaming;
    call.request = Request();
    set_alarm(number, call, deadline_of(call));
  }
  const bool now = call.credit.arrived();
  if (call.takes_items) {
    Message item = reply_with(host_, call.envelope.encoding == BP_RAW, content, payload);
    item.set(BP_STREAM);
    if (now) {
      host_.reply(call.envelope, std::move(item));
    } else {
      call.waiting_item = std::move(item);
    }
  } else if (call.answers && !call.collected.add(content)) {
    return fail(number, "ResultTooLarge", "the stream has too many items for one answer");
  }
  give_credit(number, call);
}

void Client::take_end(std::uint64_t number) {
  auto& call = *calls_.find(number);
  Message reply = host_.message();
  reply.envelope().encoding = BP_MSGPACK;
  if (call.takes_items) {
    reply.set(BP_STREAM_END);
  } else {
    reply.append_moved(std::move(call.collected).list());
  }
  end(number, {.reply = std::move(reply)});
}

void Client::give_credit(std::uint64_t number, Call& call) {
  const auto credit = call.credit.due();
  if (credit > 0 && !call.remote->grant(call.channel, credit))
    fail(number, "LostRemote", "the server does not read what it is sent");
}

// The channel of a call has closed without an answer.
void Client::lose(std::uint64_t number, const std::string& why) {
  auto* call = calls_.find(number);
  if (call == nullptr) return;
  if (call->stage == Call::Stage::polled) {  // its result waits at the server, should that come back
    call->stage = Call::Stage::pausing;
    return set_alarm(number, *call, std::min(host_.now() + poll_interval_, deadline_of(*call)));
  }
  if (call->stage != Call::Stage::asked || !retry_lost_ || call->learn)
    return end(number, {.failure = Failure{"LostRemote", why}});
  retried_.add();
  detach(*call);
  call->stage = Call::Stage::waiting;
  call->place = waiting_.insert(waiting_.begin(), number);
}

// ---- notices of askers, and outcomes of the middleware ------------------------------------------------

void Client::on_reply(Message outcome) {
  const auto& envelope = outcome.envelope();
  if ((envelope.flags & (BP_CREDIT | BP_CANCEL)) == 0) return middleware_.take_outcome(outcome);
  const auto found = by_asker_.find(envelope.correlation);
  if (found == by_asker_.end()) return;
  const auto number = found->second;
  auto& call = *calls_.find(number);
  if ((envelope.flags & BP_CANCEL) != 0) {
    detach(call);
    return remove(number);
  }
  call.credit.granted(envelope.credit);
  if (call.credit.release()) host_.reply(call.envelope, std::move(call.waiting_item));
  if (call.stage == Call::Stage::streaming) give_credit(number, call);
}

// ---- the end of a call --------------------------------------------------------------------------------

void Client::fail(std::uint64_t number, const char* type, const std::string& why) {
  end(number, {.failure = Failure{type, why}});
}

void Client::end(std::uint64_t number, Ending ending) {
  auto& call = *calls_.find(number);
  detach(call);
  if (call.learn || !middleware_.any()) return answer(number, ending);
  call.stage = Call::Stage::ended;
  set_alarm(number, call, deadline_of(call));
  const auto kept = std::make_shared<Ending>(std::move(ending));
  if (!kept->told || !middleware_.has(Hook::client_handle_remote_error)) return look_back(number, kept);
  const Map event{{"method", call.method},
                  {"error", Map{{"name", kept->failure->type}, {"message", kept->failure->message}}}};
  middleware_.run(Hook::client_handle_remote_error, event,
                  [this, number, kept](const std::optional<Failure>& instead, const std::vector<Value>&) {
                    if (calls_.find(number) == nullptr) return;
                    if (instead) kept->failure = instead;
                    look_back(number, kept);
                  });
}

// Lets a middleware look at the outcome.
void Client::look_back(std::uint64_t number, const std::shared_ptr<Ending>& ending) {
  if (!middleware_.has(Hook::client_after_request)) return answer(number, *ending);
  Map event{{"method", calls_.find(number)->method}};
  if (const auto& failure = ending->failure) {
    event.push_back({"error", Map{{"name", failure->type}, {"message", failure->message}}});
  } else if (!ending->reply.has(BP_STREAM_END)) {
    const bool raw = ending->reply.envelope().encoding == BP_RAW;
    event.push_back(
        {"result", raw ? Value(Bytes{std::string(ending->reply[0])}) : decoded_or_nil(ending->reply[0])});
  }
  middleware_.run(Hook::client_after_request, event,
                  [this, number, ending](const std::optional<Failure>& failure, const std::vector<Value>&) {
                    if (calls_.find(number) == nullptr) return;
                    if (failure) ending->failure = failure;
                    answer(number, *ending);
                  });
}

void Client::answer(std::uint64_t number, Ending& ending) {
  auto& call = *calls_.find(number);
  if (const auto learn = std::move(call.learn)) {
    std::optional<Value> told;
    if (!ending.failure) told = decoded_or_nil(ending.reply[0]);
    --lessons_running_;
    remove(number);
    return learn(std::move(told));
  }
  if (ending.failure) failures_.add();
  if (!call.answers) {
    if (ending.failure)
      host_.warn("function " + call.method + " failed: " + ending.failure->type + ": " +
                 ending.failure->message);
  } else if (ending.failure) {
    reply_with(host_, call.envelope, *ending.failure);
  } else {
    host_.reply(call.envelope, std::move(ending.reply));
  }
  remove(number);
}

// Takes a call from its server.
void Client::detach(Call& call) {
  if (call.remote == nullptr) return;
  auto& remote = *std::exchange(call.remote, nullptr);
  remote.close(call.channel);
  --remote.calls;
  if (!call.learn) --running_;
}

void Client::remove(std::uint64_t number) {
  auto& call = *calls_.find(number);
  set_alarm(number, call, never);
  if (call.place) waiting_.erase(*call.place);
  if (call.answers) by_asker_.erase(call.envelope.correlation);
  call = Call();
  calls_.release(number);
  pump();
}

// ---- time ---------------------------------------------------------------------------------------------

// The asker's; without one who waits it means nothing.
std::int64_t Client::deadline_of(const Call& call) const {
  return call.answers && call.envelope.deadline != 0 ? call.envelope.deadline : never;
}

void Client::set_alarm(std::uint64_t number, Call& call, std::int64_t at) {
  if (call.alarm) alarms_.erase(*call.alarm);
  call.alarm.reset();
  if (at == never) return;
  call.alarm = alarms_.emplace_hint(alarms_.end(), at, number);
  arm();
}

void Client::arm() {
  if (stopped_ || alarms_.empty() || alarms_.begin()->first >= armed_) return;
  armed_ = alarms_.begin()->first;
  clock_ = host_.after(std::chrono::nanoseconds(armed_ - host_.now()), [this] { pass_due(); });
}

void Client::pass_due() {
  const auto now = host_.now();
  armed_ = never;
  while (!alarms_.empty() && alarms_.begin()->first <= now) {
    const auto number = alarms_.begin()->second;
    set_alarm(number, *calls_.find(number), never);
    pass(number);
  }
  arm();
}

// The instant has come that a call had set itself.
void Client::pass(std::uint64_t number) {
  auto& call = *calls_.find(number);
  const auto now = host_.now();
  if (call.stage == Call::Stage::asked) call.remote->unanswered();
  if (deadline_of(call) <= now) {
    detach(call);
    Ending ending{.failure = Failure{"DeadlineExceeded", "the function " + call.method +
                                                             " was not answered before the deadline"}};
    if (call.stage == Call::Stage::ended) return answer(number, ending);
    return end(number, std::move(ending));
  }
  switch (call.stage) {
    case Call::Stage::looked_at:
    case Call::Stage::waiting:
      if (call.envelope.expires != 0 && call.envelope.expires <= now)
        return fail(number, "Expired", "its time to live ended before a server could be asked");
      [[fallthrough]];
    case Call::Stage::asked:
      return fail(number, "TimeoutExpired",
                  "timeout after " + rpc::detail::seconds_text(timeout_) + "s, when calling remote method " +
                      call.method);
    case Call::Stage::pausing:
      return poll(number);
    case Call::Stage::polled:
      call.remote->close(call.channel);
      return poll(number);
    case Call::Stage::streaming:
    case Call::Stage::ended:
      break;
  }
}

}  // namespace backplane::zerorpc
