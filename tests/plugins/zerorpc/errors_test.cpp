// What clients are told of a failure: every row of the tables, and forms that each client can read.
#include "zerorpc/errors.hpp"

#include <backplane/host.hpp>
#include <backplane/rpc/event.hpp>

#include <gmock/gmock.h>

namespace backplane::zerorpc {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

std::string remote(const std::string& type, const std::string& message = "why") {
  const auto error = remote_error({type, message});
  return error.name + ": " + error.message;
}

// The exception in an encoded result map.
Value exception_in(const std::string& encoded) {
  EXPECT_EQ(rpc::why_unreadable(encoded), nullptr) << "clients throw away what they cannot read";
  const auto result = decode(encoded);
  EXPECT_EQ(*result.find("code"), Value("error"));
  return *result.find("exception");
}
// The class and the message that a client of infi.rpc raises.
std::string raised(const Failure& failure, const ErrorClasses& classes = {}) {
  const auto exception = exception_in(error_result(failure, classes));
  EXPECT_EQ(*exception.find("args"), Value(Array{*exception.find("message")}));
  const std::string front = "{\"py/object\": \"";
  const auto pickled = *exception.find("pickled")->get_if<std::string>();
  EXPECT_TRUE(pickled.starts_with(front) && pickled.ends_with("\"}")) << pickled;
  return pickled.substr(front.size(), pickled.size() - front.size() - 2) + ": " +
         *exception.find("message")->get_if<std::string>();
}

// ---- ZeroRPC ----------------------------------------------------------------------------------------

TEST(RemoteErrors, OfTheHostHaveTheNamesThatClientsTestFor) {
  EXPECT_EQ(remote("NameError", "method"), "NameError: method");
  EXPECT_EQ(remote("UnknownFunction"), "NameError: why");
  EXPECT_EQ(remote("InvalidCallArguments"), "TypeError: why");
  EXPECT_EQ(remote("Malformed"), "TypeError: why");
  EXPECT_EQ(remote("KeyError"), "KeyError: why");
  EXPECT_EQ(remote("Overloaded"), "RuntimeError: why");
  EXPECT_EQ(remote("NoRoute"), "RuntimeError: why");
  EXPECT_EQ(remote("Expired"), "RuntimeError: why");
  EXPECT_EQ(remote("Failed"), "RuntimeError: why");
  EXPECT_EQ(remote("Unanswered"), "RuntimeError: why");
  EXPECT_EQ(remote("ShuttingDown"), "ShuttingDown: why");
  EXPECT_EQ(remote("Stopped"), "ShuttingDown: why");
  EXPECT_EQ(remote("DeadlineExceeded"), "TimeoutExpired: why");
  EXPECT_EQ(remote("TimeoutExpired"), "TimeoutExpired: why");
}

TEST(RemoteErrors, OfAFunctionKeepTheirNames) {
  EXPECT_EQ(remote("DemoError"), "DemoError: why");
  EXPECT_EQ(remote("package.Error_2"), "package.Error_2: why");
  EXPECT_EQ(remote("OverflowError"), "OverflowError: why");
}

TEST(RemoteErrors, ATypeOfCppIsARuntimeError) {
  EXPECT_EQ(remote("std::runtime_error"), "RuntimeError: why");
  EXPECT_EQ(remote("std::vector<int, std::allocator<int> >"), "RuntimeError: why");
  EXPECT_EQ(remote("unknown"), "RuntimeError: why");
  EXPECT_EQ(remote(""), "RuntimeError: why");
}

TEST(RemoteErrors, HaveThreePartsAndNoTraceback) {
  EXPECT_EQ(to_json(decode(rpc::error_args("DemoError", "why", 3))), R"(["DemoError","why",null])");
  EXPECT_EQ(to_json(decode(rpc::error_args("DemoError", "why", 1))), R"x(["DemoError('why')"])x");
}

// ---- infi.rpc ---------------------------------------------------------------------------------------

TEST(InfiErrors, OfItsOwnModuleAreWhatTheySay) {
  for (const auto* name :
       {"RPCException", "RPCUserException", "RPCFrameworkException", "RPCTransportException",
        "TimeoutExpired", "InternalServerError", "InvalidReturnValue", "InvalidRPCMethod",
        "InvalidCallArguments", "InvalidAsyncToken", "RequestAbortedError"})
    EXPECT_EQ(raised({name, "why"}), "infi.rpc.errors."s + name + ": why");
}

TEST(InfiErrors, OfTheHostHaveTheClassesThatClientsTestFor) {
  EXPECT_EQ(raised({"NameError", "method"}), "infi.rpc.errors.InvalidRPCMethod: method");
  EXPECT_EQ(raised({"UnknownFunction", "why"}), "infi.rpc.errors.InvalidRPCMethod: why");
  EXPECT_EQ(raised({"Malformed", "why"}), "infi.rpc.errors.InvalidCallArguments: why");
  for (const auto* name : {"Overloaded", "NoRoute", "Expired", "Stopped", "ShuttingDown"})
    EXPECT_EQ(raised({name, "why"}), "infi.rpc.errors.RPCFrameworkException: why") << name;
  EXPECT_EQ(raised({"DeadlineExceeded", "why"}), "infi.rpc.errors.TimeoutExpired: why");
}

TEST(InfiErrors, AnythingElseIsAnInternalErrorThatSaysWhatItSaid) {
  EXPECT_EQ(raised({"ValueError", "bad"}),
            "infi.rpc.errors.InternalServerError: type=<class 'ValueError'>, value=ValueError('bad')");
  EXPECT_EQ(raised({"std::runtime_error", "it's \\ bad"}),
            "infi.rpc.errors.InternalServerError: type=<class 'RuntimeError'>, value=RuntimeError('it\\'s "
            "\\\\ bad')");
}

TEST(InfiErrors, OfTheServiceHaveTheClassThatIsConfigured) {
  const ErrorClasses classes({"Busy=package.errors.Busy", "TimeoutExpired=package.TooLate"});
  EXPECT_EQ(raised({"Busy", "why"}, classes), "package.errors.Busy: why");
  EXPECT_EQ(raised({"TimeoutExpired", "why"}, classes), "package.TooLate: why");
  EXPECT_THAT(raised({"busy", "why"}, classes), HasSubstr("InternalServerError"));
}

TEST(InfiErrors, AClassThatIsNoneIsRefused) {
  for (const auto* line :
       {"Busy", "=package.Busy", "Busy=", "Busy=Busy", "Busy=package.\"Busy", "Busy=a b.C"})
    EXPECT_THROW(ErrorClasses({line}), Error) << line;
  EXPECT_EQ(ErrorClasses({"a::b=package.C"}).find("a::b"), "package.C");
}

TEST(InfiErrors, WhatIsPickledNamesAClassAndNothingElse) {
  const auto exception = exception_in(error_result(Failure{"Error\"}, {\"py/reduce\": [", "why"}));
  EXPECT_EQ(*exception.find("pickled"), Value(R"({"py/object": "infi.rpc.errors.InternalServerError"})"));
}

TEST(InfiErrors, AttributesAreAttributesOfTheException) {
  const auto exception = exception_in(
      error_result(Failure{"RPCUserException", "why", {{"code", 7}, {"where", Array{"a", Bytes{"b"}}}}}));
  EXPECT_EQ(*exception.find("code"), Value(7));
  EXPECT_EQ(*exception.find("where"), Value(Array{"a", Bytes{"b"}}));
}

TEST(InfiErrors, AttributesCannotReplaceWhatTheExceptionIs) {
  const auto exception = exception_in(error_result(
      Failure{"RPCUserException", "why", {{"pickled", "x"}, {"message", "x"}, {"args", "x"}, {7, "x"}}}));
  EXPECT_EQ(exception.get_if<Map>()->size(), 3u);
  EXPECT_EQ(*exception.find("message"), Value("why"));
}

TEST(InfiErrors, AttributesThatClientsCannotReadAreLeftOut) {
  const auto exception = exception_in(error_result(
      Failure{"RPCUserException", "why", {{"a", Map{{1, 2}}}, {"b", Value("\xff")}, {"c", "kept"}}}));
  EXPECT_EQ(exception.find("a"), nullptr);
  EXPECT_EQ(exception.find("b"), nullptr);
  EXPECT_EQ(*exception.find("c"), Value("kept"));
}

TEST(InfiErrors, ManyAttributesAreTold) {
  Map attributes;
  for (int i = 0; i < 70'000; ++i) attributes.push_back({"a" + std::to_string(i), i});
  const auto exception =
      exception_in(error_result(Failure{"RPCUserException", "why", std::move(attributes)}));
  EXPECT_EQ(exception.get_if<Map>()->size(), 70'003u);
}

// ---- texts and values that peers cannot read --------------------------------------------------------

TEST(Errors, TextsThatAreNotUtf8AreMended) {
  EXPECT_EQ(decode(rpc::error_args("E", "a\xff z", 3)), Value(Array{"E", "a\xef\xbf\xbd z", nullptr}));
  EXPECT_EQ(raised({"RPCUserException", "a\xff z"}), "infi.rpc.errors.RPCUserException: a\xef\xbf\xbd z");
}

TEST(Results, AreMapsWithACode) {
  EXPECT_EQ(to_json(decode(success_result(encode(Value(Array{1, "x"}))))),
            R"({"code":"success","result":[1,"x"]})");
  EXPECT_EQ(to_json(decode(deferred_result("token"))), R"({"code":"deferred","result":"token"})");
}

TEST(Results, ThatClientsCannotReadAreErrors) {
  for (const auto& value : {Value("\xff"), Value(Map{{1, 2}}), Value(Array{Map{{nullptr, 1}}})}) {
    const auto result = decode(success_result(encode(value)));
    EXPECT_THAT(to_json(result), HasSubstr("infi.rpc.errors.InvalidReturnValue"));
    EXPECT_THAT(to_json(result), HasSubstr("the result cannot be sent: "));
  }
  EXPECT_THAT(to_json(decode(success_result(""))), HasSubstr("InvalidReturnValue"));
}

TEST(Results, ThatAreNestedTooDeeplyAreErrors) {
  const auto nested = [](std::size_t depth) { return std::string(depth - 1, '\x91') + '\x90'; };
  EXPECT_TRUE(success_result(nested(500))
                  .starts_with("\x82\xa4"
                               "code\xa7success"));
  EXPECT_THAT(success_result(nested(600)), HasSubstr("InvalidReturnValue"));
}

}  // namespace
}  // namespace backplane::zerorpc
