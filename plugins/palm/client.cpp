#include "client.hpp"

#include <zmq.h>
#include <protozero/buffer_string.hpp>

#include <algorithm>
#include <utility>

namespace backplane::palm {

namespace {

constexpr auto ask_again_after = std::chrono::seconds(1);
constexpr auto look_for_late_ones = std::chrono::milliseconds(100);
// A server that publishes with a plain PUB socket drops what it answers before our subscription has reached
// it, a moment after the connection stands.
constexpr auto subscription_takes = std::chrono::milliseconds(50);

// The field that tells which question an answer belongs to. PALM leaves numbers from 1000 up to extensions.
constexpr std::uint32_t question_field = 1001;

std::string marked(std::string_view unknown, std::string_view mark) {
  std::string fields(unknown);
  protozero::basic_pbf_writer<std::string> writer(fields);
  writer.add_bytes(question_field, mark.data(), mark.size());
  return fields;
}

// The mark of a message, and its other unknown fields.
struct Marked {
  std::string mark;
  std::string others;
};

Marked mark_of(std::string_view bytes) {
  Marked found;
  detail::FieldReader reader(bytes);
  detail::RawField field;
  while (!bytes.empty() && reader.next(field)) {
    if (detail::is_known(field)) continue;
    if (field.number == question_field) {
      found.mark = field.content;
    } else {
      found.others += field.all_bytes;
    }
  }
  return found;
}

}  // namespace

Asker::Asker(Host host)
    : host_(host),
      uuid_(new_uuid()),
      server_(host.option("server").view()),
      push_address_(host.option("push_address").view()),
      sub_address_(host.option("sub_address").view()),
      session_(host.option("session").present() ? std::string(host.option("session")) : new_uuid()),
      session_prefix_(host.option("session").view()),
      function_(host.option("function").view()),
      functions_(host.option("functions").list()),
      messages_(host.option("messages")),
      timeout_(std::chrono::nanoseconds(host.option("timeout")).count()),
      max_waiting_(host.option("max_waiting")),
      db_(host, uuid_, server_.empty() ? "_" : server_),
      receiver_(host),
      unanswered_(host, "unanswered", "messages that got no answer in time"),
      unexpected_(host.counter("unexpected", "answers that belong to no message")) {}

void Asker::publish(Functions& functions) {
  functions.add(
      "eval",
      [this](Call<Bytes> call, std::string function, Value payload) { eval(call, function, payload); },
      "Calls a function of the server, e.g. server.foo, with a payload of bytes or text.",
      {"function", "payload"});
  functions.add("get", [this](Call<std::optional<Bytes>> call, std::string key) { get(call, key); },
                "The value of a key in the server's cache, nil when it is empty.", {"key"});
  functions.add("set",
                [this](Call<std::string> call, Value value, std::string key) { set(call, value, key); },
                "Keeps a value in the server's cache and returns its key.", {"value", {"key", ""}});
  functions.add("delete", [this](Call<bool> call, std::string key) { remove(call, key); },
                "Forgets a key of the server's cache.", {"key"});
  for (const auto& name : functions_)
    functions.add(name, [this, name](Call<Bytes> call, Value payload) { eval(call, name, payload); },
                  "A function of the PALM server; its payload is bytes or text.", {"payload"});
}

void Asker::start() {
  db_.start([this] { look_up_addresses(); });
  upkeep_ = host_.every(look_for_late_ones, [this] { give_up_late(); });
  if (!push_address_.empty() && !sub_address_.empty()) open_sockets();
}

void Asker::stop() {
  settling_.end();
  retry_.end();
  upkeep_.end();
  for (auto& [key, question] : questions_) fail(question, "the client stops");
  questions_.clear();
  push_watch_.end();
  sub_watch_.end();
  push_event_watch_.end();
  sub_event_watch_.end();
  push_events_.reset();
  sub_events_.reset();
  push_.reset();
  sub_.reset();
  db_.stop();
}

// ---- finding the server -------------------------------------------------------------------------------

void Asker::look_up_addresses() {
  if (!server_.empty()) db_.get("name", [this](std::string_view name) { check_name(name); });
  const auto look_up = [this](const char* option, const char* key, std::string& address) {
    if (host_.option(option).present()) return;
    db_.get(key, [this, key, &address](std::string_view found) {
      if (found.empty()) {
        host_.warn("the server at the db address has no " + std::string(key) + "; asking again");
        retry_ = host_.after(ask_again_after, [this] { look_up_addresses(); });
        return;
      }
      if (found == address) return;
      address = found;
      if (!push_address_.empty() && !sub_address_.empty()) open_sockets();
    });
  };
  look_up("sub_address", "pub_address", sub_address_);
  look_up("push_address", "pull_address", push_address_);
}

void Asker::check_name(std::string_view name) {
  if (name == server_) return;
  host_.failed("WrongServer", "the server at the db address is called \"" + std::string(name) +
                                  "\", expected \"" + server_ + "\"");
}

// PUSH first: a server that looks at the order of connections then finds the subscription to be the newer
// one.
void Asker::open_sockets() {
  ready_ = push_stands_ = sub_stands_ = false;
  settling_.end();
  push_watch_.end();
  sub_watch_.end();
  push_event_watch_.end();
  sub_event_watch_.end();
  push_events_.reset();
  sub_events_.reset();
  sub_.reset();
  push_.reset();
  try {
    open_push();
  } catch (const Error& error) {
    host_.warn(std::string("the server's addresses cannot be used: ") + error.what());
  }
}

void Asker::open_push() {
  push_.emplace(host_, ZMQ_PUSH, zmq::SocketPlan(host_, {push_address_}), [this](void* socket) {
    push_events_.emplace(host_, socket, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED);
  });
  push_event_watch_ =
      host_.watch_socket(push_events_->socket(), BP_READABLE | BP_ALWAYS | BP_ALONE,
                         [this](std::uint32_t) { note_connection(*push_events_, push_stands_); });
  push_watch_ = host_.watch_socket(push_->get(), 0, [this](std::uint32_t) {
    push_watch_.events(0);
    if (std::exchange(busy_, false)) host_.resume();
  });
}

void Asker::open_sub() {
  sub_.emplace(host_, ZMQ_SUB, zmq::SocketPlan(host_, {sub_address_}), [this](void* socket) {
    zmq::set_option(socket, "connect", ZMQ_RCVHWM, 0);
    zmq::set_option(socket, "linger", ZMQ_LINGER, 0);  // a subscription need not outlive its socket
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, uuid_.data(), uuid_.size());
    sub_events_.emplace(host_, socket, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED);
  });
  sub_event_watch_ =
      host_.watch_socket(sub_events_->socket(), BP_READABLE | BP_ALWAYS | BP_ALONE,
                         [this](std::uint32_t) { note_connection(*sub_events_, sub_stands_); });
  sub_watch_ = host_.watch_socket(sub_->get(), BP_READABLE | BP_ALWAYS | BP_ALONE, [this](std::uint32_t) {
    receiver_.run(sub_->get(), [this](Message answer) {
      take_answer(std::move(answer));
      return true;
    });
  });
}

