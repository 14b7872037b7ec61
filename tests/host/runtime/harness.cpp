#include "host/runtime/harness.hpp"

#include <unistd.h>

#include <algorithm>
#include <future>
#include <stdexcept>
#include <thread>

namespace backplane::test {

namespace {

std::map<std::string, std::unique_ptr<Probe>>& probes() {
  static std::map<std::string, std::unique_ptr<Probe>> all;
  return all;
}
std::mutex probes_mutex;

template <typename T>
const bp_kind& table() {
  static constexpr bp_kind kind = detail::kind_of<T>();
  return kind;
}

}  // namespace

bool eventually(const std::function<bool()>& condition, std::chrono::nanoseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(500us);
  }
  return true;
}

std::vector<std::string> Probe::received() const {
  const std::lock_guard lock(mutex_);
  return received_;
}

void Probe::note(std::string_view text) {
  const std::lock_guard lock(mutex_);
  received_.emplace_back(text);
  ++count_;
}

Probe& probe(const std::string& component) {
  const std::lock_guard lock(probes_mutex);
  auto& found = probes()[component];
  if (!found) found = std::make_unique<Probe>();
  return *found;
}

Source::Source(Host host) : host_(host), probe_(probe(std::string(host.component()))) {
  probe_.host = &host_;
}
void Source::on_reply(Message reply) {
  if (reply.is_error()) {
    probe_.note("error " + std::string(reply[0]));
  } else {
    probe_.note(reply.empty() ? "" : reply[0]);
  }
}

Sink::Sink(Host host) : host_(host), probe_(probe(std::string(host.component()))) { probe_.host = &host_; }
void Sink::start() {
  look_ = host_.every(1ms, [this] {
    if (!probe_.busy) host_.resume();
  });
}
Taken Sink::on_message(Message& message) {
  if (probe_.busy) return Taken::busy;
  const auto reason = message.header("dead-letter");
  probe_.note(reason.empty() ? std::string(message[0]) : std::string(message[0]) + " " + std::string(reason));
  message = Message();
  return Taken::yes;
}

Echo::Echo(Host host) : host_(host), probe_(probe(std::string(host.component()))) { probe_.host = &host_; }
void Echo::on_message(Message message) {
  probe_.note(message[0]);
  if (message.wants_reply() && !host_.routed()) {
    host_.reply(message.envelope(), {"re:" + std::string(message[0])});
  } else {
    host_.send(std::move(message));
  }
}

Silent::Silent(Host host) : probe_(probe(std::string(host.component()))) {}
void Silent::on_message(Message message) {
  const auto credit = message.envelope().credit;
  probe_.note(std::string(message[0]) + (credit > 0 ? " for " + std::to_string(credit) : ""));
}
void Silent::on_reply(Message notice) { probe_.note(notice.has(BP_CANCEL) ? "cancel" : "notice"); }

Keeper::Keeper(Host host) : host_(host), probe_(probe(std::string(host.component()))) {
  probe_.host = &host_;
}
void Keeper::start() {
  look_ = host_.every(1ms, [this] {
    if (!probe_.busy) host_.holding(0);
  });
}
void Keeper::on_message(Message message) {
  host_.holding(1);
  probe_.note(message[0]);
}
void Keeper::drain() { host_.drain_time(probe_.drain_time); }

Blocker::Blocker(Host host) : probe_(probe(std::string(host.component()))) {}
void Blocker::on_message(Message message) {
  probe_.note(message[0]);
  eventually([this] { return !probe_.block; });
}

void Thrower::on_message(Message message) {
  if (message[0] == "int") throw 42;
  if (message[0] == "malformed") throw Malformed("three bytes too few");
  throw std::runtime_error("no luck today");
}

Refuser::Refuser(Host host) : name_(host.component()) {
  if (name_ == "bad-constructor") throw std::runtime_error("the moon is in the wrong house");
  if (name_ == "bad-throws-int") throw 7;
}
void Refuser::start() {
  if (name_ == "bad-start") throw Error("Taken", "tcp://127.0.0.1:1 is taken");
}

