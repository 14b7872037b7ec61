// What a service offers under which names, and what it tells about it: the shapes that ZeroRPC's command line
// tool and infi.rpc's clients expect.
#include "zerorpc/offered.hpp"

#include <gmock/gmock.h>

namespace backplane::zerorpc {
namespace {

using testing::ElementsAre;

PublishedFunction function(std::string component, std::string name) {
  PublishedFunction made;
  made.component = std::move(component);
  made.name = std::move(name);
  return made;
}

// add(a, b=1), documented.
PublishedFunction add(const std::string& component = "math") {
  auto made = function(component, "add");
  made.help = "Adds two numbers.";
  made.parameters = {{"a", "int"}, {"b", "int", "1"}};
  return made;
}

// One that takes whatever comes.
PublishedFunction anything() {
  auto made = function("math", "anything");
  made.parameters = {{"arguments", "any"}};
  return made;
}

// The target of a method; "none": it is not offered.
std::string target(const Offered& offered, std::string_view method) {
  const auto* found = offered.find(method);
  return found == nullptr ? "none" : found->target;
}

// ---- names ------------------------------------------------------------------------------------------

TEST(Offered, FunctionsOfTheComponentsThatAreNamed) {
  const Offered offered({function("one", "a"), function("two", "b"), function("three", "c")},
                        {"one", "three"});
  EXPECT_THAT(offered.names(), ElementsAre("a", "c"));
  EXPECT_EQ(target(offered, "c"), "three.c");
  EXPECT_EQ(target(offered, "b"), "none");
  EXPECT_EQ(target(offered, "two.b"), "none");
  EXPECT_TRUE(offered.has_component("one"));
  EXPECT_FALSE(offered.has_component("two"));
}

TEST(Offered, OfAllComponentsWhenNoneIsNamed) {
  const Offered offered({function("one", "b"), function("two", "a")}, {});
  EXPECT_THAT(offered.names(), ElementsAre("a", "b"));
}

TEST(Offered, FunctionsThatEndAServiceOnlyWhenItIsNamed) {
  auto unbind = function("rpc", "unbind");
  unbind.group = control_group;
  const std::vector<PublishedFunction> all = {unbind, function("valve", "unbind")};
  const Offered everything(all, {});
  EXPECT_EQ(target(everything, "unbind"), "valve.unbind") << "it does not share its name with one left out";
  EXPECT_EQ(target(everything, "rpc.unbind"), "none");
  EXPECT_EQ(target(Offered(all, {"rpc"}), "unbind"), "rpc.unbind");
}

TEST(Offered, EveryFunctionHasItsFullNameToo) {
  const Offered offered({function("one", "a")}, {});
  EXPECT_EQ(target(offered, "one.a"), "one.a");
  EXPECT_EQ(target(offered, "a.one"), "none");
  EXPECT_THAT(offered.names(), ElementsAre("a")) << "and is listed once";
}

TEST(Offered, FunctionsOfOneNameAreKnownByTheirFullNamesOnly) {
  const Offered offered({function("one", "a"), function("two", "a"), function("two", "b")}, {});
  EXPECT_THAT(offered.names(), ElementsAre("b", "one.a", "two.a"));
  EXPECT_EQ(target(offered, "a"), "none") << "which of them would be chance";
  EXPECT_EQ(target(offered, "two.a"), "two.a");
}

TEST(Offered, OnlyComponentsThatAreOfferedMakeANameAmbiguous) {
  const Offered offered({function("one", "a"), function("two", "a")}, {"two"});
  EXPECT_EQ(target(offered, "a"), "two.a");
}

TEST(Offered, NamesMayHoldDots) {
  const Offered offered({function("a.b", "c.d")}, {});
  EXPECT_EQ(target(offered, "c.d"), "a.b.c.d");
  EXPECT_EQ(target(offered, "a.b.c.d"), "a.b.c.d");
}

TEST(Offered, WhatIsPrivateIsNot) {
  const Offered offered({function("one", "_a"), function("one", "deferred_result"), function("one", "a_")},
                        {});
  EXPECT_THAT(offered.names(), ElementsAre("a_"));
  EXPECT_EQ(target(offered, "one._a"), "none");
  EXPECT_EQ(target(offered, "one.deferred_result"), "none");
}

TEST(Offered, NothingIsNothing) {
  EXPECT_EQ(target(Offered(), "a"), "none");
  EXPECT_EQ(to_json(Offered().inspect("empty")), R"({"name":"empty","methods":{}})");
}

// ---- what ZeroRPC is told ---------------------------------------------------------------------------

TEST(Introspection, HelpIsTheTextOrNil) {
  const Offered offered({add(), anything()}, {});
  EXPECT_EQ(Offered::help(*offered.find("add")), Value("Adds two numbers."));
  EXPECT_EQ(Offered::help(*offered.find("anything")), Value());
}

TEST(Introspection, ArgumentsAreNamesRestKeywordsDefaults) {
  const Offered offered({add(), anything(), function("math", "none")}, {});
  EXPECT_EQ(to_json(Offered::arguments(*offered.find("add"))), R"([["a","b"],null,null,[1]])");
  EXPECT_EQ(to_json(Offered::arguments(*offered.find("anything"))), R"([[],"args","kwargs",null])");
  EXPECT_EQ(to_json(Offered::arguments(*offered.find("none"))), R"([[],null,null,null])");
}

TEST(Introspection, InspectHasBothKeysForEveryMethod) {
  const Offered offered({add(), anything()}, {});
  EXPECT_EQ(to_json(offered.inspect("service")),
            R"({"name":"service","methods":{)"
            R"("add":{"args":[{"name":"a"},{"name":"b","default":1}],"doc":"Adds two numbers."},)"
            R"("anything":{"args":[],"doc":null}}})");
}

TEST(Introspection, DefaultsOfEveryKindComeThrough) {
  auto made = function("math", "f");
  made.parameters = {{"a", "any", "null"}, {"b", "any", R"("text")"}, {"c", "any", "[1.5,{\"k\":true}]"}};
  const Offered offered({made}, {});
  EXPECT_EQ(to_json(Offered::arguments(*offered.find("f"))),
            R"([["a","b","c"],null,null,[null,"text",[1.5,{"k":true}]]])");
}

TEST(Introspection, AmbiguousOnesAreToldByTheirFullNames) {
  const Offered offered({add("one"), add("two")}, {});
  const auto told = offered.inspect("service");
  EXPECT_NE(told.find("methods")->find("one.add"), nullptr);
  EXPECT_NE(told.find("methods")->find("two.add"), nullptr);
  EXPECT_EQ(told.find("methods")->find("add"), nullptr);
}

// ---- what infi.rpc is told --------------------------------------------------------------------------

TEST(Introspection, ArgumentSpecificationsHaveSevenFieldsAndSelfFirst) {
  const Offered offered({add(), anything()}, {});
  EXPECT_EQ(to_json(Offered::argument_specification(*offered.find("add"))),
            R"([["self","a","b"],null,null,[1],[],null,{}])");
  EXPECT_EQ(to_json(Offered::argument_specification(*offered.find("anything"))),
            R"([["self"],"args","kwargs",null,[],null,{}])");
}

}  // namespace
}  // namespace backplane::zerorpc
