// The oven and its hooks in a fake host, whose clock stands still: what docs/functions.md says of them.
#include <backplane/testing/fake_host.hpp>

#include <gtest/gtest.h>

#include <chrono>

#include "hooks.hpp"
#include "oven.hpp"

namespace {

using backplane::Array;
using backplane::FakeComponent;
using backplane::Map;
using backplane::Message;
using backplane::Value;
using namespace std::chrono_literals;

// One component and the verbs of an asker.
template <typename Kind>
class Asked : public ::testing::Test {
 protected:
  explicit Asked(const backplane::OptionTexts& options) : host_(options) {
    host_.stop_clock();
    host_.start();
  }
  Message request(std::string_view function, const Array& arguments, std::uint32_t flags = 0) {
    Message made = host_.request(function, {backplane::encode(Value(arguments))}, BP_MSGPACK);
    made.set(flags);
    return made;
  }
  bp_envelope ask(std::string_view function, const Array& arguments = {}, std::uint32_t flags = 0) {
    return deliver(request(function, arguments, flags));
  }
  bp_envelope deliver(Message message) {
    const auto envelope = message.envelope();
    EXPECT_EQ(host_.deliver(std::move(message)), BP_TAKEN);
    return envelope;
  }
  // The next answer as JSON, or "TYPE: message"; empty: none has come.
  std::string answer() {
    if (host_.replies().empty()) return {};
    const auto reply = host_.take_reply();
    if (reply.is_error()) return reply.error_type + ": " + reply.error_message;
    if (reply.message.has(BP_STREAM_END)) return "end";
    return backplane::to_json(backplane::decode(reply.message[0]));
  }
  std::string call(std::string_view function, const Array& arguments = {}) {
    ask(function, arguments);
    return answer();
  }

