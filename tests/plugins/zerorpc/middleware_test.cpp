// Functions of other components that look at each call: which are called, in which order, and what an error
// of one of them does.
#include "zerorpc/middleware.hpp"

#include <backplane/testing/fake_host.hpp>

#include <gmock/gmock.h>

#include "plugins/zerorpc/no_service.hpp"

namespace backplane::zerorpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class MiddlewareTest : public testing::Test {
 protected:
  MiddlewareTest() {
    host_.offer_functions({offered("trace", "get_task_context"), offered("trace", "load_task_context"),
                           offered("rights", "server_before_exec"), offered("audit", "server_before_exec"),
                           offered("audit", "server_after_exec"), offered("other", "unrelated")});
  }
  static PublishedFunction offered(const char* component, const char* name) {
    PublishedFunction function;
    function.component = component;
    function.name = name;
    return function;
  }
  void use(std::vector<std::string> components) {
    middleware_.emplace(host_.host(), std::move(components));
    middleware_->start();
  }
  void run(Hook hook, const Value& event = Map{{"method", "m"}}) {
    middleware_->run(hook, event, [this](const std::optional<Failure>& failure, std::vector<Value> results) {
      ++done_;
      failure_ = failure ? failure->type + ": " + failure->message : "none";
      results_ = std::move(results);
    });
  }
  std::vector<std::string> asked() {
    std::vector<std::string> all;
    for (const auto& call : host_.calls()) all.push_back(call.target);
    return all;
  }
  // The oldest call that waits ends so.
  void answer(const Value& value) { end(encode(value), BP_MSGPACK, 0); }
  void end(const std::string& frame, std::uint32_t encoding, std::uint32_t flags) {
    Message outcome = host_.message({frame});
    outcome.envelope().encoding = encoding;
    outcome.envelope().cookie = host_.calls().front().message.envelope().cookie;
    outcome.envelope().flags = BP_REPLY | flags;
    host_.calls().erase(host_.calls().begin());
    middleware_->take_outcome(outcome);
  }
  void fail(std::string_view type, std::string_view message) {
    Message outcome = host_.message({type, message, ""});
    outcome.envelope().cookie = host_.calls().front().message.envelope().cookie;
    outcome.envelope().flags = BP_REPLY | BP_ERROR;
    host_.calls().erase(host_.calls().begin());
    middleware_->take_outcome(outcome);
  }

  FakeComponent<NoService> host_;
  std::optional<Middleware> middleware_;
  int done_ = 0;
  std::string failure_;
  std::vector<Value> results_;
};

TEST_F(MiddlewareTest, WithoutComponentsThereIsNone) {
  use({});
  EXPECT_FALSE(middleware_->any());
  EXPECT_FALSE(middleware_->has(Hook::server_before_exec));
}

TEST_F(MiddlewareTest, AComponentTakesPartWhereItHasAFunction) {
  use({"trace", "audit"});
  EXPECT_TRUE(middleware_->any());
  EXPECT_TRUE(middleware_->has(Hook::get_task_context));
  EXPECT_TRUE(middleware_->has(Hook::server_after_exec));
  EXPECT_FALSE(middleware_->has(Hook::server_inspect_exception));
}

TEST_F(MiddlewareTest, AComponentWithoutAnyIsRefused) {
  try {
    use({"trace", "other"});
    ADD_FAILURE() << "it was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.type(), "BadOption");
    EXPECT_THAT(error.what(), HasSubstr("component other publishes none of the functions"));
  }
}

TEST_F(MiddlewareTest, AllAreCalledOneAfterTheOtherInTheOrderOfTheManifest) {
  use({"rights", "audit"});
  run(Hook::server_before_exec, Map{{"method", "add"}});
  EXPECT_THAT(asked(), ElementsAre("rights.server_before_exec"));
  EXPECT_EQ(decode(host_.calls()[0].message[0]), Value(Array{Map{{"method", "add"}}}));
  EXPECT_TRUE(host_.calls()[0].message.has(BP_REQUEST));
  answer(1);
  EXPECT_THAT(asked(), ElementsAre("audit.server_before_exec"));
  EXPECT_EQ(done_, 0);
  answer("two");
  EXPECT_EQ(done_, 1);
  EXPECT_EQ(failure_, "none");
  EXPECT_THAT(results_, ElementsAre(Value(1), Value("two")));
}

TEST_F(MiddlewareTest, TheFirstErrorEndsIt) {
  use({"rights", "audit"});
  run(Hook::server_before_exec);
  fail("Forbidden", "not you");
  EXPECT_EQ(failure_, "Forbidden: not you");
  EXPECT_THAT(asked(), IsEmpty()) << "the next one is not called";
  EXPECT_EQ(done_, 1);
}

TEST_F(MiddlewareTest, AResultThatCannotBeReadIsAnError) {
  use({"trace"});
  run(Hook::get_task_context);
  end("\xc1", BP_MSGPACK, 0);
  EXPECT_THAT(failure_, HasSubstr("TypeError: "));
}

TEST_F(MiddlewareTest, WhatItCannotBeToldOfIsAnErrorAtOnce) {
  use({"rights"});
  Value deep = Array{};
  for (int i = 1; i < 511; ++i) {
    Array around;
    around.push_back(std::move(deep));
    deep = std::move(around);
  }
  run(Hook::server_before_exec, Map{{"args", deep}});
  EXPECT_EQ(done_, 1);
  EXPECT_THAT(failure_, HasSubstr("TypeError: a middleware cannot be told of the call: "));
  EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(MiddlewareTest, APointWithoutFunctionsIsPassedAtOnce) {
  use({"trace"});
  run(Hook::server_after_exec);
  EXPECT_EQ(done_, 1);
  EXPECT_EQ(failure_, "none");
}

TEST_F(MiddlewareTest, ManyRunsAtOnceDoNotMix) {
  use({"trace"});
  std::vector<int> ended;
  for (int i = 0; i < 3; ++i)
    middleware_->run(Hook::get_task_context, Map{{"n", i}},
                     [&, i](const std::optional<Failure>&, const std::vector<Value>& results) {
                       EXPECT_EQ(results.at(0), Value(i));
                       ended.push_back(i);
                     });
  for (int i = 0; i < 3; ++i) answer(i);
  EXPECT_THAT(ended, ElementsAre(0, 1, 2));
}

TEST_F(MiddlewareTest, ASecondOutcomeIsIgnored) {
  use({"trace"});
  run(Hook::get_task_context);
  Message again = host_.message({encode(Value(2))});
  again.envelope().cookie = host_.calls().front().message.envelope().cookie;
  again.envelope().encoding = BP_MSGPACK;
  answer(1);
  middleware_->take_outcome(again);
  EXPECT_EQ(done_, 1);
  EXPECT_THAT(results_, ElementsAre(Value(1)));
}

}  // namespace
}  // namespace backplane::zerorpc
