#include "functions.hpp"

#include <backplane/testing/fake_host.hpp>

#include <gmock/gmock.h>

#include <climits>

namespace backplane::demo {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

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

// ---- what each kind publishes -------------------------------------------------------------------------

// A function as clients read it: "add(a, b=1)", and how it answers when that is not the ordinary way.
std::string signature(const bp_function& function) {
  constexpr const char* manners[] = {"", "immediate", "deferred", "synchronized", "signal", "stream"};
  std::string told = std::string(function.name) + "(";
  for (std::size_t i = 0; i < function.parameter_count; ++i) {
    const auto& parameter = function.parameters[i];
    told += (i > 0 ? ", " : "") + std::string(parameter.name);
    if (parameter.default_json != nullptr) told += std::string("=") + parameter.default_json;
  }
  const std::string manner = manners[function.manner];
  return told + ")" + (manner.empty() ? "" : " " + manner);
}

// Both work without a component.
std::vector<std::string> functions_of(const bp_kind& kind) {
  std::vector<std::string> told;
  const auto tell = [](void* into, const bp_function* function) {
    static_cast<std::vector<std::string>*>(into)->push_back(signature(*function));
  };
  EXPECT_EQ(kind.functions(tell, &told), 0);
  return told;
}
std::string help_of(const bp_kind& kind, const std::string& name) {
  struct Wanted {
    const std::string* name;
    std::string help;
  } wanted{&name, "no such function"};
  const auto tell = [](void* into, const bp_function* function) {
    auto* asked = static_cast<Wanted*>(into);
    if (function->name == *asked->name) asked->help = function->help;
  };
  EXPECT_EQ(kind.functions(tell, &wanted), 0);
  return wanted.help;
}

template <typename Kind>
FakeReply answer_of(FakeComponent<Kind>& component, const char* function, const Array& arguments) {
  component.deliver(component.request(function, {encode(Value(arguments))}, BP_MSGPACK));
  component.run_ready();
  EXPECT_EQ(component.replies().size(), 1u) << function << " did not answer";
  return component.replies().empty() ? FakeReply{} : component.take_reply();
}

TEST(DemoKinds, ZerorpcHasTheTableOfItsDemoService) {
  const FakeComponent<DemoZerorpc> demo;
  EXPECT_THAT(
      functions_of(demo.kind()),
      UnorderedElementsAre("add(a, b)", "echo(x)", "fail(msg)", "slow(seconds)", "active()",
                           "count(n) stream", "count_fail(n) stream", "big(n)", "note(x)", "notes()"));
}

TEST(DemoKinds, InfiHasTheTableOfItsDemoService) {
  const FakeComponent<DemoInfi> demo;
  EXPECT_THAT(
      functions_of(demo.kind()),
      UnorderedElementsAre("add(a, b=1)", "echo(x)", "slow(seconds)", "later(x) deferred",
                           "later_fail(msg) deferred", "now(x) immediate", "hold(seconds) immediate",
                           "fail(msg)", "crash(msg)", "locked(seconds) synchronized", "started() immediate"));
}

TEST(DemoKinds, FunctionsHasBoth) {
  const FakeComponent<DemoFunctions> demo;
  EXPECT_THAT(functions_of(demo.kind()),
              UnorderedElementsAre("add(a, b=1)", "echo(x)", "fail(msg)", "slow(seconds)", "active()",
                                   "count(n) stream", "count_fail(n) stream", "big(n)", "note(x)", "notes()",
                                   "later(x) deferred", "later_fail(msg) deferred", "now(x) immediate",
                                   "hold(seconds) immediate", "crash(msg)", "locked(seconds) synchronized",
                                   "started() immediate"));
}

TEST(DemoKinds, AllDescribeAddWithTheSameWords) {
  EXPECT_EQ(help_of(FakeComponent<DemoFunctions>().kind(), "add"), "Add two numbers.");
  EXPECT_EQ(help_of(FakeComponent<DemoZerorpc>().kind(), "add"), "Add two numbers.");
  EXPECT_EQ(help_of(FakeComponent<DemoInfi>().kind(), "add"), "Add two numbers.");
}

TEST(DemoKinds, ErrorsOfZerorpcAreDemoErrors) {
  FakeComponent<DemoZerorpc> demo;
  demo.start();
  EXPECT_EQ(answer_of(demo, "fail", {"broken"}).error_type, "DemoError");
  EXPECT_EQ(answer_of(demo, "count_fail", {1}).error_type, "DemoError");
  EXPECT_EQ(answer_of(demo, "add", {1}).error_type, "InvalidCallArguments");
}

TEST(DemoKinds, ErrorsOfInfiAreUserExceptions) {
  FakeComponent<DemoInfi> demo;
  demo.start();
  for (const auto* function : {"fail", "later_fail"}) {
    const auto reply = answer_of(demo, function, {"broken"});
    EXPECT_EQ(reply.error_type, "RPCUserException");
    EXPECT_EQ(reply.error_message, "broken");
  }
  EXPECT_THAT(answer_of(demo, "crash", {"broken"}).error_message, HasSubstr("broken"));
  EXPECT_EQ(decode(answer_of(demo, "add", {2}).message[0]), Value(3));
}

template <typename Kind>
class SlowOf : public testing::Test {};
using KindsWithSlow = testing::Types<DemoFunctions, DemoZerorpc, DemoInfi>;
TYPED_TEST_SUITE(SlowOf, KindsWithSlow);

TYPED_TEST(SlowOf, EveryKindEndsEarlyWhenItsAskerHasGone) {
  FakeComponent<TypeParam> demo;
  demo.stop_clock();
  demo.start();
  Message request = demo.request("slow", {encode(Value(Array{3600}))}, BP_MSGPACK);
  const auto envelope = request.envelope();
  demo.deliver(std::move(request));
  demo.run_ready();
  EXPECT_EQ(demo->active(), 1);
  demo.give_up(envelope);
  demo.run_ready();
  EXPECT_EQ(demo->active(), 0);
  EXPECT_EQ(demo.holding(), 0u);
}

}  // namespace
}  // namespace backplane::demo
