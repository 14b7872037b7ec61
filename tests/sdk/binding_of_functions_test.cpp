// How callables are published, and how the arguments of a message become their parameters.
#include "sdk/function_fixture.hpp"

namespace backplane {
namespace {

class BindingOfFunctions : public FunctionTest {};

struct Padding {
  virtual ~Padding() = default;
  std::uint64_t pad = 0xdeadbeef;
};
struct Calculator {
  virtual ~Calculator() = default;
  int base = 100;
  int above(int n) const { return base + n; }
};
struct Demo : Padding, Calculator {
  static constexpr auto kind = "test.demo";
  static constexpr auto says = "Member functions of all sorts.";
  int add(int a, int b) { return a + b; }
  std::string greet(const std::string& name, std::string greeting) const { return greeting + ", " + name; }
  static int twice(int n) { return 2 * n; }
  int quiet() noexcept { return ++calls; }
  void publish(Functions& functions) {
    functions.add("add", &Demo::add, "Adds two integers.", {"a", {"b", 1}})
        .add("above", &Demo::above, "Of a base class.")
        .add("greet", &Demo::greet, "Greets.", {"name", {"greeting", "hello"}})
        .add("twice", &Demo::twice)
        .add("quiet", &Demo::quiet, "", {}, {.max_response_time = std::chrono::seconds(2)})
        .add("closure", [this](int n) { return n + calls; }, "A lambda.", {"n"});
  }
  int calls = 0;
};

class MembersOfDemo : public ::testing::Test {
 protected:
  MembersOfDemo() { demo_.start(); }
  Value call(std::string_view function, Array arguments, Map named = {}) {
    Message request = demo_.request(function, {encode(Value(std::move(arguments)))}, BP_MSGPACK);
    if (!named.empty()) request.append(encode(Value(std::move(named))));
    demo_.deliver(std::move(request));
    if (demo_.replies().size() != 1) return "no answer";
    const auto reply = demo_.take_reply();
    return reply.is_error() ? Value("error " + reply.error_message) : decode(reply.message[0]);
  }
  FakeComponent<Demo> demo_;
};

TEST_F(MembersOfDemo, AreCalledWithPositionalNamedAndDefaultArguments) {
  EXPECT_TRUE(call("add", {1, 2}) == Value(3));
  EXPECT_TRUE(call("add", {1}) == Value(2));
  EXPECT_TRUE(call("add", {}, {{"b", 5}, {"a", 4}}) == Value(9));
  EXPECT_TRUE(call("add", {1}, {{"b", 5}}) == Value(6));
  EXPECT_TRUE(call("greet", {"Ann"}) == Value("hello, Ann"));
  EXPECT_TRUE(call("greet", {}, {{"name", "Ann"}, {"greeting", "bye"}}) == Value("bye, Ann"));
}

TEST_F(MembersOfDemo, MayBeOfABaseFreeNoexceptOrLambdas) {
  EXPECT_TRUE(call("above", {5}) == Value(105)) << "the second base lies elsewhere in the object";
  EXPECT_TRUE(call("twice", {4}) == Value(8));
  EXPECT_TRUE(call("quiet", {}) == Value(1));
  EXPECT_TRUE(call("closure", {4}) == Value(5));
}

TEST_F(MembersOfDemo, ArePublishedWithTypesAndDefaults) {
  ASSERT_EQ(demo_.published().size(), 7u);
  const auto& add = demo_.published()[0];
  EXPECT_EQ(add.name, "add");
  EXPECT_EQ(add.help, "Adds two integers.");
  EXPECT_EQ(add.result, "int");
  ASSERT_EQ(add.parameters.size(), 2u);
  EXPECT_EQ(add.parameters[0].name, "a");
  EXPECT_EQ(add.parameters[0].type, "int");
  EXPECT_FALSE(add.parameters[0].default_json);
  EXPECT_EQ(add.parameters[1].default_json, "1");
  EXPECT_EQ(demo_.published()[1].parameters[0].name, "arg1");
  EXPECT_EQ(add.max_response_time.count(), 0) << "the wire's own";
  EXPECT_EQ(demo_.published()[4].max_response_time, std::chrono::seconds(2));
  EXPECT_EQ(demo_.published()[2].parameters[1].default_json, "\"hello\"");
  EXPECT_EQ(demo_.published()[6].name, "deferred_result") << "the built-in one";
}

TEST_F(MembersOfDemo, AreDescribedWithoutAComponent) {
  std::vector<std::string> names;
  ASSERT_NE(demo_.kind().functions, nullptr);
  EXPECT_EQ(demo_.kind().functions(
                [](void* context, const bp_function* function) {
                  static_cast<std::vector<std::string>*>(context)->emplace_back(function->name);
                },
                &names),
            0);
  EXPECT_EQ(names, (std::vector<std::string>{"add", "above", "greet", "twice", "quiet", "closure"}));
  EXPECT_NE(demo_.kind().properties & BP_FUNCTIONS, 0u);
}

// ---- types ----

TEST_F(BindingOfFunctions, TakesAndGivesEveryType) {
  serve([](Functions& functions) {
    functions.add("bool", [](bool truth) { return !truth; })
        .add("text", [](std::string_view words) { return words; })
        .add("bytes", [](Bytes bytes) { return bytes; })
        .add("list", [](std::vector<int> list) { return list.size(); })
        .add("map", [](const std::map<std::string, double>& map) { return map; })
        .add("tuple", [](std::tuple<int, std::string> pair) { return pair; })
        .add("optional", [](std::optional<int> number) { return number.value_or(-1); })
        .add("any", [](Value any) { return any; })
        .add("nothing", [] {})
        .add("all", [](Arguments all) {
          return Array{Value(all.positional), Value(all.named)};
        });
  });
  const std::vector<std::tuple<std::string, Array, Value>> cases = {
      {"bool", {true}, false},
      {"text", {"abc"}, "abc"},
      {"bytes", {Bytes{"abc"}}, Bytes{"abc"}},
      {"list", {Value(Array{1, 2, 3})}, 3},
      {"map", {Value(Map{{"a", 1}})}, Map{{"a", 1.0}}},
      {"tuple", {Value(Array{1, "x"})}, Array{1, "x"}},
      {"optional", {5}, 5},
      {"optional", {}, -1},
      {"any", {Bytes{"x"}}, Bytes{"x"}},
      {"nothing", {}, nullptr},
      {"all", {1, "x"}, Array{Value(Array{1, "x"}), Value(Map{})}},
  };
  for (const auto& [function, arguments, result] : cases) {
    ask(function, arguments);
    EXPECT_TRUE(value() == result) << function;
  }
}

TEST_F(BindingOfFunctions, TakesFramesAsBytesWhenTheRequestIsRaw) {
  serve([](Functions& functions) {
    functions
        .add("reverse",
             [](Bytes bytes) {
               return Bytes{{bytes.content.rbegin(), bytes.content.rend()}};
             })
        .add("shout", [](std::string words, Bytes more) { return words + more.content + "!"; })
        .add("length", [](Bytes bytes) { return bytes.content.size(); });
  });
  deliver(host_->request("reverse", {"abc"}));
  auto reply = host_->take_reply();
  EXPECT_EQ(reply.message[0], "cba");
  EXPECT_EQ(reply.message.envelope().encoding, BP_RAW);
  deliver(host_->request("shout", {"a", "b"}));
  EXPECT_EQ(host_->take_reply().message[0], "ab!");
  deliver(host_->request("length", {"abc"}));
  reply = host_->take_reply();
  EXPECT_EQ(reply.message.envelope().encoding, BP_MSGPACK) << "a number has no raw form";
  EXPECT_TRUE(decode(reply.message[0]) == Value(3));
}

TEST_F(BindingOfFunctions, AcceptsARequestWithoutFramesAsOneWithoutArguments) {
  serve([](Functions& functions) { functions.add("one", [] { return 1; }); });
  deliver(host_->request("one", {}, BP_MSGPACK));
  EXPECT_TRUE(value() == Value(1));
}

TEST_F(BindingOfFunctions, CarriesALargeResultUnchanged) {
  serve([](Functions& functions) {
    functions.add("big", [](int n) { return Bytes{std::string(static_cast<std::size_t>(n), 'x')}; });
  });
  ask("big", {5'000'000});
  EXPECT_TRUE(value() == Value(Bytes{std::string(5'000'000, 'x')}));
}

// ---- arguments that do not fit ----

TEST_F(BindingOfFunctions, RefusesArgumentsNamingParameterExpectedAndGot) {
  serve([](Functions& functions) {
    functions.add("add", [](int a, std::uint8_t b) { return a + b; }, "", {"a", "b"});
    functions.add("sum", [](std::vector<int> all) { return all.size(); }, "", {"all"});
  });
  const std::vector<std::tuple<std::string, Array, Map, std::string>> cases = {
      {"add", {1, "x"}, {}, R"(add: parameter "b": expected int, got text "x")"},
      {"add", {1, 300}, {}, R"(add: parameter "b": expected int from 0 to 255, got int 300)"},
      {"add", {1.5, 1}, {}, R"(add: parameter "a": expected int, got double 1.5)"},
      {"add", {1}, {}, R"(add: parameter "b": expected int, got nothing)"},
      {"add", {1, 2, 3}, {}, R"(add: takes 2 arguments (a, b), got 3)"},
      {"add", {1}, {{"c", 2}}, R"(add: has no parameter "c"; it has: a, b)"},
      {"add", {1}, {{"a", 2}}, R"(add: parameter "a" is given twice)"},
      {"sum", {Value(Array{1, nullptr})}, {}, R"(sum: parameter "all": item 1: expected int, got nil)"},
  };
  for (const auto& [function, arguments, named, says] : cases) {
    Message made = request(function, arguments);
    if (!named.empty()) made.append(encode(Value(named)));
    deliver(std::move(made));
    EXPECT_EQ(error(), "InvalidCallArguments: " + says);
  }
  EXPECT_EQ(host_->metric("call_failures"), static_cast<int>(cases.size()));
}

TEST_F(BindingOfFunctions, RefusesBytesThatAreNotArguments) {
  serve([](Functions& functions) { functions.add("f", [](Value any) { return any; }, "", {"any"}); });
  for (const auto& frame :
       {std::string("\xc1"), std::string("\xdd\xff\xff\xff\xff"), encode(Value(5)), std::string()}) {
    EXPECT_EQ(host_->deliver(host_->request("f", {frame}, BP_MSGPACK)), BP_MALFORMED);
    EXPECT_EQ(host_->take_reply().error_type, "Malformed");
  }
  Message two = request("f", {1});
  two.append(encode(Array{}));
  EXPECT_EQ(host_->deliver(std::move(two)), BP_MALFORMED);
}

TEST_F(BindingOfFunctions, RefusesAMessageThatCallsNothing) {
  serve([](Functions& functions) { functions.add("f", [] {}); });
  EXPECT_EQ(host_->deliver(host_->message({"x"})), BP_MALFORMED);
  ask("g");
  EXPECT_EQ(error(), "NameError: g");
}

TEST_F(BindingOfFunctions, RefusesArgumentsNestedWithoutEnd) {
  serve([](Functions& functions) { functions.add("f", [](Value any) { return any; }, "", {"any"}); });
  EXPECT_EQ(host_->deliver(host_->request("f", {std::string(100'000, '\x91')}, BP_MSGPACK)), BP_MALFORMED);
}

// ---- functions that do not fit ----

TEST_F(BindingOfFunctions, RefusesAComponentWhoseFunctionsDoNotFit) {
  const auto refusal = [&](std::function<void(Functions&)> script) {
    try {
      serve(std::move(script));
    } catch (const Error& failure) {
      return std::string(failure.what());
    }
    return std::string("accepted");
  };
  using F = Functions;
  EXPECT_EQ(refusal([](F& f) { f.add("f", [] {}).add("f", [] {}); }), "function \"f\": is published twice");
  EXPECT_EQ(refusal([](F& f) { f.add("", [] {}); }), "function \"\": a function needs a name");
  EXPECT_EQ(refusal([](F& f) {
              f.add("f", [](int) {}, "", {"a", "b"});
            }),
            "function \"f\": takes 1 parameters, 2 are named");
  EXPECT_EQ(refusal([](F& f) {
              f.add("f", [](int, int) {}, "", {"a", "a"});
            }),
            "function \"f\": two parameters are called \"a\"");
  EXPECT_EQ(refusal([](F& f) {
              f.add("f", [](int) {}, "", {{"a", "x"}});
            }),
            "function \"f\": the default of \"a\": expected int, got text \"x\"");
  EXPECT_EQ(refusal([](F& f) {
              f.add("f", [](int, int) {}, "", {{"a", 1}, "b"});
            }),
            "function \"f\": \"b\" follows a parameter with a default and has none");
  EXPECT_EQ(refusal([](F& f) { f.add("f", [] {}, "", {}, {.manner = Manner::stream}); }),
            "function \"f\": the manner stream needs a callable that returns a Stream");
  EXPECT_EQ(refusal([](F& f) { f.add("f", []() -> Task<> { co_return; }, "", {}, {.blocking = true}); }),
            "function \"f\": only a plain function can be blocking: coroutines and kept calls wait without a "
            "thread");
  EXPECT_EQ(refusal([](F& f) { f.add("f", [] {}, "", {}, {.manner = Manner::immediate, .blocking = true}); }),
            "function \"f\": an immediate function cannot be blocking");
  EXPECT_EQ(refusal([](F& f) { f.add("f", &Demo::add); }),
            "f: a member function of a class that the component is not");
}

// ---- errors ----

struct Custom : std::logic_error {
  using std::logic_error::logic_error;
};

TEST_F(BindingOfFunctions, TurnsEveryExceptionIntoAnError) {
  serve([](Functions& functions) {
    functions.add("typed", [] { throw Error("DemoError", "my text"); })
        .add("runtime", [] { throw std::runtime_error("oops"); })
        .add("custom", [] { throw Custom("mine"); })
        .add("number", [] { throw 42; })
        .add("memory", []() -> Bytes { throw std::bad_alloc(); })
        .add("huge", [] { return std::vector<int>(std::vector<int>().max_size() + 1); });
  });
  ask("typed");
  const auto typed = host_->take_reply();
  EXPECT_EQ(typed.error_type, "DemoError");
  EXPECT_EQ(typed.error_message, "my text");
  EXPECT_EQ(typed.traceback, "in fake.typed\nDemoError: my text") << "its last line is the error";
  ask("runtime");
  EXPECT_EQ(error(), "std::runtime_error: oops");
  ask("custom");
  EXPECT_NE(error().find("Custom: mine"), std::string::npos);
  ask("number");
  EXPECT_EQ(error(), "int: something that is not a std::exception was thrown");
  ask("memory");
  EXPECT_EQ(error(), "std::bad_alloc: std::bad_alloc");
  ask("huge");
  EXPECT_EQ(error().substr(0, 18), "std::length_error:");
  EXPECT_EQ(host_->metric("calls"), 6);
  EXPECT_EQ(host_->metric("call_failures"), 6);
  EXPECT_EQ(host_->holding(), 0u);
}

Value nested(int depth) {
  Value value = 1;
  for (int i = 0; i < depth; ++i) {
    Array outer;
    outer.push_back(std::move(value));
    value = std::move(outer);
  }
  return value;
}

TEST_F(BindingOfFunctions, AnErrorMayHaveAttributes) {
  serve([](Functions& functions) {
    functions.add("detailed", [] {
      throw DetailedError("DiskFull", "no room", {{"path", "/data"}, {"free", 17}, {"raw", Bytes{"\xff"}}});
    });
    functions.add("plain", [] { throw Error("DiskFull", "no room"); });
    functions.add("bare", [] { throw DetailedError("DiskFull", "no room", {}); });
  });
  ask("detailed");
  const auto reply = host_->take_reply();
  EXPECT_EQ(reply.error_type, "DiskFull");
  EXPECT_EQ(reply.error_message, "no room");
  EXPECT_EQ(reply.traceback, "in fake.detailed\nDiskFull: no room");
  EXPECT_TRUE(reply.attributes == (Map{{"path", "/data"}, {"free", 17}, {"raw", Bytes{"\xff"}}}));
  ask("plain");
  EXPECT_TRUE(host_->take_reply().attributes.empty());
  ask("bare");
  EXPECT_EQ(error(), "DiskFull: no room");
}

TEST_F(BindingOfFunctions, AttributesThatCannotBeEncodedAreLeftOutAndTheErrorIsTold) {
  serve([](Functions& functions) {
    functions.add("deep", [] { throw DetailedError("DemoError", "no", {{"deep", nested(600)}}); });
  });
  ask("deep");
  const auto reply = host_->take_reply();
  EXPECT_EQ(reply.error_type, "DemoError");
  EXPECT_TRUE(reply.attributes.empty());
  EXPECT_EQ(reply.traceback,
            "in fake.deep\nattributes left out: a value is nested deeper than 512\nDemoError: no");
}

TEST_F(BindingOfFunctions, AResultThatCannotBeEncodedIsAnError) {
  serve([](Functions& functions) { functions.add("deep", [] { return nested(600); }); });
  ask("deep");
  EXPECT_EQ(error(), "ValueError: a value is nested deeper than 512");
}

}  // namespace
}  // namespace backplane
