// A host made of test components, without manifest file, plugin file or outside sockets: what the runtime
// tests speak with.
#pragma once

#include <backplane/plugin.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "loader/kind_info.hpp"
#include "log/log.hpp"
#include "manifest/manifest.hpp"
#include "runtime/runtime.hpp"

namespace backplane::test {

using namespace std::chrono_literals;
inline constexpr auto patience = 20s;  // for a condition that must come

// Waits until `condition()` holds. False: it did not within `limit`.
bool eventually(const std::function<bool()>& condition, std::chrono::nanoseconds limit = patience);

// What the test and one component instance share. Any thread.
class Probe {
 public:
  // What the component got, in order (first frame of each message).
  std::vector<std::string> received() const;
  std::size_t count() const { return count_.load(); }
  bool waits_for(std::size_t count) const {
    return eventually([&] { return count_.load() >= count; });
  }
  void note(std::string_view text);

  std::atomic<bool> busy{false};  // a sink answers busy while this holds
  std::atomic<int> paused{0};     // how often send said pause
  std::atomic<int> resumed{0};    // how often on_resume was called
  std::atomic<int> rejected{0};
  std::atomic<bool> block{false};                         // a blocker stays in its callback while this holds
  std::atomic<int> descriptor{-1};                        // that a pipe watches
  std::atomic<std::chrono::nanoseconds> drain_time{0ns};  // of a keeper
  Host* host = nullptr;                                   // of the running component

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> received_;
  std::atomic<std::size_t> count_{0};
};

// The probe of a component by its name; made at the first call, gone with the TestHost.
Probe& probe(const std::string& component);

// Brings messages when the test says so.
class Source {
 public:
  static constexpr auto kind = "test.source";
  static constexpr auto says = "Sends what a test tells it to.";
  static constexpr auto properties = inbound;
  explicit Source(Host host);
  void on_reply(Message reply);
  void on_resume() { ++probe_.resumed; }

 private:
  Host host_;
  Probe& probe_;
};

// Keeps what it gets; says busy while its probe says so.
class Sink {
 public:
  static constexpr auto kind = "test.sink";
  static constexpr auto says = "Keeps what it gets.";
  static constexpr auto properties = outbound;
  explicit Sink(Host host);
  void start();
  Taken on_message(Message& message);

 private:
  Host host_;
  Probe& probe_;
  Timer look_;
};

// Answers each request with "re:" and its first frame; sends on what is no request.
class Echo {
 public:
  static constexpr auto kind = "test.echo";
  static constexpr auto says = "Answers.";
  static constexpr auto properties = outbound;
  explicit Echo(Host host);
  void on_message(Message message);

 private:
  Host host_;
  Probe& probe_;
};

// Takes requests and never answers.
class Silent {
 public:
  static constexpr auto kind = "test.silent";
  static constexpr auto says = "Never answers.";
  static constexpr auto properties = outbound;
  explicit Silent(Host host);
  void on_message(Message message);
  void on_reply(Message notice);

 private:
  Probe& probe_;
};

// Holds what it gets while its probe says busy; its drain may take as long as its probe says.
class Keeper {
 public:
  static constexpr auto kind = "test.keeper";
  static constexpr auto says = "Holds what it gets.";
  static constexpr auto properties = outbound;
  explicit Keeper(Host host);
  void start();
  void on_message(Message message);
  void drain();

 private:
  Host host_;
  Probe& probe_;
  Timer look_;
};

// Stays in on_message while its probe says block.
class Blocker {
 public:
  static constexpr auto kind = "test.blocker";
  static constexpr auto says = "Stays in its callback.";
  static constexpr auto properties = outbound;
  explicit Blocker(Host host);
  void on_message(Message message);

 private:
  Probe& probe_;
};

// Throws from on_message: "std" a std::exception, "int" an int, "malformed" a Malformed.
class Thrower {
 public:
  static constexpr auto kind = "test.thrower";
  static constexpr auto says = "Throws.";
  static constexpr auto properties = outbound;
  void on_message(Message message);
};

// Refuses to be made or to start, as its name says: "bad-constructor", "bad-start", "bad-throws-int".
class Refuser {
 public:
  static constexpr auto kind = "test.refuser";
  static constexpr auto says = "Refuses.";
  static constexpr auto properties = outbound;
  explicit Refuser(Host host);
  void start();
  void on_message(Message) {}

 private:
  std::string name_;
};

// Publishes a few functions.
class Service {
 public:
  static constexpr auto kind = "test.service";
  static constexpr auto says = "Publishes functions.";
  static void publish(Functions& functions);
};

class TestKinds : public host::KindCatalog {
 public:
  TestKinds();
  std::optional<std::string> open(const std::string&, const std::filesystem::path&) override { return {}; }
  const host::KindInfo* find(std::string_view kind) const override;
  std::vector<std::string> kind_names() const override;

 private:
  std::map<std::string, host::KindInfo, std::less<>> kinds_;
};

// Reads the pipe that its probe names, and sends what it read; reads no more once it hung up.
class Pipe {
 public:
  static constexpr auto kind = "test.pipe";
  static constexpr auto says = "Brings what a pipe brings.";
  static constexpr auto properties = inbound;
  explicit Pipe(Host host);
  void start();
  void on_resume() { ++probe_.resumed; }

 private:
  Host host_;
  Probe& probe_;
  Watch watch_;
};

// Builds and runs a host.
class TestHost {
 public:
  TestHost();
  ~TestHost();

  host::ComponentSettings& component(const std::string& name, const std::string& kind);
  host::RouteSettings& route(const std::string& from, std::vector<std::string> to);
  host::HostSettings& settings() { return manifest_.host; }

  void start();
  host::StopReport stop(const std::function<bool()>& give_up = [] { return false; });
  host::Runtime& runtime() { return *runtime_; }

  // Sends a message of one frame from a source, on its loop; returns what send said.
  Sent send(const std::string& source, std::string_view text);
  // Sends `count` messages "0", "1", ... from a source, resting while it is told to pause.
  void send_many(const std::string& source, int count);
  // Runs something on a component's loop and waits for it.
  void on_loop(const std::string& component, const std::function<void(Host&)>& run);

  // The merged account of a line, e.g. (route, "a -> b").
  host::Account account(host::AccountOf of, const std::string& name);
  bool balances() { return runtime_->ledger().balances(); }

 private:
  host::Log log_;
  TestKinds kinds_;
  host::Manifest manifest_;
  std::unique_ptr<host::Runtime> runtime_;
};

}  // namespace backplane::test
