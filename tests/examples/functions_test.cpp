// What docs/functions.md and docs/protocols/zerorpc.md say of the example in examples/functions, with the
// real program: every wire's way to the same functions, and services that end in different ways.
#include <nlohmann/json.hpp>

#include "manifests/manifest_test.hpp"
#include "support/palm_client.hpp"
#include "support/rpc_client.hpp"
#include "support/tcp_peer.hpp"

namespace backplane::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::filesystem::path example(const std::string& name) {
  return std::filesystem::path(BACKPLANE_SOURCE_DIR) / "examples/functions" / name;
}

// The result of infi.rpc as JSON; of an error its class and its text.
std::string told(const Value& result) {
  const auto* exception = result.find("exception");
  if (exception == nullptr) return to_json(*result.find("result"));
  const auto pickled = nlohmann::json::parse(*exception->find("pickled")->get_if<std::string>());
  const std::string path = pickled.at("py/object");
  return path.substr(path.rfind('.') + 1) + ": " + *exception->find("message")->get_if<std::string>();
}

class OvenOnEveryWire : public ManifestTest {
 protected:
  HostProcess& play() {
    return run_with_free_ports(example("oven.yaml").string(), [&] {
      return Environment{{"OVEN_PLUGIN", std::string(TEST_PLUGINS) + "/oven.so"},
                         {"OVEN_KEY", "k"},
                         {"DB", at("DB")},
                         {"PALM_PULL", at("PALM_PULL")},
                         {"PALM_PUB", at("PALM_PUB")},
                         {"ZERORPC", at("ZERORPC")},
                         {"INFI", at("INFI")},
                         {"PULL", at("PULL")},
                         {"HTTP", address("HTTP")}};
    });
  }