void Asker::note_connection(zmq::SocketEvents& events, bool& stands) {
  while (const auto event = events.next()) stands = event->what == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
  if (push_stands_ && !sub_) {
    try {
      open_sub();
    } catch (const Error& error) {
      host_.warn(std::string("the server's addresses cannot be used: ") + error.what());
    }
  }
  check_ready();
}

// A server that comes back may have our next message before our subscription, so nothing is pushed until
// both connections stand again.
void Asker::check_ready() {
  const bool stand = push_stands_ && sub_stands_;
  if (stand == std::exchange(ready_, stand)) return;
  settling_.end();
  if (!stand) return;
  settling_ = host_.after(subscription_takes, [this] {
    settling_.end();
    if (std::exchange(busy_, false)) host_.resume();
  });
}

// ---- questions ----------------------------------------------------------------------------------------

Taken Asker::on_message(Message& message) {
  Question question;
  question.envelope = message.envelope();
  question.asked = message.wants_reply();
  question.left = messages_;
  Fields fields;
  if (function_.empty()) {
    fields = read_message(message);
    question.pipeline = fields.pipeline;
    question.client = fields.client;
    question.stage = fields.stage;
  } else {
    if (message.size() != 1)
      throw Malformed("a payload of " + std::to_string(message.size()) + " frames; expected 1");
    fields.function = function_;
    fields.payload = message[0];
  }
  return push(fields, std::move(question)) ? Taken::yes : Taken::busy;
}

