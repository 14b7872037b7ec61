// Calls that wait without a thread: coroutines, streams, nested calls, calls that are answered later; their
// deadlines and how they are given up.
#include <fstream>
#include <thread>

#include "sdk/function_fixture.hpp"

namespace backplane {
namespace {

using namespace std::chrono_literals;

class Coroutines : public FunctionTest {
 protected:
  int alive_ = 0;

  Task<int> slow(int milliseconds) {
    const Witness witness(alive_);
    co_await sleep(std::chrono::milliseconds(milliseconds));
    co_return milliseconds;
  }
  void serve_slow() {
    serve([this](Functions& functions) {
      functions.add("slow", [this](int milliseconds) { return slow(milliseconds); }, "", {"ms"});
    });
  }
};

int threads_of_this_process() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("Threads:", 0) == 0) return std::stoi(line.substr(8));
  return -1;
}

TEST_F(Coroutines, AnswerAfterAWhile) {
  serve_slow();
  ask("slow", {100});
  EXPECT_EQ(answers(), 0u);
  EXPECT_EQ(host_->holding(), 1u);
  EXPECT_EQ(host_->metric("calls_running"), 1);
  host_->advance(99ms);
  EXPECT_EQ(answers(), 0u);
  host_->advance(1ms);
  EXPECT_TRUE(value() == Value(100));
  EXPECT_EQ(host_->holding(), 0u);
  EXPECT_EQ(host_->metric("calls_running"), 0);
  EXPECT_EQ(alive_, 0);
}