  // By ZeroRPC: the result as JSON, or "NAME: text".
  std::string zerorpc(std::string_view method, const Array& arguments = {}, const Map& header = {}) {
    RpcClient client(at("ZERORPC"));
    const auto event = client.answer(client.request(method, arguments, header));
    if (event.name != rpc::event_name::error) return to_json((*event.args.get_if<Array>())[0]);
    const RpcError error(event);
    return error.name + ": " + error.message;
  }
  // By infi.rpc: a result, or "CLASS: text". Tokens are polled for.
  std::string infi(std::string_view method, const Array& arguments = {}, const Map& named = {}) {
    RpcClient client(at("INFI"));
    auto result = client.infi(method, arguments, named);
    while (*result.find("code") == Value("deferred")) {
      const Array token(1, *result.find("result"));
      result = *client.infi("query_async_request", token).find("result");
    }
    return told(result);
  }
  // By HTTP: the status and the body.
  std::string http(const std::string& path, const std::string& body) {
    TcpPeer peer(address("HTTP"));
    peer.send("POST " + path + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
    const auto answer = peer.receive_all().value_or("no answer in time");
    return answer.substr(9, 4) + answer.substr(answer.find("\r\n\r\n") + 4);
  }
  // By PALM: the payload, or the error mark.
  std::string palm(const std::string& function, const std::string& payload) {
    PalmClient client(at("DB"));
    const auto replies = client.job(function, {payload}, 1);
    if (replies.empty()) return "no reply";
    return replies[0].error.value_or(replies[0].payload);
  }
};

TEST_F(OvenOnEveryWire, IsAskedAndAnswers) {
  auto& host = play();
  EXPECT_EQ(infi("set", {}, {{"celsius", 20}, {"speed", 50}}), "0.0");
  EXPECT_EQ(zerorpc("set", {120}), "10.0");
  EXPECT_EQ(infi("any", {1}, {{"b", 2}}), R"({"positional":[1],"named":{"b":2}})");
  EXPECT_EQ(http("/oven/any", R"({"b": 2})"), "200 {\"positional\":[],\"named\":{\"b\":2}}\n");
  EXPECT_EQ(palm("oven.certificate", "Smith"), "Smith-13692345621081471501");
  EXPECT_EQ(zerorpc("about_call", {}, {{"trace_id", "4711"}}), R"({"trace_id":"4711","seconds_left":null})");
  EXPECT_THAT(zerorpc("about_call", {}, {{"timeout_ms", 60'000}}), HasSubstr("\"seconds_left\":5"));
  expect_clean_stop(host);
}

TEST_F(OvenOnEveryWire, ATraceIdTravelsByInfiRpcToo) {
  auto& host = play();
  RpcClient client(at("INFI"));
  const Value meta = Map{{"method", "about_call"}};
  const auto event = client.answer(
      client.request("on_call", Array(1, Value(Array{meta, Array(), Map()})), {{"trace_id", "4711"}}));
  EXPECT_EQ(*event.header.find("trace_id"), Value("4711"));
  EXPECT_EQ(told((*event.args.get_if<Array>())[0]), R"({"trace_id":"4711","seconds_left":null})");
  expect_clean_stop(host);
}

TEST_F(OvenOnEveryWire, AnErrorOfItsOwn) {
  auto& host = play();
  EXPECT_EQ(zerorpc("set", {1000}), "TooHot: the oven is not made for that");
  EXPECT_EQ(infi("set", {1000}), "TooHot: the oven is not made for that") << "clients have a class for it";
  EXPECT_EQ(infi("set", {100, 0}),
            "InternalServerError: type=<class 'ValueError'>, value=ValueError('speed must be above 0')");
  EXPECT_EQ(http("/oven/set", "[1000]"),
            "500 {\"error\":{\"type\":\"TooHot\",\"message\":\"the oven is not made for that\"}}\n");
  RpcClient client(at("INFI"));
  const auto result = client.infi("set", Array{1000});
  EXPECT_EQ(*result.find("exception")->find("hottest"), Value(300.0)) << "attributes travel";
  expect_clean_stop(host);
}

TEST_F(OvenOnEveryWire, ArgumentsThatDoNotFit) {
  auto& host = play();
  EXPECT_EQ(zerorpc("set", {"hot"}),
            "TypeError: set: parameter \"celsius\": expected double, got text \"hot\"");
  EXPECT_EQ(infi("set", {"hot"}),
            "InvalidCallArguments: set: parameter \"celsius\": expected double, got text \"hot\"");
  EXPECT_EQ(http("/oven/set", "[\"hot\"]").substr(0, 4), "400 ");
  EXPECT_THAT(palm("oven.set", "hot"), StartsWith("function_failed: set: InvalidCallArguments: "));
  expect_clean_stop(host);
}

TEST_F(OvenOnEveryWire, NamesThatNobodyHas) {
  auto& host = play();
  EXPECT_EQ(zerorpc("sett"), "NameError: sett");
  EXPECT_EQ(infi("sett"), "InvalidRPCMethod: sett");
  EXPECT_EQ(http("/oven/sett", "[]").substr(0, 4), "404 ");
  EXPECT_THAT(palm("oven.sett", ""), StartsWith("unknown_function: "));
  expect_clean_stop(host);
}

TEST_F(OvenOnEveryWire, AFunctionOfEachManner) {
  auto& host = play();
  const auto program = Array(1, Value(Array(1, Value(Array{20, 0.01}))));
  EXPECT_EQ(zerorpc("run", program, {{"oven_key", "k"}}), "1") << "a deferred is waited for";
  EXPECT_EQ(infi("run", program), "1");
  EXPECT_EQ(http("/oven/run", "[[[20, 0.01]]]"), "200 1\n");
  EXPECT_EQ(infi("self_test"), "true") << "takes a second: a token meanwhile";

  EXPECT_EQ(zerorpc("beep"), "null");
  EXPECT_EQ(infi("beep"), "null");
  EXPECT_EQ(http("/oven/beep", "[]"), "202 ");
  EXPECT_THAT(palm("oven.beep", ""), StartsWith("function_failed: "));
  Peer pusher(ZMQ_PUSH);
  pusher.connect(at("PULL"));
  pusher.send({encode(Array{Map{{"message_id", "m"}, {"v", 3}}, "beep", Array{7}})});
  EXPECT_TRUE(eventually([&] { return zerorpc("beeps") == "10"; }));

  RpcClient client(at("ZERORPC"));
  EXPECT_EQ(client.stream("readings", Array{3, 0}).size(), 3u);
  EXPECT_EQ(http("/oven/readings", "[0]"), "200 []\n");
  EXPECT_EQ(infi("readings", {0}), "[]");
  expect_clean_stop(host);
}

TEST_F(OvenOnEveryWire, AMiddlewareRefusesCountsAndAdds) {
  auto& host = play();
  EXPECT_EQ(zerorpc("open_door", {"Ada"}), "Forbidden: open_door needs the key");
  EXPECT_EQ(zerorpc("open_door", {"Ada"}, {{"oven_key", "k"}}), "0");
  RpcClient client(at("ZERORPC"));
  const auto event = client.answer(client.request("beeps"));
  EXPECT_EQ(*event.header.find("oven"), Value("oven"));
  EXPECT_EQ(zerorpc("served"), "NameError: served") << "its own functions are not offered";
  expect_clean_stop(host);
}

TEST_F(OvenOnEveryWire, AProgramOfItsOwnMayAsk) {
  auto& host = play();
  Child program({BACKPLANE_BUILD_DIR "/bin/oven_client", at("ZERORPC"), at("INFI")});
  EXPECT_EQ(program.wait(), 0) << program.errors();
  EXPECT_THAT(
      program.output(),
      StartsWith("20 degrees\n20\n20\n20\nTooHot: the oven is not made for that\n2 seconds\ntesting\n"));
  EXPECT_THAT(program.output(), testing::EndsWith("testing\nin order\n"));
  expect_clean_stop(host);
}

// ---- other manifests of the example -----------------------------------------------------------------

TEST(OvenManifests, AreInOrder) {
  for (const auto* name : {"oven.yaml", "one_way.yaml", "service.yaml", "strategies.yaml"}) {
    const auto outcome = run_backplane({"check", example(name).string()},
                                       {{"OVEN_PLUGIN", std::string(TEST_PLUGINS) + "/oven.so"}});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  }
}

class OneWay : public ManifestTest {};

TEST_F(OneWay, WhatIsPushedAndPublishedCallsFunctions) {
  Peer publisher(ZMQ_XPUB);
  Peer puller(ZMQ_PULL);
  const auto news = publisher.bind();
  const auto tellers = puller.bind();
  const auto pull = free_endpoint();
  HostProcess host(example("one_way.yaml"),
                   {{"OVEN_PLUGIN", std::string(TEST_PLUGINS) + "/oven.so"},
                    {"PULL", pull},
                    {"NEWS", news},
                    {"TELLERS", tellers}},
                   folder_.file("lines", "the door is open\n"));
  host.wait_until_ready();
  const auto event = [](const char* method, Value argument) {
    return encode(Array{Map{{"message_id", "m"}, {"v", 3}}, method, Array(1, std::move(argument))});
  };

  const auto line = puller.receive();
  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(read_server_event(line->front()).text(), R"(write [{"$bin":"dGhlIGRvb3IgaXMgb3Blbg=="}])");

  Peer pusher(ZMQ_PUSH);
  pusher.connect(pull);
  pusher.send({event("write", "it is hot")});
  EXPECT_TRUE(host.says("it is hot"));

  EXPECT_EQ(publisher.receive(), Frames{"\x01"}) << "it has subscribed";
  publisher.send({event("beep", 3)});
  EXPECT_TRUE(host.says("beeped 3 times"));
  expect_clean_stop(host);
}

// ---- shutdown strategies ----------------------------------------------------------------------------

class Strategies : public ManifestTest {
 protected:
  HostProcess& play(const std::string& patience = "5s") {
    return run_with_free_ports(example("strategies.yaml").string(), [&] {
      Environment environment{{"OVEN_PLUGIN", std::string(TEST_PLUGINS) + "/oven.so"},
                              {"PATIENCE", patience},
                              {"RESULTS", folder_.file("orders.db").string()}};
      for (const auto* name : {"ORDERS", "VIEWS", "SEARCHES", "PROBES", "EXPORTS"})
        environment[name] = at(name);
      return environment;
    });
  }
  static std::string token(RpcClient& client, double seconds) {
    const auto result = client.infi("slow", Array{seconds});
    EXPECT_EQ(*result.find("code"), Value("deferred"));
    return *result.find("result")->get_if<std::string>();
  }
  static std::string poll(RpcClient& client, const std::string& token) {
    const auto result = client.infi("query_async_request", Array{token});
    const auto* state = result.find("result");
    return state == nullptr ? told(result) : told(*state);
  }
};

TEST_F(Strategies, EachServiceEndsInItsOwnWay) {
  auto& host = play("60s");
  RpcClient orders(at("ORDERS"));
  RpcClient views(at("VIEWS"));
  RpcClient searches(at("SEARCHES"));
  RpcClient exports(at("EXPORTS"));
  RpcClient probes(at("PROBES"));
  EXPECT_EQ(told(probes.infi("now", Array{1})), "1");
  const auto probed = probes.on_call("hold", Array{3});
  const auto ordered = token(orders, 0.6);
  const auto searched = token(searches, 600);
  const auto exported = token(exports, 0.6);
  const auto viewed = views.on_call("hold", Array{1});
  ASSERT_TRUE(eventually([&] { return poll(searches, searched) == "\"" + searched + "\""; }));

  host.terminate();
  EXPECT_TRUE(eventually([&] {
    return told(orders.infi("now", Array{1})) == "RPCFrameworkException: server is shutting down";
  }));
  EXPECT_EQ(poll(searches, searched), "RequestAbortedError: request aborted while being processed");
  EXPECT_EQ(told((*views.answer(viewed).args.get_if<Array>())[0]), "1") << "what ran was answered";
  EXPECT_FALSE(probes.next_of(probed, milliseconds(0)).has_value()) << "it runs on";
  probes.on_call("now", Array{1});
  EXPECT_TRUE(eventually([&] { return poll(orders, ordered) == "0.6"; }));
  EXPECT_TRUE(eventually([&] { return poll(exports, exported) == "0.6"; }));
  EXPECT_EQ(host.wait(), 0) << host.errors();
  EXPECT_TRUE(probes.silent(milliseconds(0))) << "neither new calls nor old ones are answered";
  expect_balance(host);
}

TEST_F(Strategies, APluginsOwnAbortsWhatIsLeft) {
  auto& host = play("100ms");
  RpcClient exports(at("EXPORTS"));
  token(exports, 600);
  host.terminate();
  EXPECT_EQ(host.wait(), 0) << host.errors();
}

TEST_F(Strategies, AResultOnDiskIsThereAfterTheRestart) {
  std::string ordered;
  {
    auto& host = play();
    RpcClient orders(at("ORDERS"));
    ordered = token(orders, 0.6);
    ASSERT_TRUE(eventually([&] { return poll(orders, ordered) == "0.6"; }));
    EXPECT_EQ(host.stop(), 0) << host.errors();
  }
  play();
  RpcClient orders(at("ORDERS"));
  EXPECT_EQ(poll(orders, ordered), "0.6");
}

}  // namespace
}  // namespace backplane::test
