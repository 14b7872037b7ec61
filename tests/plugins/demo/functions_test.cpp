#include "functions.hpp"

#include <backplane/testing/fake_host.hpp>

#include <gmock/gmock.h>

#include <algorithm>
#include <climits>

namespace backplane::demo {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

class DemoFunctionsTest : public testing::Test {
 protected:
  void SetUp() override {
    demo_.stop_clock();
    demo_.start();
  }
  // Asks and leaves the answer to come.
  bp_envelope ask(const char* function, const Array& arguments, std::uint32_t flags = 0) {
    Message request = demo_.request(function, {encode(Value(arguments))}, BP_MSGPACK);
    request.set(flags);
    if ((flags & BP_STREAM) != 0) request.envelope().credit = 1000;
    const auto envelope = request.envelope();
    EXPECT_EQ(demo_.deliver(std::move(request)), BP_TAKEN);
    demo_.run_ready();
    return envelope;
  }
  FakeReply answer(const char* function, const Array& arguments) {
    ask(function, arguments);
    EXPECT_EQ(demo_.replies().size(), 1u) << function << " did not answer";
    return demo_.replies().empty() ? FakeReply{} : demo_.take_reply();
  }
  Value result(const char* function, const Array& arguments) {
    const auto reply = answer(function, arguments);
    EXPECT_FALSE(reply.is_error()) << reply.error_type << ": " << reply.error_message;
    return reply.is_error() ? Value("an error") : decode(reply.message[0]);
  }
  std::string error_type(const char* function, const Array& arguments) {
    return answer(function, arguments).error_type;
  }
  std::size_t answers() { return demo_.replies().size(); }