// False: not now; the host is told when.
bool Asker::push(const Fields& given, Question question) {
  busy_ = true;
  if (!ready_ || settling_.active() || questions_.size() >= max_waiting_) return false;
  Fields fields = given;
  const auto key = new_uuid();
  if (fields.pipeline.empty()) fields.pipeline = session_;
  fields.client = uuid_;
  const auto unknown = marked(mark_of(fields.unknown_in).others, key);
  fields.unknown_in = unknown;
  Message message = host_.message();
  write_frame(fields, *message.add_empty());
  if (!zmq::send_message(push_->get(), message)) {
    push_watch_.events(BP_WRITABLE);
    return false;
  }
  busy_ = false;
  question.deadline = timeout_ > 0 ? host_.now() + timeout_ : 0;
  questions_.emplace(key, std::move(question));
  tell();
  return true;
}

void Asker::eval(const Call<Bytes>& call, const std::string& function, const Value& payload) {
  Fields fields;
  fields.function = function;
  fields.payload = content_of_argument(payload);
  Question question;
  question.call = call;
  if (!push(fields, std::move(question)))
    call.fail("Disconnected", questions_.size() < max_waiting_ ? "the server is not connected"
                                                               : "too many messages wait for their answers");
}

void Asker::get(const Call<std::optional<Bytes>>& call, const std::string& key) { cache_get(db_, call, key); }

void Asker::set(const Call<std::string>& call, const Value& value, const std::string& key) {
  cache_set(db_, call, value, key.empty() ? key : session_prefix_ + key);
}

void Asker::remove(const Call<bool>& call, const std::string& key) { cache_delete(db_, call, key); }

// [topic, message]; the topic is our UUID, or it would not have come.
void Asker::take_answer(Message answer) {
  if (answer.size() != 2) return receiver_.malformed("an answer without a topic");
  try {
    auto fields = read_message(answer);
    const auto [mark, others] = mark_of(fields.unknown_in);
    fields.unknown_in = others;
    const auto found = questions_.find(mark);
    if (found == questions_.end()) return unexpected_.add();
    auto& question = found->second;
    give(question, fields);
    if (--question.left <= 0) questions_.erase(found);
  } catch (const Malformed& error) {
    return receiver_.malformed(error.what());
  }
  if (questions_.size() < max_waiting_ && std::exchange(busy_, false)) host_.resume();
  tell();
}

void Asker::give(Question& question, const Fields& fields) {
  if (question.call) {
    if (!fields.failed()) return question.call->answer(Bytes{std::string(fields.payload)});
    const auto text = *fields.error;
    const auto code = text.substr(0, text.find(": "));
    return question.call->fail(std::string(code),
                               std::string(text.substr(std::min(text.size(), code.size() + 2))));
  }
  Message made = host_.message();
  made.envelope().stage = question.stage;
  if (function_.empty()) {
    auto restored = fields;
    restored.pipeline = question.pipeline;
    restored.client = question.client;
    restored.stage = question.stage;
    write_frame(restored, *made.add_empty());
  } else {
    made.append(fields.payload);
  }
  if (std::exchange(question.asked, false)) host_.reply(question.envelope, made.copy());
  if (host_.routed()) host_.send(std::move(made));
}

void Asker::give_up_late() {
  const auto now = host_.now();
  for (auto next = questions_.begin(); next != questions_.end();) {
    const auto at = next++;
    if (at->second.deadline == 0 || at->second.deadline > now) continue;
    unanswered_.happened("the server did not answer a message in time");
    fail(at->second, "no answer in time");
    questions_.erase(at);
  }
  if (questions_.size() < max_waiting_ && std::exchange(busy_, false)) host_.resume();
  tell();
}

void Asker::fail(Question& question, std::string_view why) {
  if (question.call) return question.call->fail("TimeoutExpired", std::string(why));
  if (std::exchange(question.asked, false)) host_.reply_error(question.envelope, "TimeoutExpired", why);
}

void Asker::tell() { host_.holding(questions_.size()); }

}  // namespace backplane::palm