  FakeComponent<Kind> host_;
};

class Oven : public Asked<oven::Oven> {
 protected:
  Oven() : Asked({{"journal", "journal"}}) {}
  // The arguments of run: one, the list of all steps.
  static Array program(std::initializer_list<Array> steps) {
    Array all;
    for (const auto& step : steps) all.emplace_back(step);
    return Array(1, Value(std::move(all)));
  }
};

// ---- parameters, types, errors ----

TEST_F(Oven, TakesArgumentsByPlaceAndByName) {
  EXPECT_EQ(call("set", {120}), "10.0") << "speed is 10 unless told";
  EXPECT_EQ(call("set", {120, 50}), "2.0");
  Message named =
      host_.request("set", {backplane::encode(Array{}), backplane::encode(Map{{"celsius", 70}})}, BP_MSGPACK);
  deliver(std::move(named));
  EXPECT_EQ(answer(), "5.0");
}

TEST_F(Oven, RefusesArgumentsThatDoNotFit) {
  EXPECT_EQ(call("set", {}),
            "InvalidCallArguments: set: parameter \"celsius\": expected double, got nothing");
  EXPECT_EQ(call("set", {"hot"}),
            "InvalidCallArguments: set: parameter \"celsius\": expected double, got text \"hot\"");
  EXPECT_EQ(call("set", {1, 2, 3}), "InvalidCallArguments: set: takes 2 arguments (celsius, speed), got 3");
  EXPECT_EQ(call("run", program({{80, "long"}})),
            "InvalidCallArguments: run: parameter \"program\": item 0: item 1: expected double, got text "
            "\"long\"");
}

TEST_F(Oven, ErrorsHaveATypeATextAndPerhapsAttributes) {
  EXPECT_EQ(call("set", {100, 0}), "ValueError: speed must be above 0");
  ask("set", {1000});
  const auto reply = host_.take_reply();
  EXPECT_EQ(reply.error_type, "TooHot");
  EXPECT_EQ(reply.attributes, (Map{{"asked", 1000.0}, {"hottest", 300.0}}));
  EXPECT_EQ(reply.traceback, "in fake.set\nTooHot: the oven is not made for that");
}

TEST_F(Oven, TakesWhateverComes) {
  EXPECT_EQ(call("any", {1, "two"}), R"({"positional":[1,"two"],"named":{}})");
}

// ---- manners ----

TEST_F(Oven, HeatsWithoutHoldingAThread) {
  ask("heat", {120});
  EXPECT_EQ(answer(), "");
  EXPECT_EQ(call("celsius"), "20.0") << "meanwhile it answers others";
  host_.advance(5s);
  EXPECT_EQ(call("celsius"), "70.0");
  host_.advance(5s);
  EXPECT_EQ(answer(), "120.0");
}

TEST_F(Oven, AnOrdinaryFunctionThatIsSlowIsADeferredForAskersThatTakeOne) {
  ask("heat", {120}, BP_DEFERRED);
  host_.advance(500ms);
  const auto token = host_.take_reply().message;
  ASSERT_TRUE(token.has(BP_DEFERRED));
  host_.advance(10s);
  EXPECT_EQ(call("deferred_result", {token[0]}), "120.0");
}

TEST_F(Oven, AProgramIsADeferredFromTheBeginning) {
  ask("run", program({{40, 1}, {60, 1}}), BP_DEFERRED);
  const auto token = host_.take_reply().message;
  ASSERT_TRUE(token.has(BP_DEFERRED));
  for (const auto* line : {"40 degrees held", "60 degrees held"}) {
    host_.advance(3s);
    ASSERT_EQ(host_.calls().size(), 1u);
    const auto written = std::move(host_.calls().front());
    host_.calls().clear();
    EXPECT_EQ(written.target, "journal.write");
    EXPECT_EQ(backplane::to_json(backplane::decode(written.message[0])), "[\"" + std::string(line) + "\"]");
    host_.answer(written.message.envelope(), {backplane::encode(Value(1))}, BP_MSGPACK);
  }
  EXPECT_EQ(call("deferred_result", {token[0]}), "2");
}

TEST_F(Oven, WhatANestedCallFailsWithGoesToTheAsker) {
  ask("run", program({{40, 0}}));
  host_.advance(2s);
  ASSERT_EQ(host_.calls().size(), 1u);
  host_.answer_error(host_.calls().front().message.envelope(), "DiskFull", "no room");
  EXPECT_EQ(answer(), "DiskFull: no room");
}

TEST_F(Oven, AStreamYieldsUnderItsCredit) {
  auto asked = request("readings", {3}, BP_STREAM);
  asked.envelope().credit = 1;
  const auto envelope = deliver(std::move(asked));
  EXPECT_EQ(answer(), "20.0");
  host_.advance(10s);
  EXPECT_EQ(answer(), "") << "nobody wants more";
  host_.grant_items(envelope, 10);
  EXPECT_EQ(answer(), "20.0");
  host_.advance(1s);
  EXPECT_EQ(answer(), "20.0");
  EXPECT_EQ(answer(), "end");
}

TEST_F(Oven, AStreamIsAListForAskersThatTakeNone) {
  ask("readings", {3, 0});
  host_.advance(1ms);
  EXPECT_EQ(answer(), "[20.0,20.0,20.0]");
}

TEST_F(Oven, FunctionsOfAGroupTakeTurns) {
  ask("self_test");
  ask("calibrate", {10});
  host_.advance(500ms);
  EXPECT_EQ(answer(), "");
  host_.advance(500ms);
  EXPECT_EQ(answer(), "true") << "calibrate had to wait";
  host_.advance(100ms);
  EXPECT_EQ(answer(), "null");
  EXPECT_EQ(call("celsius"), "30.0");
}

TEST_F(Oven, ASignalIsNotAnswered) {
  Message signal = request("beep", {2});
  signal.set(BP_SIGNAL);
  deliver(std::move(signal));
  EXPECT_EQ(answer(), "");
  EXPECT_EQ(call("beep"), "null") << "an asker that waits gets nil";
  EXPECT_EQ(call("beeps"), "3");
}

TEST_F(Oven, ABlockingFunctionRunsOnAnotherThread) {
  ask("certificate", {"Smith", 1});
  EXPECT_EQ(host_.holding(), 1u);
  ASSERT_TRUE(host_.run_until([&] { return !host_.replies().empty(); }));
  EXPECT_EQ(answer().substr(0, 7), "\"Smith-");
}

// ---- deadlines, cancellation, baggage ----

TEST_F(Oven, ACallThatNobodyWaitsForEndsAtItsNextWait) {
  const auto call = ask("heat", {120});
  EXPECT_EQ(host_.holding(), 1u);
  host_.give_up(call);
  EXPECT_EQ(host_.holding(), 0u);
  host_.advance(10s);
  EXPECT_EQ(answer(), "");
}

TEST_F(Oven, ADeadlineEndsACall) {
  auto asked = request("heat", {120});
  asked.envelope().deadline = host_.now() + 1'000'000'000;
  deliver(std::move(asked));
  host_.advance(1s);
  EXPECT_EQ(answer(), "DeadlineExceeded: the function heat did not end in time");
}

TEST_F(Oven, TheDoorAnswersThoseWhoStillWait) {
  const auto gone = ask("wait_for_door");
  ask("wait_for_door");
  EXPECT_EQ(answer(), "");
  host_.give_up(gone);
  ask("open_door", {"Ada"});
  host_.run_ready();
  EXPECT_EQ(answer(), "1");
  EXPECT_EQ(answer(), "\"Ada\"");
}

TEST_F(Oven, ACallKnowsItsDeadlineAndItsBaggage) {
  EXPECT_EQ(call("about_call"), R"({"trace_id":"","seconds_left":null})");
  auto asked = request("about_call", {});
  asked.envelope().deadline = host_.now() + 2'500'000'000;
  backplane::add_baggage(asked, "trace_id", "4711");
  deliver(std::move(asked));
  EXPECT_EQ(answer(), R"({"trace_id":"4711","seconds_left":2.5})");
}

TEST_F(Oven, NestedCallsTakeDeadlineAndBaggageOn) {
  auto asked = request("run", program({{20, 0}}));
  asked.envelope().deadline = host_.now() + 1'000'000'000;
  backplane::add_baggage(asked, "trace_id", "4711");
  const auto deadline = deliver(std::move(asked)).deadline;
  host_.advance(1ms);
  ASSERT_EQ(host_.calls().size(), 1u);
  const auto& nested = host_.calls().front().message;
  EXPECT_EQ(nested.envelope().deadline, deadline);
  EXPECT_EQ(backplane::baggage_in(nested.headers(), "trace_id"), "4711");
}

class Journal : public Asked<oven::Journal> {
 protected:
  Journal() : Asked(backplane::OptionTexts{}) {}
};

TEST_F(Journal, ItsLogSaysWhichRequestALineBelongsTo) {
  auto asked = request("write", {"40 degrees held"});
  backplane::add_baggage(asked, "log_tag", "c0ffee00");
  deliver(std::move(asked));
  EXPECT_EQ(answer(), "1");
  EXPECT_TRUE(host_.logged("[c0ffee00] 40 degrees held"));
}

// ---- hooks of a service ----

class Guard : public Asked<oven::Guard> {
 protected:
  Guard() : Asked({{"locked", "[run, open_door]"}, {"key", "k"}}) {}
  static Array event(std::string_view method, const Map& header = {}) {
    return Array(1, Value(Map{{"method", method}, {"args", Array()}, {"header", header}}));
  }
};

TEST_F(Guard, RefusesLockedMethodsWithoutTheKey) {
  EXPECT_EQ(call("server_before_exec", event("run")), "Forbidden: run needs the key");
  EXPECT_EQ(call("server_before_exec", event("run", {{"oven_key", "k"}})), "null");
  EXPECT_EQ(call("server_before_exec", event("celsius")), "null");
}

TEST_F(Guard, CountsAndNamesTheOven) {
  EXPECT_EQ(call("get_task_context", event("run")), R"({"oven":"test"})");
  call("server_after_exec", event("celsius"));
  EXPECT_EQ(call("served"), R"({"celsius":1})");
}

class Caretaker : public Asked<oven::Caretaker> {
 protected:
  Caretaker() : Asked({{"patience", "3s"}}) {}
  // Answers what it asks the service.
  std::string told(const Value& result) {
    if (host_.calls().empty()) return "nothing";
    const auto asked = std::move(host_.calls().front());
    host_.calls().clear();
    host_.answer(asked.message.envelope(), {backplane::encode(result)}, BP_MSGPACK);
    return asked.target;
  }
};

TEST_F(Caretaker, IsDoneWhenNothingIsLeft) {
  ask("end", {"exports"});
  EXPECT_EQ(told(true), "exports.wait_for_empty_deferred_requests");
  EXPECT_EQ(answer(), "null");
}

TEST_F(Caretaker, AbortsWhatIsLeftInTheEnd) {
  ask("end", {"exports"});
  EXPECT_EQ(told(false), "exports.wait_for_empty_deferred_requests");
  EXPECT_EQ(answer(), "");
  EXPECT_EQ(told(nullptr), "exports.abort_requests");
  EXPECT_EQ(answer(), "null");
}

}  // namespace