TEST_F(Coroutines, TenThousandWaitWithoutAThreadEach) {
  serve_slow();
  const int threads = threads_of_this_process();
  for (int i = 0; i < 10'000; ++i) ask("slow", {100 + i % 10});
  EXPECT_EQ(alive_, 10'000);
  EXPECT_EQ(host_->holding(), 10'000u);
  EXPECT_EQ(threads_of_this_process(), threads);
  host_->advance(110ms);
  EXPECT_EQ(answers(), 10'000u);
  EXPECT_EQ(alive_, 0);
  EXPECT_EQ(host_->running_timers(), 0u);
}

TEST_F(Coroutines, TooManyAtOnceAreRefused) {
  serve([](Functions& functions) {
    functions.limit({.running = 2}).add("slow", []() -> Task<> { co_await sleep(1s); });
  });
  ask("slow");
  ask("slow");
  ask("slow");
  EXPECT_EQ(error(), "Overloaded: too many calls run at once");
}

TEST_F(Coroutines, AwaitTasksAndSeeTheirErrors) {
  struct Helpers {
    static Task<int> half(int n) {
      if (n % 2 != 0) throw Error("Odd", std::to_string(n));
      co_await sleep(1ms);
      co_return n / 2;
    }
    static Task<std::unique_ptr<int>> not_a_value(int n) { co_return std::make_unique<int>(n); }
  };
  serve([](Functions& functions) {
    functions.add("quarter",
                  [](int n) -> Task<int> { co_return co_await Helpers::half(co_await Helpers::half(n)); });
    functions.add("caught", [](int n) -> Task<std::string> {
      try {
        co_await Helpers::half(n);
      } catch (const Error& failure) {
        co_return failure.type();
      }
      co_return "even";
    });
    functions.add("inner", [](int n) -> Task<int> { co_return *co_await Helpers::not_a_value(n); });
  });
  ask("quarter", {12});
  host_->advance(2ms);
  EXPECT_TRUE(value() == Value(3));
  ask("quarter", {6});
  host_->advance(2ms);
  EXPECT_EQ(error(), "Odd: 3");
  ask("caught", {7});
  EXPECT_TRUE(value() == Value("Odd"));
  ask("inner", {7});
  EXPECT_TRUE(value() == Value(7));
}

TEST_F(Coroutines, AwaitAMillionTasksInARowOnASmallStack) {
  struct Helpers {
    static Task<int> next(int n) { co_return n + 1; }
  };
  serve([](Functions& functions) {
    functions.add("count", [](int n) -> Task<int> {
      int sum = 0;
      while (sum < n) sum = co_await Helpers::next(sum);
      co_return sum;
    });
  });
  ask("count", {200'000});
  EXPECT_TRUE(eventually([&] { return answers() == 1; }));
  EXPECT_TRUE(value() == Value(200'000));
}

TEST_F(Coroutines, MayTakeTheirParametersByReference) {
  serve([](Functions& functions) {
    functions.add(
        "join", [](const std::string& a, std::string_view b, const std::vector<int>& c) -> Task<std::string> {
          co_await sleep(10ms);
          co_return a + std::string(b) + std::to_string(c.size());
        });
  });
  ask("join", {std::string(100, 'a'), std::string(100, 'b'), Value(Array{1, 2, 3})});
  host_->advance(10ms);
  EXPECT_TRUE(value() == Value(std::string(100, 'a') + std::string(100, 'b') + "3"));
}

TEST_F(Coroutines, DoNotDisturbTheLoopForLong) {
  struct Helpers {
    static Task<> nothing() { co_return; }
  };
  bool stop = false;
  serve([&](Functions& functions) {
    functions.add("spin", [&]() -> Task<> {
      while (!stop) co_await Helpers::nothing();
    });
    functions.add("quick", [] { return 1; });
  });
  ask("spin");
  ask("quick");
  EXPECT_TRUE(value() == Value(1)) << "though the other never sleeps";
  stop = true;
  EXPECT_TRUE(eventually([&] { return answers() == 1; }));
}

// ---- the call itself ----

TEST_F(Coroutines, SeeTheirCall) {
  serve([](Functions& functions) {
    functions.add("plain", [](Context context, int n) { return Array{context.envelope().stage, n}; });
    functions.add("left", []() -> Task<std::int64_t> {
      co_await sleep(300ms);
      co_return std::chrono::duration_cast<std::chrono::milliseconds>(*current_call().time_left()).count();
    });
    functions.add("log", [](const Context& context) { context.log(Severity::info, "from a function"); });
    functions.add("trace", [] { return current_call().baggage("trace_id"); });
    functions.add("unlimited", [] { return current_call().time_left().has_value(); });
  });
  Message made = request("plain", {7});
  made.envelope().stage = 3;
  deliver(std::move(made));
  EXPECT_TRUE(value() == Value(Array{3, 7}));
  made = request("left");
  made.envelope().deadline = host_->now() + 1'000'000'000;
  deliver(std::move(made));
  host_->advance(300ms);
  EXPECT_TRUE(value() == Value(700));
  ask("log");
  ASSERT_FALSE(host_->log_lines().empty());
  EXPECT_EQ(host_->log_lines().back().line, "from a function");
  EXPECT_TRUE(value() == Value());
  ask("trace");
  EXPECT_TRUE(value() == Value(""));
  ask("unlimited");
  EXPECT_TRUE(value() == Value(false));
  EXPECT_THROW(current_call(), Error) << "no call here";
}

TEST_F(Coroutines, SeeTheBaggageOfTheirCall) {
  serve([](Functions& functions) {
    functions.add("log", [](const Context& context) {
      context.log(Severity::info, "from a function");
      return context.baggage("trace_id");
    });
  });
  Message made = request("log");
  add_baggage(made, "trace_id", "a\nb");
  add_baggage(made, "log_tag", "job 7");
  deliver(std::move(made));
  EXPECT_TRUE(value() == Value("a\nb"));
  ASSERT_EQ(host_->log_lines().size(), 1u);
  EXPECT_EQ(host_->log_lines()[0].line, "[job 7] from a function");
}

// ---- deadlines ----

TEST_F(Coroutines, ACallWhoseDeadlineHasPassedIsNotBegun) {
  bool began = false;
  serve([&](Functions& functions) { functions.add("f", [&] { began = true; }); });
  Message made = request("f");
  made.envelope().deadline = host_->now();
  deliver(std::move(made));
  EXPECT_EQ(error(), "DeadlineExceeded: the deadline passed before the function was run");
  EXPECT_FALSE(began);
}

TEST_F(Coroutines, AWaitingCallEndsAtItsDeadline) {
  serve_slow();
  Message made = request("slow", {1000});
  made.envelope().deadline = host_->now() + 500'000'000;
  deliver(std::move(made));
  host_->advance(500ms);
  EXPECT_EQ(error(), "DeadlineExceeded: the function slow did not end in time");
  EXPECT_EQ(alive_, 0) << "its frame is gone";
  EXPECT_EQ(host_->holding(), 0u);
  host_->advance(1s);
  EXPECT_EQ(answers(), 0u);
}

// ---- giving up ----

TEST_F(Coroutines, ACancelledCallEndsAtItsWait) {
  serve_slow();
  const auto first = ask("slow", {100});
  ask("slow", {100});
  host_->give_up(first);
  EXPECT_EQ(alive_, 1);
  EXPECT_EQ(host_->metric("calls_cancelled"), 1);
  host_->give_up(first);
  EXPECT_EQ(host_->metric("calls_cancelled"), 1);
  host_->advance(100ms);
  EXPECT_EQ(answers(), 1u) << "only the other is answered";
}

TEST_F(Coroutines, AStopEndsThemAllAndTellsTheirAskers) {
  serve_slow();
  for (int i = 0; i < 1000; ++i) ask("slow", {100});
  host_->stop();
  EXPECT_EQ(alive_, 0);
  EXPECT_EQ(answers(), 1000u);
  EXPECT_EQ(error(), "ShuttingDown: fake stops");
}

// ---- nested calls ----

class NestedCalls : public Coroutines {
 protected:
  void SetUp() override {
    serve([this](Functions& functions) {
      functions.add("twice", [this](int n) -> Task<int> {
        const Witness witness(alive_);
        co_return 2 * co_await call<int>("other.f", n, "x");
      });
      functions.add("catch", []() -> Task<std::string> {
        try {
          co_await call("other.f");
        } catch (const Error& failure) {
          co_return failure.type() + "/" + failure.what() + "/" + failure.traceback();
        }
        co_return "no error";
      });
      functions.add("catch attributes", []() -> Task<Map> {
        try {
          co_await call("other.f");
        } catch (const DetailedError& failure) {
          co_return failure.attributes();
        }
        co_return Map();
      });
      functions.add("bytes", []() -> Task<Bytes> { co_return co_await call<Bytes>("other.f"); });
      functions.add("nothing", []() -> Task<> { co_await call<void>("other.f"); });
      functions.add("named", []() -> Task<> {
        Arguments both{{1}, {{"b", 2}}};
        co_await call("other.f", std::move(both));
      });
      functions.add("limited", []() -> Task<> { co_await call_within(100ms, "other.f"); });
    });
  }
  // The request the component has sent.
  Message& sent() { return host_->calls().back().message; }
  void answer(const Value& with) { host_->answer(sent().envelope(), {encode(with)}, BP_MSGPACK); }
};

TEST_F(NestedCalls, GoThroughTheRouterAndComeBack) {
  ask("twice", {5});
  ASSERT_EQ(host_->calls().size(), 1u);
  EXPECT_EQ(host_->calls()[0].target, "other.f");
  EXPECT_TRUE(sent().has(BP_REQUEST));
  EXPECT_TRUE(decode(sent()[0]) == Value(Array{5, "x"}));
  EXPECT_EQ(answers(), 0u);
  answer(21);
  EXPECT_TRUE(value() == Value(42));
}

TEST_F(NestedCalls, CarryDeadlineStageAndTrace) {
  Message made = request("twice", {5});
  made.envelope().deadline = host_->now() + 77'000'000;
  made.envelope().stage = 4;
  made.envelope().trace_id[0] = 9;
  made.envelope().span_id[7] = 8;
  const auto envelope = deliver(std::move(made));
  EXPECT_EQ(sent().envelope().deadline, envelope.deadline);
  EXPECT_EQ(sent().envelope().stage, 4);
  EXPECT_EQ(sent().envelope().trace_id[0], 9);
  EXPECT_EQ(sent().envelope().span_id[7], 8);
  ask("limited");
  EXPECT_EQ(sent().envelope().deadline, host_->now() + 100'000'000);
}

TEST_F(NestedCalls, CarryBaggageAndNoOtherHeaders) {
  Message made = request("twice", {5});
  made.add_header("topic", "a");
  add_baggage(made, "trace_id", "abc");
  made.add_header("palm-stage", "1");
  add_baggage(made, "log_tag", "line\nbreak");
  deliver(std::move(made));
  EXPECT_EQ(sent().headers(), "baggage-trace_id: abc\nbaggage-log_tag: line%0Abreak\n");
  ask("twice", {5});
  EXPECT_EQ(sent().headers(), "") << "of a call without any";
}

TEST_F(NestedCalls, CarryDeadlineAndBaggageTwoLevelsDeep) {
  Message made = request("twice", {5});
  made.envelope().deadline = host_->now() + 77'000'000;
  add_baggage(made, "trace_id", "abc");
  const auto envelope = deliver(std::move(made));
  // What it sent calls a function that calls another one: as if this component were "other", too.
  Message first = sent().copy();
  first.set_function("twice");
  first.truncate(0);
  first.append(encode(Value(Array{6})));
  deliver(std::move(first));
  ASSERT_EQ(host_->calls().size(), 2u);
  EXPECT_EQ(sent().envelope().deadline, envelope.deadline);
  EXPECT_EQ(sent().headers(), "baggage-trace_id: abc\n");
  host_->advance(77ms);
  EXPECT_EQ(error(), "DeadlineExceeded: the function twice did not end in time");
  EXPECT_EQ(error(), "DeadlineExceeded: the function twice did not end in time") << "both end with it";
  EXPECT_EQ(alive_, 0);
}

TEST_F(NestedCalls, ATaskWithinATaskAsksForItsCall) {
  serve([](Functions& functions) {
    const auto inner = []() -> Task<int> { co_return co_await call<int>("other.f"); };
    functions.add("outer", [inner]() -> Task<int> { co_return co_await inner(); });
  });
  Message made = request("outer");
  made.envelope().deadline = host_->now() + 77'000'000;
  add_baggage(made, "trace_id", "abc");
  const auto envelope = deliver(std::move(made));
  EXPECT_EQ(sent().envelope().deadline, envelope.deadline);
  EXPECT_EQ(sent().headers(), "baggage-trace_id: abc\n");
}

TEST_F(NestedCalls, ThrowTheErrorThatComesBack) {
  ask("twice", {5});
  host_->answer_error(sent().envelope(), "DemoError", "no", "in other.f\nDemoError: no");
  const auto reply = host_->take_reply();
  EXPECT_EQ(reply.error_type, "DemoError");
  EXPECT_EQ(reply.traceback, "in fake.twice\nin other.f\nDemoError: no") << "the way it came";
  ask("catch");
  host_->answer_error(sent().envelope(), "DemoError", "no", "where");
  EXPECT_TRUE(value() == Value("DemoError/no/where"));
}

TEST_F(NestedCalls, CarryTheAttributesOfAnErrorOn) {
  ask("twice", {5});
  host_->answer_error(sent().envelope(), DetailedError("DemoError", "no", {{"code", 7}}, "DemoError: no"));
  const auto reply = host_->take_reply();
  EXPECT_EQ(reply.error_type, "DemoError");
  EXPECT_EQ(reply.error_message, "no");
  EXPECT_TRUE(reply.attributes == (Map{{"code", 7}}));
  ask("catch attributes");
  host_->answer_error(sent().envelope(), DetailedError("DemoError", "no", {{"code", 7}}));
  EXPECT_TRUE(value() == Value(Map{{"code", 7}}));
}

TEST_F(NestedCalls, TellAnErrorAlsoWhenItsAttributesCannotBeRead) {
  for (const std::string_view attributes : {"\xc1", "\x93\x01\x02\x03", ""}) {
    ask("twice", {5});
    host_->outcome(sent().envelope(), host_->message({"DemoError", "no", "", attributes}), BP_ERROR);
    const auto reply = host_->take_reply();
    EXPECT_EQ(reply.error_type, "DemoError");
    EXPECT_TRUE(reply.attributes.empty());
  }
  ask("twice", {5});
  host_->outcome(sent().envelope(), host_->message(), BP_ERROR);
  EXPECT_EQ(error(), "Error: ") << "one that says nothing at all";
}

TEST_F(NestedCalls, AreRefusedWhenNothingTakesThem) {
  host_->answer_sends(BP_NO_ROUTE);
  ask("twice", {5});
  EXPECT_EQ(error(), "NoRoute: nothing takes the call of other.f");
  host_->answer_sends(BP_REJECTED);
  ask("twice", {5});
  EXPECT_EQ(error(), "Overloaded: the call of other.f was rejected");
  host_->answer_sends(BP_PAUSED);
  ask("twice", {5});
  answer(1);
  EXPECT_TRUE(value() == Value(2)) << "paused is sent";
}

TEST_F(NestedCalls, CheckTheTypeOfTheResult) {
  ask("twice", {5});
  answer("text");
  EXPECT_EQ(error(), "TypeError: expected int, got text \"text\"");
  ask("twice", {5});
  host_->answer(sent().envelope(), {"\xc1"}, BP_MSGPACK);
  EXPECT_EQ(error().substr(0, 10), "Malformed:");
  ask("bytes");
  host_->answer(sent().envelope(), {"raw"});
  EXPECT_TRUE(value() == Value(Bytes{"raw"}));
  ask("nothing");
  host_->answer(sent().envelope(), {});
  EXPECT_TRUE(value() == Value());
}

TEST_F(NestedCalls, MayHaveNamedArguments) {
  ask("named");
  EXPECT_TRUE(decode(sent()[0]) == Value(Array{1}));
  EXPECT_TRUE(decode(sent()[1]) == Value(Map{{"b", 2}}));
}

TEST_F(NestedCalls, AreGivenUpWithTheirCall) {
  const auto envelope = ask("twice", {5});
  const auto nested = sent().envelope();
  host_->give_up(envelope);
  EXPECT_EQ(alive_, 0);
  EXPECT_EQ(host_->cancelled(), std::vector<std::uint64_t>{nested.correlation});
  host_->answer(nested, {encode(Value(1))}, BP_MSGPACK);
  EXPECT_EQ(answers(), 0u) << "a late outcome disturbs nobody";
}

TEST_F(NestedCalls, AThousandAreTakenApart) {
  for (int i = 0; i < 1000; ++i) ask("twice", {i});
  for (int i = 999; i >= 0; --i)
    host_->answer(host_->calls()[static_cast<std::size_t>(i)].message.envelope(), {encode(Value(i))},
                  BP_MSGPACK);
  ASSERT_EQ(answers(), 1000u);
  for (int i = 999; i >= 0; --i) EXPECT_TRUE(value() == Value(2 * i));
}

// ---- streams ----

class Streams : public Coroutines {
 protected:
  void SetUp() override {
    serve([this](Functions& functions) {
      functions.limit({.collected = 1000})
          .add("count",
               [this](int n) -> Stream<int> {
                 const Witness witness(alive_);
                 for (int i = 0; i < n; ++i) {
                   ++made_;
                   co_yield i;
                 }
               })
          .add("fail",
               [](int n) -> Stream<int> {
                 for (int i = 0; i < n; ++i) co_yield i;
                 throw Error("DemoError", "stream broken");
               })
          .add("ticks",
               [](int n) -> Stream<int> {
                 for (int i = 0; i < n; ++i) {
                   co_await sleep(10ms);
                   co_yield i;
                 }
               })
          .add("quick", [] { return "quick"; });
    });
  }
  bp_envelope stream(std::string_view function, int n, std::uint32_t credit) {
    Message made = request(function, {n}, BP_STREAM);
    made.envelope().credit = credit;
    return deliver(std::move(made));
  }
  // What has come: items, then "end" or the error.
  std::string received() {
    std::string all;
    for (auto& reply : host_->replies()) {
      if (!all.empty()) all += ' ';
      if (reply.is_error()) {
        all += reply.error_type;
      } else if (reply.message.has(BP_STREAM_END)) {
        all += "end";
        EXPECT_TRUE(reply.message.empty());
      } else {
        EXPECT_TRUE(reply.message.has(BP_STREAM));
        all += to_json(decode(reply.message[0]));
      }
    }
    host_->replies().clear();
    return all;
  }
  int made_ = 0;
};

TEST_F(Streams, SendAsManyItemsAsThereIsCredit) {
  const auto envelope = stream("count", 5, 2);
  EXPECT_EQ(received(), "0 1");
  EXPECT_EQ(made_, 3) << "one is ready, no more";
  host_->grant_items(envelope, 1);
  EXPECT_EQ(received(), "2");
  host_->grant_items(envelope, 100);
  EXPECT_EQ(received(), "3 4 end");
  EXPECT_EQ(alive_, 0);
  host_->grant_items(envelope, 100);
  EXPECT_EQ(received(), "");
}

TEST_F(Streams, WaitForTheirFirstCredit) {
  const auto envelope = stream("count", 2, 0);
  EXPECT_EQ(received(), "");
  EXPECT_EQ(host_->holding(), 1u);
  host_->grant_items(envelope, 2);
  EXPECT_EQ(received(), "0 1 end") << "the end costs nothing";
}

TEST_F(Streams, MayBeEmpty) {
  stream("count", 0, 0);
  EXPECT_EQ(received(), "end");
}

TEST_F(Streams, MayFailAtOnceOrInTheMiddle) {
  stream("fail", 0, 5);
  EXPECT_EQ(received(), "DemoError");
  const auto envelope = stream("fail", 2, 1);
  EXPECT_EQ(received(), "0");
  host_->grant_items(envelope, 1);
  EXPECT_EQ(received(), "1 DemoError");
}

TEST_F(Streams, AddCreditUpWithoutOverflow) {
  const auto envelope = stream("ticks", 3, 4'000'000'000u);
  host_->grant_items(envelope, 4'000'000'000u);
  host_->advance(30ms);
  EXPECT_EQ(received(), "0 1 2 end");
}

TEST_F(Streams, MayWaitBetweenItems) {
  stream("ticks", 2, 10);
  EXPECT_EQ(received(), "");
  host_->advance(10ms);
  EXPECT_EQ(received(), "0");
  host_->advance(10ms);
  EXPECT_EQ(received(), "1 end");
}

TEST_F(Streams, EndWhenTheyAreGivenUp) {
  const auto envelope = stream("count", 1'000'000, 1);
  EXPECT_EQ(received(), "0");
  host_->give_up(envelope);
  EXPECT_EQ(alive_, 0);
  EXPECT_EQ(host_->holding(), 0u);
  host_->grant_items(envelope, 5);
  EXPECT_EQ(received(), "");
}

TEST_F(Streams, LetOthersInBetween) {
  const auto envelope = stream("count", 100'000, 1'000'000);
  EXPECT_LT(answers(), 1000u);
  host_->replies().clear();
  ask("quick");
  EXPECT_TRUE(value() == Value("quick"));
  host_->run_ready();
  host_->give_up(envelope);
  host_->replies().clear();
}

TEST_F(Streams, AreAListForAnAskerThatTakesNone) {
  ask("count", {4});
  EXPECT_TRUE(value() == Value(Array{0, 1, 2, 3}));
  ask("count", {0});
  EXPECT_TRUE(value() == Value(Array{}));
  ask("fail", {2});
  EXPECT_EQ(error(), "DemoError: stream broken");
  ask("count", {1001});
  host_->run_ready();
  EXPECT_EQ(error(), "ResultTooLarge: the stream has too many items for one answer");
  EXPECT_EQ(alive_, 0);
}

TEST_F(Streams, APlainFunctionAnswersAStreamRequestPlainly) {
  ask("quick", {}, BP_STREAM);
  const auto reply = host_->take_reply();
  EXPECT_FALSE(reply.message.has(BP_STREAM));
  EXPECT_TRUE(decode(reply.message[0]) == Value("quick"));
}

// ---- answered later ----

class Later : public FunctionTest {
 protected:
  void SetUp() override {
    serve([this](Functions& functions) {
      functions.add("later", [this](Call<std::string> call, std::string word) {
        word_ = word;
        kept_.push_back(std::move(call));
      });
      functions.add("now", [](Call<int> call) { call.answer(5); });
      functions.add("drop", [](Call<int>) {});
      functions.add("throw", [](Call<int>) { throw Error("DemoError", "at once"); });
      functions.add("timer", [this](Call<> call) {
        timer_ = call.context().host().after(50ms, [call] { call.answer(); });
      });
    });
  }
  std::vector<Call<std::string>> kept_;
  std::string word_;
  Timer timer_;
};

TEST_F(Later, AnswersWhenItLikes) {
  ask("later", {"x"});
  EXPECT_EQ(word_, "x");
  EXPECT_EQ(answers(), 0u);
  EXPECT_EQ(host_->holding(), 1u);
  kept_[0].answer("done");
  kept_[0].answer("again");
  kept_[0].fail("Late", "too");
  host_->run_ready();
  EXPECT_TRUE(value() == Value("done"));
  EXPECT_EQ(answers(), 0u) << "once";
  EXPECT_EQ(host_->holding(), 0u);
}

TEST_F(Later, AnswersFromAnyThread) {
  ask("later", {"x"});
  std::thread other([call = std::move(kept_[0])] { call.answer("from afar"); });
  EXPECT_TRUE(eventually([&] { return answers() == 1; }));
  other.join();
  EXPECT_TRUE(value() == Value("from afar"));
  kept_.clear();
}

TEST_F(Later, AnswersFromATimerOrAtOnce) {
  ask("timer");
  host_->advance(50ms);
  EXPECT_TRUE(value() == Value());
  timer_.end();
  ask("now");
  host_->run_ready();
  EXPECT_TRUE(value() == Value(5));
}

TEST_F(Later, MayFailOrThrow) {
  ask("later", {"x"});
  kept_[0].fail("DemoError", "changed my mind");
  host_->run_ready();
  EXPECT_EQ(error(), "DemoError: changed my mind");
  ask("later", {"x"});
  kept_[1].fail(DetailedError("DemoError", "in detail", {{"code", 7}}));
  host_->run_ready();
  EXPECT_TRUE(host_->take_reply().attributes == (Map{{"code", 7}}));
  ask("throw");
  host_->run_ready();
  EXPECT_EQ(error(), "DemoError: at once");
  EXPECT_EQ(answers(), 0u);
}

TEST_F(Later, ADroppedCallIsAnError) {
  ask("drop");
  host_->run_ready();
  EXPECT_EQ(error(), "Unanswered: the function dropped its call without an answer");
}

TEST_F(Later, HearsWhenItIsGivenUp) {
  const auto envelope = ask("later", {"x"});
  bool told = false;
  kept_[0].context().on_cancel([&] { told = true; });
  host_->give_up(envelope);
  EXPECT_TRUE(told);
  EXPECT_TRUE(kept_[0].cancelled());
  EXPECT_EQ(host_->holding(), 0u);
  kept_[0].answer("nobody hears");
  host_->run_ready();
  EXPECT_EQ(answers(), 0u);
}

TEST_F(Later, ACallMayOutliveItsComponent) {
  ask("later", {"x"});
  auto call = kept_[0];
  host_->stop();
  EXPECT_EQ(error(), "ShuttingDown: fake stops");
  EXPECT_TRUE(call.cancelled());
  call.answer("too late");
  EXPECT_EQ(answers(), 0u);
  kept_.clear();
  host_->destroy();
}

TEST_F(Later, ThousandsAreAnsweredByManyThreads) {
  constexpr int count = 2000;
  for (int i = 0; i < count; ++i) ask("later", {std::to_string(i)});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([this, t] {
      for (int i = t; i < count; i += 4) kept_[static_cast<std::size_t>(i)].answer(std::to_string(i));
    });
  EXPECT_TRUE(eventually([&] { return answers() == count; }));
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(host_->holding(), 0u);
}

}  // namespace
}  // namespace backplane
