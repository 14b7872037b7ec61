// How zerorpc.service ends: every strategy, with calls under way and others that keep coming.
#include "manifests/rpc_service.hpp"

namespace backplane::test {
namespace {

using Fate = Arrivals::Fate;
using What = Arrivals::What;
using testing::HasSubstr;

std::string ending(const std::string& what, const std::string& endpoint = "A") {
  return "bind: \"${" + endpoint + "}\", shutdown: {" + what + "}";
}

class RpcShutdown : public RpcService {
 protected:
  // A client whose requests are refused from now on, as the service has begun to end.
  static void expect_refused(const std::string& endpoint) {
    RpcClient client(endpoint);
    EXPECT_TRUE(eventually([&] {
      try {
        client.call("add", Array{1, 2});
      } catch (const RpcError& error) {
        return error.name == "ShuttingDown";
      }
      return false;
    }));
  }
  // The last calls reached nobody. All before them have an answer, and none got an odd one.
  // Returns how many got a result.
  static std::ptrdiff_t answered(Arrivals& arrivals) {
    auto fates = arrivals.end();
    while (!fates.empty() && fates.back() == Fate::none) fates.pop_back();
    EXPECT_EQ(std::count(fates.begin(), fates.end(), Fate::none), 0);
    EXPECT_EQ(std::count(fates.begin(), fates.end(), Fate::odd), 0);
    return std::count(fates.begin(), fates.end(), Fate::answered);
  }
  // A call of slow(seconds) that a client of ZeroRPC waits for.
  static std::string begin_slow_one(RpcClient& client, double span) {
    const auto channel = client.request("slow", Array{span});
    EXPECT_TRUE(until_active(client, 1));
    return channel;
  }
  // The tokens of calls of infi.rpc that go on.
  static std::string token_of(const Value& result) {
    EXPECT_EQ(*result.find("code"), Value("deferred"));
    const auto* token = result.find("result")->get_if<std::string>();
    return token == nullptr ? "none" : *token;
  }
  static Value poll(RpcClient& client, const std::string& token) {
    return client.infi("query_async_request", Array{token});
  }
};

// ---- drain ------------------------------------------------------------------------------------------

TEST_F(RpcShutdown, DrainAnswersEveryCallThatWasAccepted) {
  auto& host = serve(service(ending("strategy: drain") + ", in_flight: 50"));
  RpcClient client(at("A"));
  const auto channels = begin_slow(client, 200, 0.5);
  Arrivals arrivals(at("A"));
  ASSERT_TRUE(eventually([&] { return arrivals.sent() > 200; }));
  host.terminate();
  ASSERT_TRUE(eventually([&] { return arrivals.refused() > 100; }));
  for (const auto& channel : channels) ASSERT_EQ(client.answer(channel).text(), "OK [0.5]");
  EXPECT_EQ(host.wait(), 0) << host.errors();
  expect_balance(host);

  EXPECT_GT(answered(arrivals), 0);
  EXPECT_EQ(host.ledger_count("sent rpc", "out"), host.ledger_count("sent rpc", "in"));
}

TEST_F(RpcShutdown, CallsOfInfiRpcUnderLoadAreAllAnsweredOrRefused) {
  for (const auto* strategy : {"drain", "wait_until_polled"}) {
    SCOPED_TRACE(strategy);
    auto& host = serve(service(ending(std::string("grace: 60s, strategy: ") + strategy) +
                               ", in_flight: 50, max_response_time: 60s, results: {keep: 1h}"));
    RpcClient client(at("A"));
    std::vector<std::string> channels;
    for (int i = 0; i < 100; ++i) channels.push_back(client.on_call("hold", Array{0.5}));
    Arrivals adding(at("A"), What::infi_add);
    ASSERT_TRUE(eventually([&] { return adding.sent() > 200; }));
    host.terminate();
    ASSERT_TRUE(eventually([&] { return adding.refused() > 100; }));
    for (const auto& channel : channels)
      ASSERT_EQ(client.answer(channel).text(), R"(OK [{"code":"success","result":0.5}])");
    EXPECT_EQ(host.wait(), 0) << host.errors();
    expect_balance(host);
    EXPECT_GT(answered(adding), 0);
  }
}

TEST_F(RpcShutdown, WaitUntilPolledUnderLoadLosesNoResult) {
  auto& host = serve(service(ending("grace: 60s") + ", results: {keep: 1h}"));
  RpcClient client(at("A"));
  const auto channel = client.on_call("hold", Array{0.5});
  Arrivals fetching(at("A"), What::later);
  Arrivals also_fetching(at("A"), What::later);
  ASSERT_TRUE(eventually([&] { return fetching.sent() > 200 && also_fetching.sent() > 200; }));
  host.terminate();
  ASSERT_TRUE(eventually([&] { return fetching.refused() > 10 && also_fetching.refused() > 10; }));
  EXPECT_EQ(client.answer(channel).text(), R"(OK [{"code":"success","result":0.5}])");
  EXPECT_EQ(host.wait(), 0) << host.errors();
  expect_balance(host);
  EXPECT_GT(answered(fetching), 0);
  EXPECT_GT(answered(also_fetching), 0);
}

TEST_F(RpcShutdown, ACallThatCallsOthersWhileTheHostDrainsIsAnswered) {
  auto& host = serve(service(ending("strategy: drain") + ", max_response_time: 60s"));
  RpcClient client(at("A"));
  const auto channel = client.request("ask_after", Array{2.0, "demo.started"});
  const auto channel_of_infi = client.on_call("ask_after", Array{2.0, "demo.started"});
  EXPECT_EQ(client.call("add", Array{1, 2}), Value(3)) << "the calls before were taken";
  host.terminate();
  expect_refused(at("A"));
  EXPECT_EQ(client.answer(channel).text(), "OK [0]");
  EXPECT_EQ(client.answer(channel_of_infi).text(), R"(OK [{"code":"success","result":0}])");
  EXPECT_EQ(host.wait(), 0) << host.errors();
  expect_balance(host);
}

TEST_F(RpcShutdown, FunctionsThatStandBehindTheServiceInTheManifestServeItToItsEnd) {
  auto& host = serve(service(ending("strategy: drain")) + "  late: {kind: rpc_tools.functions}\n");
  RpcClient client(at("A"));
  const auto asks = client.request("late.ask_after", Array{2.0, "demo.started"});
  const auto is_asked = client.request("tools.ask_after", Array{2.0, "late.pumped"});
  const auto blocks = client.request("late.work", Array{2.0});
  EXPECT_EQ(client.call("add", Array{1, 2}), Value(3)) << "the calls before were taken";
  host.terminate();
  expect_refused(at("A"));
  EXPECT_EQ(client.answer(asks).text(), "OK [0]");
  EXPECT_EQ(client.answer(is_asked).text(), "OK [0]");
  EXPECT_EQ(client.answer(blocks).text(), "OK [2.0]");
  EXPECT_EQ(host.wait(), 0) << host.errors();
  expect_balance(host);
}

TEST_F(RpcShutdown, ABlockingCallIsAnsweredByADrain) {
  auto& host = serve(service(ending("strategy: drain")));
  RpcClient client(at("A"));
  const auto runs = client.request("work", Array{2.0});
  const auto waits_for_the_thread = client.request("work", Array{0.5});
  EXPECT_EQ(client.call("add", Array{1, 2}), Value(3)) << "the calls before were taken";
  host.terminate();
  expect_refused(at("A"));
  EXPECT_EQ(client.answer(runs).text(), "OK [2.0]");
  EXPECT_EQ(client.answer(waits_for_the_thread).text(), "OK [0.5]");
  EXPECT_EQ(host.wait(), 0) << host.errors();
  expect_balance(host);
}

TEST_F(RpcShutdown, ADeferredCallThatRunsIsFinishedByADrain) {
  const auto done = folder_.file("done");
  auto& host = serve(service(ending("strategy: drain") + ", results: {keep: 1h}, max_response_time: 50ms"));
  RpcClient client(at("A"));
  const auto token = token_of(client.infi("touch", Array{2.0, done.string()}));
  host.terminate();
  expect_refused(at("A"));
  EXPECT_EQ(to_json(poll(client, token)),
            R"({"code":"success","result":{"code":"deferred","result":")" + token + "\"}}");
  EXPECT_EQ(host.wait(), 0) << host.errors();
  EXPECT_EQ(read_file(done), "done");
  expect_balance(host);
}

TEST_F(RpcShutdown, SigintEndsItAsSigtermDoes) {
  auto& host = serve(service(ending("strategy: drain")));
  RpcClient client(at("A"));
  const auto channel = begin_slow_one(client, 2.0);
  host.signal(SIGINT);
  expect_refused(at("A"));
  EXPECT_EQ(client.answer(channel).text(), "OK [2.0]");
  EXPECT_EQ(host.wait(), 0) << host.errors();
  expect_balance(host);
}

TEST_F(RpcShutdown, AReloadDrainsToo) {
  auto& host = serve(service(ending("strategy: drain")));
  RpcClient client(at("A"));
  const auto channel = begin_slow_one(client, 2.0);
  host.signal(SIGHUP);
  expect_refused(at("A"));
  EXPECT_EQ(client.answer(channel).text(), "OK [2.0]");
  // The socket is a new one: what came in between has no answer.
  EXPECT_TRUE(eventually([&] {
    const auto answer = client.next_of(client.request("add", Array{1, 2}), milliseconds(200));
    return answer && answer->text() == "OK [3]";
  }));
  expect_clean_stop(host);
}

TEST_F(RpcShutdown, NewCallsAreRefusedAtOnce) {
  auto& host = serve(service(ending("strategy: drain")));
  RpcClient client(at("A"));
  const auto channel = client.request("slow", Array{2});
  RpcClient asking(at("A"));
  ASSERT_TRUE(until_active(asking, 1));
  host.terminate();
  expect_refused(at("A"));
  EXPECT_EQ(exception_in(asking.infi("add", Array{1})), "RPCFrameworkException: server is shutting down");
  EXPECT_EQ(exception_in(asking.infi("ping")), "none");
  EXPECT_EQ(exception_in(asking.infi("get_rpc_method_names")), "none");
  EXPECT_EQ(exception_in(asking.infi("get_rpc_max_response_time")), "none");
  EXPECT_EQ(asking.call("_zerorpc_name"), Value("rpc"));
  EXPECT_FALSE(client.next_of(channel, milliseconds(0)).has_value()) << "the call of before still runs";
  EXPECT_EQ(client.answer(channel).text(), "OK [2]");
  EXPECT_EQ(host.wait(), 0) << host.errors();
}

TEST_F(RpcShutdown, AStreamIsReadToItsEnd) {
  auto& host = serve(service(ending("strategy: drain")));
  RpcClient client(at("A"));
  const auto channel = client.request("count", Array{50});
  EXPECT_EQ(client.answer(channel).text(), "STREAM 0");
  host.terminate();
  expect_refused(at("A"));
  for (int i = 1; i < 50; ++i) {
    client.more(channel, 1);
    ASSERT_EQ(client.answer(channel).text(), "STREAM " + std::to_string(i));
  }
  client.more(channel, 1);
  EXPECT_EQ(client.answer(channel).text(), "STREAM_DONE null");
  EXPECT_EQ(host.wait(), 0) << host.errors();
  expect_balance(host);
}

TEST_F(RpcShutdown, DrainDoesNotWaitForResultsToBeFetched) {
  auto& host = serve(service(ending("strategy: drain") + ", results: {keep: 1h}"));
  RpcClient client(at("A"));
  token_of(client.infi("later", Array{"x"}));
  EXPECT_EQ(host.stop(), 0) << host.errors();
}

TEST_F(RpcShutdown, WhatTakesLongerThanTheGraceIsAbortedAndTheExitCodeSaysSo) {
  auto& host = serve(service(ending("strategy: drain, grace: 300ms")));
  RpcClient client(at("A"));
  const auto plain = client.request("slow", Array{60});
  const auto infi = client.on_call("hold", Array{60});
  RpcClient asking(at("A"));
  ASSERT_TRUE(until_active(asking, 1));
  host.terminate();
  EXPECT_EQ(RpcError(client.answer(plain)).name, "ShuttingDown");
  const auto aborted = client.answer(infi);
  EXPECT_EQ(exception_in(aborted.args.get_if<Array>()->at(0)),
            "RequestAbortedError: request aborted while being processed");
  EXPECT_EQ(host.wait(), 1);
  EXPECT_THAT(host.errors(), HasSubstr("did not end within its grace: 2 calls were aborted"));
  expect_balance(host);
}

TEST_F(RpcShutdown, ASecondSignalEndsItAtOnce) {
  auto& host = serve(service(ending("strategy: drain")));
  RpcClient client(at("A"));
  const auto channel = client.request("slow", Array{600});
  RpcClient asking(at("A"));
  ASSERT_TRUE(until_active(asking, 1));
  host.terminate();
  expect_refused(at("A"));
  host.terminate();
  EXPECT_EQ(RpcError(client.answer(channel)).name, "ShuttingDown");
  EXPECT_EQ(host.wait(), 128 + SIGTERM);
  expect_balance(host);
}

// ---- wait_until_polled ------------------------------------------------------------------------------

TEST_F(RpcShutdown, WaitUntilPolledEndsWhenTheLastResultWasFetched) {
  auto& host = serve(service(ending("grace: 60s") + ", results: {keep: 1h}"));
  RpcClient client(at("A"));
  const auto token = token_of(client.infi("later", Array{"x"}));
  host.terminate();
  expect_refused(at("A"));
  EXPECT_TRUE(host.running());
  EXPECT_EQ(to_json(poll(client, token)), R"({"code":"success","result":{"code":"success","result":"x"}})");
  EXPECT_EQ(host.wait(), 0) << host.errors();
  expect_balance(host);
}

TEST_F(RpcShutdown, WaitUntilPolledEndsWhenTheLastResultHasExpired) {
  auto& host = serve(service(ending("grace: 60s") + ", results: {keep: 4s, collect: 50ms}"));
  RpcClient client(at("A"));
  const auto fetched = token_of(client.infi("later", Array{"x"}));
  const auto began = std::chrono::steady_clock::now();
  token_of(client.infi("later", Array{"nobody fetches this"}));
  host.terminate();
  expect_refused(at("A"));
  EXPECT_EQ(exception_in(poll(client, fetched)), "none");
  EXPECT_EQ(exception_in(poll(client, fetched)), "none") << "it is still answered";
  EXPECT_TRUE(host.running());
  EXPECT_EQ(host.wait(), 0) << host.errors();
  EXPECT_GE(std::chrono::steady_clock::now() - began, seconds(4)) << "not before it has expired";
  expect_balance(host);
}

TEST_F(RpcShutdown, WaitUntilPolledWaitsForCallsToo) {
  auto& host = serve(service(ending("grace: 60s") + ", results: {keep: 1h}, max_response_time: 50ms"));
  RpcClient client(at("A"));
  const auto token = token_of(client.infi("slow", Array{1.0}));
  const auto channel = client.request("slow", Array{1.0});
  ASSERT_TRUE(until_active(client, 2));
  host.terminate();
  EXPECT_EQ(client.answer(channel).text(), "OK [1.0]");
  EXPECT_TRUE(
      eventually([&] { return *poll(client, token).find("result")->find("code") == Value("success"); }));
  EXPECT_EQ(host.wait(), 0) << host.errors();
}

TEST_F(RpcShutdown, ResultsThatNobodyFetchedWithinTheGraceAreAFailure) {
  auto& host = serve(service(ending("grace: 200ms") + ", results: {keep: 1h}"));
  RpcClient client(at("A"));
  token_of(client.infi("later", Array{"x"}));
  EXPECT_EQ(host.stop(), 1);
  EXPECT_THAT(host.errors(), HasSubstr("1 results were not fetched"));
}

// ---- abort ------------------------------------------------------------------------------------------

TEST_F(RpcShutdown, AbortEndsEveryCallAtOnceAndKeepsTheErrorsForAWhile) {
  auto& host = serve(service(ending("strategy: abort, abort_linger: 60s, grace: 60s") +
                             ", results: {keep: 1h}, max_response_time: 50ms"));
  RpcClient client(at("A"));
  const auto token = token_of(client.infi("slow", Array{60}));
  const auto waiting = client.on_call("hold", Array{60});
  const auto plain = client.request("slow", Array{60});
  RpcClient asking(at("A"));
  ASSERT_TRUE(until_active(asking, 2));
  host.terminate();
  const auto aborted = client.answer(waiting);
  EXPECT_EQ(exception_in(aborted.args.get_if<Array>()->at(0)),
            "RequestAbortedError: request aborted while being processed");
  EXPECT_EQ(RpcError(client.answer(plain)).name, "ShuttingDown");
  expect_refused(at("A"));
  EXPECT_TRUE(host.running());
  EXPECT_EQ(exception_in(poll(client, token)), "RequestAbortedError: request aborted while being processed");
  EXPECT_EQ(host.wait(), 0) << host.errors();
  expect_balance(host);
}

TEST_F(RpcShutdown, AbortEndsWithoutAnyPollWhenItHasLingered) {
  auto& host = serve(service(ending("strategy: abort, abort_linger: 200ms") +
                             ", results: {keep: 1h}, max_response_time: 50ms"));
  RpcClient client(at("A"));
  token_of(client.infi("slow", Array{60}));
  EXPECT_EQ(host.stop(), 0) << host.errors();
}

TEST_F(RpcShutdown, AbortUnderLoadAnswersEveryCall) {
  auto& host = serve(service(ending("strategy: abort") + ", in_flight: 50"));
  RpcClient client(at("A"));
  const auto channels = begin_slow(client, 200, 60);
  Arrivals arrivals(at("A"));
  ASSERT_TRUE(eventually([&] { return arrivals.sent() > 200; }));
  host.terminate();
  for (const auto& channel : channels) ASSERT_EQ(RpcError(client.answer(channel)).name, "ShuttingDown");
  EXPECT_EQ(host.wait(), 0) << host.errors();
  expect_balance(host);
  answered(arrivals);
}

// ---- close ------------------------------------------------------------------------------------------

TEST_F(RpcShutdown, CloseIsSilentAtOnceAndWhatRunsRunsOn) {
  const auto done = folder_.file("done");
  auto& host = serve(service(ending("strategy: close") + ", heartbeat: 100ms"));
  RpcClient client(at("A"));
  client.request("touch", Array{1.0, done.string()});
  client.on_call("touch", Array{1.0, done.string() + "2"});
  EXPECT_EQ(client.call("add", Array{1, 2}), Value(3)) << "the calls before have begun";
  host.terminate();
  ASSERT_TRUE(host.says("stopping: "));
  EXPECT_EQ(host.wait(), 0) << host.errors();
  EXPECT_EQ(read_file(done), "done");
  EXPECT_EQ(read_file(done.string() + "2"), "done");
  while (const auto event = client.next(milliseconds(0))) EXPECT_TRUE(event->heartbeat()) << event->text();
  expect_balance(host);
}

TEST_F(RpcShutdown, CloseBeyondTheGraceIsCodeOne) {
  auto& host = serve(service(ending("strategy: close, grace: 300ms")));
  RpcClient client(at("A"));
  begin_slow_one(client, 60);
  EXPECT_EQ(host.stop(), 1);
  EXPECT_THAT(host.errors(), HasSubstr("did not end within its grace: 1 calls were aborted"));
  expect_balance(host);
}

TEST_F(RpcShutdown, CloseDoesNotWaitForReadersOfAStream) {
  auto& host = serve(service(ending("strategy: close, grace: 60s") + ", heartbeat: 0s"));
  RpcClient client(at("A"));
  const auto channel = client.request("pump", Array{10});
  EXPECT_EQ(client.answer(channel).name, "STREAM");
  EXPECT_EQ(host.stop(), 0) << host.errors();
}

// ---- custom, and several ----------------------------------------------------------------------------

TEST_F(RpcShutdown, AFunctionOfAPluginDecides) {
  const auto file = folder_.file("over");
  auto& host = serve("  strategy: {kind: rpc_tools.strategy, file: \"" + file.string() + "\"}\n" +
                     service(ending("strategy: custom, function: strategy.decide")));
  RpcClient client(at("A"));
  host.terminate();
  ASSERT_TRUE(host.says("deciding about rpc"));
  expect_refused(at("A"));
  EXPECT_TRUE(host.running());
  write_file(file, "now");
  EXPECT_EQ(host.wait(), 0) << host.errors();
  EXPECT_THAT(host.errors(), HasSubstr("decided about rpc"));
}

TEST_F(RpcShutdown, CustomBeyondTheGraceIsCodeOne) {
  auto& host = serve("  strategy: {kind: rpc_tools.strategy, file: nowhere}\n" +
                     service(ending("strategy: custom, function: strategy.decide, grace: 500ms")));
  RpcClient client(at("A"));
  const auto channel = begin_slow_one(client, 60);
  host.terminate();
  EXPECT_TRUE(host.says("deciding about rpc"));
  EXPECT_EQ(RpcError(client.answer(channel)).name, "ShuttingDown");
  EXPECT_EQ(host.wait(), 1);
  EXPECT_THAT(host.errors(), HasSubstr("did not end within its grace: 1 calls were aborted"));
  expect_balance(host);
}

TEST_F(RpcShutdown, AFunctionThatCannotDecideLeavesADrain) {
  auto& host = serve("  strategy: {kind: rpc_tools.strategy, file: nowhere}\n" +
                     service(ending("strategy: custom, function: strategy.refuse")));
  RpcClient client(at("A"));
  const auto channel = client.request("slow", Array{0.5});
  RpcClient asking(at("A"));
  ASSERT_TRUE(until_active(asking, 1));
  host.terminate();
  EXPECT_EQ(client.answer(channel).text(), "OK [0.5]");
  EXPECT_EQ(host.wait(), 0) << host.errors();
  EXPECT_THAT(host.errors(), HasSubstr("shutdown.function failed: Undecided: cannot decide about rpc"));
}

TEST_F(RpcShutdown, ServicesOfOneHostEndEachInTheirWay) {
  auto& host = serve(service(ending("strategy: drain", "A"), "draining") +
                     service(ending("strategy: abort", "B"), "aborting") +
                     service(ending("grace: 60s", "C") + ", results: {keep: 1h}", "waiting"));
  RpcClient draining(at("A"));
  RpcClient aborting(at("B"));
  RpcClient waiting(at("C"));
  const auto drained = draining.request("slow", Array{1});
  const auto aborted = aborting.request("slow", Array{1});
  RpcClient asking(at("A"));
  ASSERT_TRUE(until_active(asking, 2));
  const auto token = token_of(waiting.infi("later", Array{"x"}));
  host.terminate();
  EXPECT_EQ(RpcError(aborting.answer(aborted)).name, "ShuttingDown");
  EXPECT_EQ(draining.answer(drained).text(), "OK [1]");
  EXPECT_TRUE(host.running());
  EXPECT_EQ(exception_in(poll(waiting, token)), "none");
  EXPECT_EQ(host.wait(), 0) << host.errors();
  expect_balance(host);
}

}  // namespace
}  // namespace backplane::test