  FakeComponent<DemoFunctions> demo_;
};

TEST_F(DemoFunctionsTest, AddsNumbersAndJoinsTexts) {
  EXPECT_EQ(result("add", {2, 3}), Value(5));
  EXPECT_EQ(result("add", {2}), Value(3));
  EXPECT_EQ(result("add", {2, 0.5}), Value(2.5));
  EXPECT_EQ(result("add", {"a", "b"}), Value("ab"));
  EXPECT_EQ(result("add", {Bytes{"a"}, Bytes{"b"}}), Value(Bytes{"ab"}));
}

TEST_F(DemoFunctionsTest, AddsToTheLimitsOfIntegers) {
  EXPECT_EQ(result("add", {INT64_MAX, 1}), Value(std::uint64_t{1} << 63));
  EXPECT_EQ(result("add", {UINT64_MAX, -1}), Value(UINT64_MAX - 1));
  EXPECT_EQ(error_type("add", {UINT64_MAX, 1}), "OverflowError");
  EXPECT_EQ(error_type("add", {INT64_MIN, -1}), "OverflowError");
}

TEST_F(DemoFunctionsTest, AddsNothingElse) {
  EXPECT_EQ(error_type("add", {1, "a"}), "TypeError");
  EXPECT_EQ(error_type("add", {nullptr, nullptr}), "TypeError");
  EXPECT_EQ(error_type("add", {true, 1}), "TypeError");
}

TEST_F(DemoFunctionsTest, EchoKeepsTheType) {
  const Array values = {1, -1, 1.0, "text", Bytes{"bytes"}, nullptr, true, Array{1, Array{}}, Map{{"k", 1}}};
  for (const auto& value : values) {
    EXPECT_EQ(result("echo", {value}), value);
    EXPECT_EQ(result("now", {value}), value);
    EXPECT_EQ(result("later", {value}), value);
  }
}

TEST_F(DemoFunctionsTest, FailsWithTheMessage) {
  for (const auto* function : {"fail", "later_fail"}) {
    const auto reply = answer(function, {"broken"});
    EXPECT_EQ(reply.error_type, "DemoError");
    EXPECT_EQ(reply.error_message, "broken");
  }
}

TEST_F(DemoFunctionsTest, FailsWithTheTypeTheManifestSays) {
  FakeComponent<DemoFunctions> other({{"fails_with", "RuntimeError"}});
  other.start();
  other.deliver(other.request("fail", {encode(Value(Array{"broken"}))}, BP_MSGPACK));
  other.run_ready();
  EXPECT_EQ(other.take_reply().error_type, "RuntimeError");
}

TEST_F(DemoFunctionsTest, CrashIsAnotherSortOfError) {
  const auto reply = answer("crash", {"broken"});
  EXPECT_EQ(reply.error_type, "std::runtime_error");
  EXPECT_THAT(reply.error_message, HasSubstr("broken"));
}

TEST_F(DemoFunctionsTest, SlowAnswersAfterItsTime) {
  ask("slow", {2});
  EXPECT_EQ(result("active", {}), Value(1));
  demo_.advance(milliseconds(1999));
  EXPECT_EQ(answers(), 0u);
  demo_.advance(milliseconds(1));
  ASSERT_EQ(answers(), 1u);
  EXPECT_EQ(decode(demo_.take_reply().message[0]), Value(2));
  EXPECT_EQ(result("active", {}), Value(0));
  EXPECT_EQ(result("started", {}), Value(1));
}

TEST_F(DemoFunctionsTest, ManySlowCallsWaitAtOnce) {
  for (int i = 0; i < 1000; ++i) ask("slow", {0.5});
  EXPECT_EQ(result("active", {}), Value(1000));
  demo_.advance(milliseconds(500));
  EXPECT_EQ(answers(), 1000u);
  EXPECT_EQ(demo_.holding(), 0u);
}

TEST_F(DemoFunctionsTest, SlowEndsEarlyWhenItsAskerHasGone) {
  const auto request = ask("slow", {3600});
  EXPECT_EQ(result("active", {}), Value(1));
  demo_.give_up(request);
  demo_.run_ready();
  EXPECT_EQ(result("active", {}), Value(0));
  EXPECT_EQ(demo_.holding(), 0u);
}

TEST_F(DemoFunctionsTest, WaitsOnlyForATimeThatMakesSense) {
  for (const auto* function : {"slow", "hold", "locked"}) {
    EXPECT_EQ(error_type(function, {-1}), "ValueError");
    EXPECT_EQ(error_type(function, {1e300}), "ValueError");
    EXPECT_EQ(error_type(function, {std::numeric_limits<double>::quiet_NaN()}), "ValueError");
    EXPECT_EQ(error_type(function, {"soon"}), "TypeError");
  }
}

TEST_F(DemoFunctionsTest, LockedRunsOneAtATime) {
  ask("locked", {1});
  ask("locked", {1});
  demo_.advance(milliseconds(1000));
  EXPECT_EQ(answers(), 1u);
  demo_.advance(milliseconds(1000));
  EXPECT_EQ(answers(), 2u);
}

TEST_F(DemoFunctionsTest, CountStreamsItsNumbers) {
  ask("count", {3}, BP_STREAM);
  auto& replies = demo_.replies();
  ASSERT_EQ(replies.size(), 4u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(replies[static_cast<std::size_t>(i)].message.has(BP_STREAM));
    EXPECT_EQ(decode(replies[static_cast<std::size_t>(i)].message[0]), Value(i));
  }
  EXPECT_TRUE(replies[3].message.has(BP_STREAM_END));
}

TEST_F(DemoFunctionsTest, CountIsAListForWhoTakesNoStream) {
  EXPECT_EQ(result("count", {3}), Value(Array{0, 1, 2}));
  EXPECT_EQ(result("count", {-3}), Value(Array{}));
}

TEST_F(DemoFunctionsTest, CountFailBreaksItsStream) {
  ask("count_fail", {2}, BP_STREAM);
  auto& replies = demo_.replies();
  ASSERT_EQ(replies.size(), 3u);
  EXPECT_EQ(replies[2].error_type, "DemoError");
  EXPECT_EQ(replies[2].error_message, "stream broken");
}

TEST_F(DemoFunctionsTest, BigIsMadeOfItsPositions) {
  const auto bytes = result("big", {1000});
  const auto* content = bytes.get_if<Bytes>();
  ASSERT_NE(content, nullptr);
  ASSERT_EQ(content->content.size(), 1000u);
  for (std::size_t i = 0; i < 1000; ++i) ASSERT_EQ(static_cast<unsigned char>(content->content[i]), i % 256);
  EXPECT_EQ(result("big", {0}), Value(Bytes{}));
}

TEST_F(DemoFunctionsTest, BigHasLimits) {
  EXPECT_EQ(error_type("big", {-1}), "ValueError");
  EXPECT_EQ(error_type("big", {std::int64_t{1} << 40}), "ValueError");
}

TEST_F(DemoFunctionsTest, NotesAreTheLastHundredKept) {
  for (int i = 0; i < 120; ++i) EXPECT_EQ(result("note", {i}), Value());
  const auto notes = result("notes", {});
  const auto* list = notes.get_if<Array>();
  ASSERT_NE(list, nullptr);
  ASSERT_EQ(list->size(), 100u);
  EXPECT_EQ(list->front(), Value(20));
  EXPECT_EQ(list->back(), Value(119));
}

TEST_F(DemoFunctionsTest, ANoteMayBeASignal) {
  Message signal = demo_.message({encode(Value(Array{"quiet"}))});
  signal.set_function("note");
  signal.set(BP_SIGNAL);
  signal.envelope().encoding = BP_MSGPACK;
  demo_.deliver(std::move(signal));
  demo_.run_ready();
  EXPECT_EQ(answers(), 0u);
  EXPECT_EQ(result("notes", {}), Value(Array{"quiet"}));
}

TEST_F(DemoFunctionsTest, PlainFramesAreArguments) {
  demo_.deliver(demo_.request("add", {"ab", "cd"}));
  demo_.run_ready();
  EXPECT_EQ(demo_.take_reply().message[0], "abcd");
}

TEST_F(DemoFunctionsTest, TellsItsFunctionsWithoutAComponent) {
  std::vector<std::string> names;
  std::string add_help;
  struct Told {
    std::vector<std::string>* names;
    std::string* add_help;
  } told{&names, &add_help};
  const auto tell = [](void* context, const bp_function* function) {
    auto* into = static_cast<Told*>(context);
    into->names->emplace_back(function->name);
    if (std::string(function->name) == "add") *into->add_help = function->help;
  };
  ASSERT_EQ(demo_.kind().functions(tell, &told), 0);
  std::sort(names.begin(), names.end());
  EXPECT_THAT(names,
              ElementsAre("active", "add", "big", "count", "count_fail", "crash", "echo", "fail", "hold",
                          "later", "later_fail", "locked", "note", "notes", "now", "slow", "started"));
  EXPECT_EQ(add_help, "Add two numbers.");
}

}  // namespace
}  // namespace backplane::demo