void Service::publish(Functions& functions) {
  functions.add("add", [](int a, int b) { return a + b; }, "Adds.", {"a", {"b", 4}},
                {.max_response_time = 2s});
  functions.add("fail", [](std::string text) -> int { throw Error("DemoError", text); }, "Fails.", {"text"});
}

Pipe::Pipe(Host host) : host_(host), probe_(probe(std::string(host.component()))) { probe_.host = &host_; }
void Pipe::start() {
  watch_ = host_.watch_descriptor(probe_.descriptor, BP_READABLE, [this](std::uint32_t) {
    char byte = 0;
    if (::read(probe_.descriptor, &byte, 1) != 1) {
      watch_.end();
      return;
    }
    probe_.note(std::string_view(&byte, 1));
    host_.send(host_.message({std::string_view(&byte, 1)}));
  });
}

TestKinds::TestKinds() {
  for (const bp_kind* kind :
       {&table<Source>(), &table<Sink>(), &table<Echo>(), &table<Silent>(), &table<Keeper>(),
        &table<Blocker>(), &table<Thrower>(), &table<Refuser>(), &table<Service>(), &table<Pipe>()}) {
    host::KindInfo info;
    info.name = kind->name;
    info.says = kind->says;
    info.properties = kind->properties;
    info.table = kind;
    kinds_.emplace(info.name, info);
  }
}

const host::KindInfo* TestKinds::find(std::string_view kind) const {
  const auto found = kinds_.find(kind);
  return found == kinds_.end() ? nullptr : &found->second;
}

std::vector<std::string> TestKinds::kind_names() const {
  std::vector<std::string> names;
  for (const auto& [name, kind] : kinds_) names.push_back(name);
  return names;
}

TestHost::TestHost() {
  {
    const std::lock_guard lock(probes_mutex);
    probes().clear();
  }
  manifest_.host.name = "test";
  manifest_.host.loops = 2;
  manifest_.host.log_level = host::LogLevel::off;
  manifest_.host.shutdown_timeout = 5s;
  log_.configure(manifest_.host);
}

TestHost::~TestHost() { runtime_.reset(); }

host::ComponentSettings& TestHost::component(const std::string& name, const std::string& kind) {
  auto& made = manifest_.components.emplace_back();
  made.name = name;
  made.kind = kind;
  return made;
}

host::RouteSettings& TestHost::route(const std::string& from, std::vector<std::string> to) {
  auto& made = manifest_.routes.emplace_back();
  made.from = from;
  made.to = std::move(to);
  return made;
}

void TestHost::start() {
  runtime_ = std::make_unique<host::Runtime>(manifest_, kinds_, log_);
  runtime_->start();
}

host::StopReport TestHost::stop(const std::function<bool()>& give_up) { return runtime_->stop(give_up); }

void TestHost::on_loop(const std::string& component, const std::function<void(Host&)>& run) {
  std::promise<void> done;
  Host& host = *probe(component).host;
  if (!host.post([&] {
        run(host);
        done.set_value();
      }))
    throw std::runtime_error(component + " has stopped");
  done.get_future().get();
}

Sent TestHost::send(const std::string& source, std::string_view text) {
  Sent sent{};
  on_loop(source, [&](Host& host) { sent = host.send(host.message({text})); });
  if (sent == Sent::pause) ++probe(source).paused;
  if (sent == Sent::rejected) ++probe(source).rejected;
  return sent;
}

void TestHost::send_many(const std::string& source, int count) {
  for (int i = 0; i < count; ++i) {
    const int resumed = probe(source).resumed;
    if (send(source, std::to_string(i)) == Sent::pause)
      eventually([&] { return probe(source).resumed > resumed; });
  }
}

host::Account TestHost::account(host::AccountOf of, const std::string& name) {
  auto ledger = runtime_->ledger();
  ledger.merge();
  for (const auto& line : ledger.lines)
    if (line.of == of && line.name == name) return line.account;
  return {};
}

}  // namespace backplane::test
