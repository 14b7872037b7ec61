// The manners of functions: what an asker sees of immediate, ordinary, deferred, synchronized, signal.
#include <mutex>
#include <thread>

#include "sdk/function_fixture.hpp"

namespace backplane {
namespace {

using namespace std::chrono_literals;

class Manners : public FunctionTest {
 protected:
  // A function that ends after that many milliseconds of the test's clock.
  static Task<int> slow(int milliseconds) {
    co_await sleep(std::chrono::milliseconds(milliseconds));
    co_return milliseconds;
  }
};

// ---- ordinary, immediate, deferred ----

TEST_F(Manners, OrdinaryAnswersItsResultWhenItIsQuick) {
  serve([](Functions& functions) { functions.add("slow", &slow); });
  ask("slow", {499}, BP_DEFERRED);
  EXPECT_EQ(answers(), 0u);
  host_->advance(499ms);
  EXPECT_TRUE(value() == Value(499));
}

TEST_F(Manners, OrdinaryAnswersADeferredWhenItIsSlow) {
  serve([](Functions& functions) { functions.add("slow", &slow); });
  ask("slow", {2000}, BP_DEFERRED);
  host_->advance(500ms);
  const auto ticket = token();
  EXPECT_EQ(ticket.size(), 32u);
  EXPECT_EQ(host_->holding(), 1u) << "a drain waits for it";
  ask("deferred_result", {ticket});
  EXPECT_EQ(token(), ticket) << "not yet";
  host_->advance(1500ms);
  EXPECT_EQ(answers(), 0u) << "the result is polled";
  EXPECT_EQ(host_->holding(), 0u);
  ask("deferred_result", {ticket});
  EXPECT_TRUE(value() == Value(2000));
  ask("deferred_result", {ticket});
  EXPECT_TRUE(value() == Value(2000)) << "again: an answer may have been lost";
}

TEST_F(Manners, OrdinaryWaitsForAnAskerThatTakesNoDeferred) {
  serve([](Functions& functions) { functions.add("slow", &slow); });
  ask("slow", {2000});
  host_->advance(1999ms);
  EXPECT_EQ(answers(), 0u);
  host_->advance(1ms);
  EXPECT_TRUE(value() == Value(2000));
}

TEST_F(Manners, OrdinaryHasAResponseTimeOfItsOwn) {
  serve([](Functions& functions) { functions.add("slow", &slow, "", {"ms"}, {.max_response_time = 50ms}); });
  ask("slow", {2000}, BP_DEFERRED);
  host_->advance(50ms);
  EXPECT_EQ(token().size(), 32u);
}

TEST_F(Manners, ImmediateIsNeverDeferred) {
  serve(
      [](Functions& functions) { functions.add("slow", &slow, "", {"ms"}, {.manner = Manner::immediate}); });
  ask("slow", {10'000}, BP_DEFERRED);
  host_->advance(9999ms);
  EXPECT_EQ(answers(), 0u);
  host_->advance(1ms);
  EXPECT_TRUE(value() == Value(10'000));
}

TEST_F(Manners, DeferredAnswersATokenBeforeItBegins) {
  bool began = false;
  std::size_t answered_before = 0;
  serve([&](Functions& functions) {
    functions.add("now",
                  [&](int n) {
                    began = true;
                    answered_before = answers();
                    return n;
                  },
                  "", {"n"}, {.manner = Manner::deferred});
  });
  ask("now", {5}, BP_DEFERRED);
  EXPECT_TRUE(began);
  EXPECT_EQ(answered_before, 1u);
  const auto ticket = token();
  ask("deferred_result", {ticket});
  EXPECT_TRUE(value() == Value(5));
  ask("now", {6});
  EXPECT_TRUE(value() == Value(6)) << "an asker that takes no deferred gets the result";
}

TEST_F(Manners, ADeferredFailureIsPolledAsAnError) {
  serve([](Functions& functions) {
    functions.add("fail", []() -> int { throw Error("DemoError", "later"); }, "", {},
                  {.manner = Manner::deferred});
  });
  ask("fail", {}, BP_DEFERRED);
  ask("deferred_result", {token()});
  EXPECT_EQ(error(), "DemoError: later");
}

TEST_F(Manners, ADeferredFailureKeepsItsAttributes) {
  serve([](Functions& functions) {
    functions.add("fail",
                  []() -> int {
                    throw DetailedError("DemoError", "later", {{"code", 7}});
                  },
                  "", {}, {.manner = Manner::deferred});
  });
  ask("fail", {}, BP_DEFERRED);
  ask("deferred_result", {token()});
  const auto reply = host_->take_reply();
  EXPECT_EQ(reply.error_message, "later");
  EXPECT_TRUE(reply.attributes == (Map{{"code", 7}}));
}

TEST_F(Manners, KeptFailuresCountAsBytesToo) {
  serve([](Functions& functions) {
    functions.limit({.deferred_bytes = 1000})
        .add("fail",
             []() -> int {
               throw DetailedError("DemoError", "later", {{"text", std::string(1000, 'x')}});
             },
             "", {}, {.manner = Manner::deferred});
  });
  ask("fail", {}, BP_DEFERRED);
  EXPECT_EQ(token().size(), 32u);
  ask("fail", {}, BP_DEFERRED);
  EXPECT_EQ(error(), "Overloaded: too many deferred results are kept");
}

TEST_F(Manners, AResultIsKeptForAWhileAfterItsEndAndAfterItWasFetched) {
  serve([](Functions& functions) { functions.add("slow", &slow, "", {"ms"}, {.manner = Manner::deferred}); });
  ask("slow", {10}, BP_DEFERRED);
  const auto ticket = token();
  host_->advance(10ms);
  host_->advance(4s);
  ask("deferred_result", {ticket});
  EXPECT_TRUE(value() == Value(10));
  host_->advance(4s);
  ask("deferred_result", {ticket});
  EXPECT_TRUE(value() == Value(10)) << "counted from the first fetch";
  host_->advance(2s);
  ask("deferred_result", {ticket});
  EXPECT_EQ(error(), "InvalidAsyncToken: " + ticket);
  EXPECT_EQ(host_->metric("calls_deferred"), 0);
  EXPECT_EQ(host_->running_timers(), 0u) << "nothing to sweep any more";
}

TEST_F(Manners, AResultNobodyFetchesIsForgotten) {
  serve([](Functions& functions) { functions.add("slow", &slow, "", {"ms"}, {.manner = Manner::deferred}); });
  ask("slow", {10}, BP_DEFERRED);
  const auto ticket = token();
  host_->advance(20s);
  ask("deferred_result", {ticket});
  EXPECT_EQ(error(), "InvalidAsyncToken: " + ticket);
}

TEST_F(Manners, ATokenMustBeOne) {
  serve([](Functions& functions) { functions.add("slow", &slow); });
  ask("deferred_result", {"made up"});
  EXPECT_EQ(error(), "InvalidAsyncToken: made up");
  ask("deferred_result", {5});
  EXPECT_EQ(error(), "InvalidCallArguments: deferred_result: parameter \"token\": expected text");
  deliver(host_->request("deferred_result", {"raw"}));
  EXPECT_EQ(error(), "InvalidAsyncToken: raw");
}

TEST_F(Manners, DeferredsAreBounded) {
  serve([](Functions& functions) {
    functions.limit({.deferred = 2}).add("slow", &slow, "", {"ms"}, {.manner = Manner::deferred});
  });
  ask("slow", {10}, BP_DEFERRED);
  const auto first = token();
  ask("slow", {10'000}, BP_DEFERRED);
  EXPECT_EQ(token().size(), 32u);
  ask("slow", {1}, BP_DEFERRED);
  EXPECT_EQ(error(), "Overloaded: too many deferred results are kept");
  host_->advance(10ms);
  ask("deferred_result", {first});
  EXPECT_TRUE(value() == Value(10));
  ask("slow", {1}, BP_DEFERRED);
  EXPECT_EQ(token().size(), 32u) << "a fetched one makes room";
}

TEST_F(Manners, ADeferredOutlivesItsDeadlineAndItsAsker) {
  serve([](Functions& functions) { functions.add("slow", &slow); });
  Message made = request("slow", {2000}, BP_DEFERRED);
  made.envelope().deadline = host_->now() + 1'000'000'000;
  const auto envelope = deliver(std::move(made));
  host_->advance(500ms);
  const auto ticket = token();
  host_->give_up(envelope);
  host_->advance(1500ms);
  ask("deferred_result", {ticket});
  EXPECT_TRUE(value() == Value(2000));
}

TEST_F(Manners, ARawResultIsPolledRaw) {
  serve([](Functions& functions) {
    functions.add("echo", [](Bytes bytes) { return bytes; }, "", {"x"}, {.manner = Manner::deferred});
  });
  Message made = host_->request("echo", {"abc"});
  made.set(BP_DEFERRED);
  deliver(std::move(made));
  ask("deferred_result", {token()});
  const auto reply = host_->take_reply();
  EXPECT_EQ(reply.message[0], "abc");
  EXPECT_EQ(reply.message.envelope().encoding, BP_RAW);
}

// ---- synchronized ----

class Synchronized : public Manners {
 protected:
  void SetUp() override {
    serve([this](Functions& functions) {
      const auto work = [this](int milliseconds) -> Task<int> {
        ++running_;
        most_ = std::max(most_, running_);
        const Ended ended{running_};
        if (milliseconds < 0) throw Error("DemoError", "negative");
        co_await sleep(std::chrono::milliseconds(milliseconds));
        co_return milliseconds;
      };
      functions.limit({.group_queue = 20'000})
          .add("a", work, "", {"ms"}, {.manner = Manner::synchronized, .group = "one"})
          .add("b", work, "", {"ms"}, {.manner = Manner::synchronized, .group = "one"})
          .add("other", work, "", {"ms"}, {.manner = Manner::synchronized, .group = "two"})
          .add("quick", [this] { return ++quick_; }, "", {},
               {.manner = Manner::synchronized, .group = "one"});
    });
  }
  struct Ended {
    int& running;
    ~Ended() { --running; }
  };
  int running_ = 0;
  int most_ = 0;
  int quick_ = 0;
};

TEST_F(Synchronized, OneOfAGroupRunsAtATimeInTheOrderOfAsking) {
  ask("a", {30});
  ask("b", {20});
  ask("a", {10});
  EXPECT_EQ(running_, 1);
  host_->advance(30ms);
  EXPECT_TRUE(value() == Value(30));
  host_->advance(20ms);
  EXPECT_TRUE(value() == Value(20));
  host_->advance(10ms);
  EXPECT_TRUE(value() == Value(10));
  EXPECT_EQ(most_, 1);
}

TEST_F(Synchronized, OtherGroupsRunMeanwhile) {
  ask("a", {30});
  ask("other", {10});
  EXPECT_EQ(running_, 2);
  host_->advance(10ms);
  EXPECT_TRUE(value() == Value(10));
}

TEST_F(Synchronized, AFailureOrACancelledCallLetsTheNextBegin) {
  ask("a", {-1});
  EXPECT_EQ(error(), "DemoError: negative");
  const auto first = ask("a", {1000});
  ask("b", {10});
  host_->give_up(first);
  host_->advance(10ms);
  EXPECT_TRUE(value() == Value(10));
  EXPECT_EQ(answers(), 0u);
}

TEST_F(Synchronized, ACancelledCallThatWaitsIsNotRun) {
  ask("a", {10});
  const auto second = ask("a", {20});
  ask("quick");
  host_->give_up(second);
  host_->advance(10ms);
  EXPECT_TRUE(value() == Value(10));
  EXPECT_TRUE(value() == Value(1)) << "right after the first";
}

TEST_F(Synchronized, WaitingForTheTurnCountsAsRunning) {
  ask("a", {2000});
  ask("b", {10}, BP_DEFERRED);
  host_->advance(500ms);
  const auto ticket = token();
  EXPECT_EQ(ticket.size(), 32u);
  host_->advance(1510ms);
  EXPECT_TRUE(value() == Value(2000));
  ask("deferred_result", {ticket});
  EXPECT_TRUE(value() == Value(10));
}

TEST_F(Synchronized, TenThousandWaitInAQueueAndTheStackDoesNotGrow) {
  ask("a", {10});
  for (int i = 0; i < 10'000; ++i) ask("quick");
  EXPECT_EQ(host_->holding(), 10'001u);
  host_->advance(10ms);
  EXPECT_EQ(answers(), 10'001u);
  EXPECT_EQ(quick_, 10'000);
}

TEST_F(Manners, TheQueueOfAGroupIsBounded) {
  serve([](Functions& functions) {
    functions.limit({.group_queue = 1}).add("slow", &slow, "", {"ms"}, {.manner = Manner::synchronized});
  });
  ask("slow", {10});
  ask("slow", {10});
  ask("slow", {10});
  EXPECT_EQ(error(), "Overloaded: too many calls wait for their turn");
}

// ---- signal ----

TEST_F(Manners, ASignalHasNoAnswer) {
  std::vector<std::string> notes;
  serve([&](Functions& functions) {
    functions.add("note",
                  [&](std::string note) {
                    if (note == "bad") throw Error("DemoError", "no");
                    notes.push_back(note);
                  },
                  "", {"x"}, {.manner = Manner::signal});
  });
  Message signal = host_->message({encode(Array{"one"})});
  signal.set_function("note");
  signal.set(BP_SIGNAL);
  signal.envelope().encoding = BP_MSGPACK;
  deliver(signal.copy());
  EXPECT_EQ(notes, std::vector<std::string>{"one"});

  signal.envelope().expires = host_->now();
  deliver(signal.copy());
  EXPECT_EQ(notes.size(), 1u) << "after its time to live it is not run";
  EXPECT_TRUE(host_->logged("Expired"));

  signal.envelope().expires = host_->now() + 1;
  deliver(signal.copy());
  EXPECT_EQ(notes.size(), 2u);

  ask("note", {"asked"});
  EXPECT_TRUE(value() == Value()) << "an asker that waits gets nil";
  ask("note", {"bad"});
  EXPECT_EQ(error(), "DemoError: no");

  Message bad = host_->message({encode(Array{"bad"})});
  bad.set_function("note");
  bad.set(BP_SIGNAL);
  bad.envelope().encoding = BP_MSGPACK;
  deliver(std::move(bad));
  EXPECT_TRUE(host_->logged("function note failed: DemoError: no"));
  EXPECT_EQ(answers(), 0u);
}

// ---- blocking ----

class Blocking : public FunctionTest {
 protected:
  void SetUp() override { begin({}); }
  void begin(const OptionTexts& options) {
    serve(
        [this](Functions& functions) {
          functions
              .add("wait",
                   [this](int n) {
                     ++started_;
                     while (!open_ && !current_call().cancelled()) std::this_thread::sleep_for(1ms);
                     if (current_call().cancelled()) ++seen_cancelled_;
                     return n;
                   },
                   "", {"n"}, {.blocking = true})
              .add("where", [] { return std::this_thread::get_id() == std::thread::id(); }, "", {},
                   {.blocking = true})
              .add("now", [](int n) { return n; }, "", {"n"})
              .add("thread", [this] { thread_ = std::this_thread::get_id(); }, "", {}, {.blocking = true})
              .add("throw", []() -> int { throw Error("DemoError", "on a worker"); }, "", {},
                   {.blocking = true});
        },
        options);
  }
  void TearDown() override { open_ = true; }
  std::atomic<bool> open_ = false;
  std::atomic<int> started_ = 0;
  std::atomic<int> seen_cancelled_ = 0;
  std::thread::id thread_;
};

TEST_F(Blocking, RunsOnAThreadOfItsOwn) {
  ask("thread");
  EXPECT_TRUE(eventually([&] { return answers() == 1; }));
  EXPECT_NE(thread_, std::this_thread::get_id());
  EXPECT_NE(thread_, std::thread::id());
}

TEST_F(Blocking, AnswersItsErrorsToo) {
  ask("throw");
  EXPECT_TRUE(eventually([&] { return answers() == 1; }));
  EXPECT_EQ(error(), "DemoError: on a worker");
}

TEST_F(Blocking, TheLoopGoesOnAndADrainWaits) {
  ask("wait", {5});
  EXPECT_TRUE(eventually([&] { return started_ == 1; }));
  EXPECT_EQ(host_->holding(), 1u);
  open_ = true;
  EXPECT_TRUE(eventually([&] { return answers() == 1; }));
  EXPECT_TRUE(value() == Value(5));
  EXPECT_EQ(host_->holding(), 0u);
}

TEST_F(Blocking, AsManyRunAtOnceAsThereAreWorkers) {
  begin({{"workers", "3"}});
  for (int i = 0; i < 5; ++i) ask("wait", {i});
  EXPECT_TRUE(eventually([&] { return started_ == 3; }));
  host_->run_for(20ms);
  EXPECT_EQ(started_, 3);
  open_ = true;
  EXPECT_TRUE(eventually([&] { return answers() == 5; }));
}

TEST_F(Blocking, TheQueueIsBounded) {
  begin({{"worker_queue", "2"}});
  ask("wait", {0});
  EXPECT_TRUE(eventually([&] { return started_ == 1; }));
  ask("wait", {1});
  ask("wait", {2});
  ask("wait", {3});
  EXPECT_EQ(error(), "Overloaded: too many calls wait for a worker thread");
  open_ = true;
  EXPECT_TRUE(eventually([&] { return answers() == 3; }));
}

TEST_F(Blocking, CallsThatIdleWorkersAreAboutToTakeDoNotWait) {
  begin({{"workers", "4"}, {"worker_queue", "1"}});
  for (int i = 0; i < 5; ++i) ask("wait", {i});
  EXPECT_TRUE(eventually([&] { return started_ == 4; }));
  EXPECT_EQ(answers(), 0u) << "four run, one waits";
  ask("wait", {5});
  EXPECT_EQ(error(), "Overloaded: too many calls wait for a worker thread");
  open_ = true;
  EXPECT_TRUE(eventually([&] { return answers() == 5; }));
}

TEST_F(Blocking, OtherFunctionsAnswerAtOnceWhileAllWorkersAreBusy) {
  begin({{"workers", "2"}, {"worker_queue", "3"}});
  for (int i = 0; i < 5; ++i) ask("wait", {i});
  EXPECT_TRUE(eventually([&] { return started_ == 2; }));
  ask("wait", {5});
  EXPECT_EQ(error(), "Overloaded: too many calls wait for a worker thread");
  ask("now", {7});
  EXPECT_TRUE(value() == Value(7)) << "it does not wait, so it needs no worker";
  EXPECT_EQ(started_, 2);
  open_ = true;
  EXPECT_TRUE(eventually([&] { return answers() == 5; })) << "those that were taken are all answered";
}

TEST_F(Blocking, WorkersAreBounded) {
  EXPECT_THROW(begin({{"workers", "0"}}), Error);
  EXPECT_THROW(begin({{"workers", "1001"}}), Error);
  EXPECT_THROW(begin({{"worker_queue", "0"}}), Error);
}

TEST_F(Blocking, ACancelledCallIsNotBegunOrSeesIt) {
  const auto running = ask("wait", {0});
  EXPECT_TRUE(eventually([&] { return started_ == 1; }));
  const auto waiting = ask("wait", {1});
  host_->give_up(waiting);
  EXPECT_EQ(host_->holding(), 1u);
  host_->give_up(running);
  EXPECT_TRUE(eventually([&] { return host_->holding() == 0; }));
  EXPECT_EQ(started_, 1);
  EXPECT_EQ(seen_cancelled_, 1);
  EXPECT_EQ(answers(), 0u);
}

TEST_F(Blocking, ADeadlineIsAnsweredThoughTheFunctionGoesOn) {
  Message made = request("wait", {0});
  made.envelope().deadline = host_->now() + 1'000'000;
  deliver(std::move(made));
  EXPECT_TRUE(eventually([&] { return started_ == 1; }));
  host_->advance(1ms);
  EXPECT_EQ(error(), "DeadlineExceeded: the function wait did not end in time");
  EXPECT_TRUE(eventually([&] { return host_->holding() == 0; })) << "it saw that it was cancelled";
  EXPECT_EQ(answers(), 0u);
}

TEST_F(Blocking, AStopWaitsForWhatRunsAndAnswersEverybody) {
  ask("wait", {7});
  EXPECT_TRUE(eventually([&] { return started_ == 1; }));
  ask("wait", {8});
  host_->stop();
  ASSERT_EQ(answers(), 2u);
  EXPECT_TRUE(value() == Value(7)) << "it had ended when it was told to";
  EXPECT_EQ(error(), "ShuttingDown: fake stops");
}

}  // namespace
}  // namespace backplane
