// A component whose functions a test writes down, and the verbs of an asker.
#pragma once

#include <gtest/gtest.h>

#include <backplane/testing/fake_host.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <utility>

namespace backplane {

struct Scripted {
  static constexpr auto kind = "test.functions";
  static constexpr auto says = "Publishes what the test says.";
  static constexpr auto options = tables(worker_options);
  static inline std::function<void(Functions&)> script;
  void publish(Functions& functions) { script(functions); }
};

class FunctionTest : public ::testing::Test {
 protected:
  // Starts a component with these functions, on a clock that stands still.
  void serve(std::function<void(Functions&)> script, const OptionTexts& options = {}) {
    Scripted::script = std::move(script);
    host_ = std::make_unique<FakeComponent<Scripted>>(options);
    host_->stop_clock();
    host_->start();
  }
  Message request(std::string_view function, Array arguments = {}, std::uint32_t flags = 0) {
    Message made = host_->request(function, {encode(Value(std::move(arguments)))}, BP_MSGPACK);
    made.set(flags);
    return made;
  }
  // Delivers a call and returns its envelope.
  bp_envelope ask(std::string_view function, Array arguments = {}, std::uint32_t flags = 0) {
    return deliver(request(function, std::move(arguments), flags));
  }
  bp_envelope deliver(Message message) {
    const auto envelope = message.envelope();
    EXPECT_EQ(host_->deliver(std::move(message)), BP_TAKEN);
    return envelope;
  }
  std::size_t answers() { return host_->replies().size(); }
  // The next answer, which must be a value.
  Value value() {
    if (answers() == 0) return "no answer";
    const auto reply = host_->take_reply();
    if (reply.is_error()) return "error " + reply.error_type + ": " + reply.error_message;
    if (reply.message.empty()) return "no frame";
    return decode(reply.message[0]);
  }
  // The next answer, which must be an error.
  std::string error() {
    if (answers() == 0) return "no answer";
    const auto reply = host_->take_reply();
    return reply.is_error() ? reply.error_type + ": " + reply.error_message : "no error";
  }
  // The token of the next answer, which must be a deferred.
  std::string token() {
    if (answers() == 0) return "no answer";
    const auto reply = host_->take_reply();
    if (reply.is_error() || !reply.message.has(BP_DEFERRED) || reply.message.size() != 2)
      return "no deferred";
    EXPECT_EQ(reply.message[1], "fake") << "where to ask for it";
    return std::string(reply.message[0]);
  }
  bool eventually(const std::function<bool()>& condition) {
    return host_->run_until(condition, std::chrono::seconds(20));
  }

  std::unique_ptr<FakeComponent<Scripted>> host_;
};

// Counts the objects that live: frames of coroutines that were destroyed, or not.
struct Witness {
  explicit Witness(int& count) : alive(&count) { ++*alive; }
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;
  ~Witness() { --*alive; }
  int* alive;
};

}  // namespace backplane
