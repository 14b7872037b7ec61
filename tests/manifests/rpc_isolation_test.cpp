// What functions do to others, and what becomes of them when their caller goes or waits no more: nothing
// holds up the wire, no work is done for nobody.
#include "manifests/rpc_service.hpp"

namespace backplane::test {
namespace {

using testing::Ge;

class RpcIsolation : public RpcService {
 protected:
  // Besides the service a component on a loop of its own, which knows what the threads of `tools` do.
  HostProcess& serve_observed(const std::string& options) {
    return serve("  watch: {kind: rpc_tools.functions, loop: watch}\n" + service(options));
  }
  // Answers the heartbeats that have come for a call, which has no answer yet.
  static void expect_unanswered(RpcClient& client, const std::string& channel) {
    while (const auto event = client.next_of(channel, milliseconds(0))) {
      EXPECT_TRUE(event->heartbeat()) << event->text();
      client.heartbeat(channel);
    }
  }
  // The same until a thread works on it.
  static bool until_working(RpcClient& client, const std::string& channel) {
    return eventually([&] {
      expect_unanswered(client, channel);
      return client.call("watch.working") == Value(1);
    });
  }
  // Answers heartbeats until the call ends with `answer`, and tells how many came.
  static int beats_until(RpcClient& client, const std::string& channel, const std::string& answer) {
    for (int beats = 0;; ++beats) {
      const auto event = client.next_of(channel);
      if (!event) throw std::runtime_error("neither a heartbeat nor an answer came");
      if (!event->heartbeat()) {
        EXPECT_EQ(event->text(), answer);
        return beats;
      }
      client.heartbeat(channel);
    }
  }
};

// ---- functions that take long -----------------------------------------------------------------------

TEST_F(RpcIsolation, AFunctionThatBlocksItsWorkerDelaysNobody) {
  auto& host = serve_observed("bind: \"${A}\", heartbeat: 200ms");
  RpcClient client(at("A"));
  const auto channel = client.request("tools.work", Array{3.0});
  ASSERT_TRUE(until_working(client, channel));
  RpcClient asking(at("A"));
  EXPECT_EQ(asking.call("tools.pumped"), Value(0)) << "another function of the same component";
  EXPECT_EQ(asking.call("add", Array{1, 2}), Value(3));
  EXPECT_EQ(asking.call("_zerorpc_name"), Value("rpc"));
  expect_unanswered(client, channel);
  EXPECT_THAT(beats_until(client, channel, "OK [3.0]"), Ge(5));
  expect_clean_stop(host);
}

TEST_F(RpcIsolation, AFunctionThatWronglyBlocksItsLoopDelaysNoHeartbeat) {
  auto& host = serve_observed("bind: \"${A}\", heartbeat: 200ms");
  RpcClient client(at("A"));
  const auto channel = client.request("tools.block", Array{3.0});
  ASSERT_TRUE(until_working(client, channel));
  RpcClient asking(at("A"));
  EXPECT_EQ(asking.call("_zerorpc_name"), Value("rpc"));
  EXPECT_EQ(exception_in(asking.infi("ping")), "none");
  expect_unanswered(client, channel);
  EXPECT_THAT(beats_until(client, channel, "OK [3.0]"), Ge(5)) << "the service has a loop of its own";
  expect_clean_stop(host);
}

TEST_F(RpcIsolation, CallsThatAWorkerCannotTakeAreRefused) {
  auto& host = serve("  few: {kind: rpc_tools.functions, workers: 2, worker_queue: 2}\n" +
                     service("bind: \"${A}\", functions: few"));
  RpcClient client(at("A"));
  std::vector<std::string> channels;
  for (int i = 0; i < 10; ++i) channels.push_back(client.request("work", Array{0.5}));
  int done = 0;
  for (const auto& channel : channels) {
    const auto event = client.answer(channel);
    if (event.text() == "OK [0.5]") {
      ++done;
    } else {
      EXPECT_EQ(RpcError(event).name, "RuntimeError");
    }
  }
  EXPECT_GE(done, 2);
  EXPECT_LE(done, 4) << "two run, two wait";
  expect_clean_stop(host);
}

TEST_F(RpcIsolation, TwoHundredWaitingCallsOverlap) {
  auto& host = serve(service());
  RpcClient client(at("A"));
  const auto began = std::chrono::steady_clock::now();
  for (const auto& channel : begin_slow(client, 200, 0.5))
    EXPECT_EQ(client.answer(channel).text(), "OK [0.5]");
  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds(20)) << "100 s, were they one after the other";
  expect_clean_stop(host);
}

// ---- clients that go --------------------------------------------------------------------------------

class RpcVictim : public RpcIsolation {
 protected:
  // A client in a process of its own, whose call never ends.
  Child call(const std::string& method, const std::string& arguments) {
    return Child({backplane_program().string(), "call", "zerorpc+" + at("A"), method, arguments,
                  "--heartbeat", "0.3", "--timeout", "600"});
  }
};

TEST_F(RpcVictim, ACallIsCancelledWhenItsClientIsKilled) {
  auto& host = serve(service("bind: \"${A}\", heartbeat: 300ms"));
  RpcClient asking(at("A"));
  auto victim = call("slow", "[600]");
  ASSERT_TRUE(until_active(asking, 1)) << victim.errors();
  victim.signal(SIGKILL);
  EXPECT_TRUE(until_active(asking, 0));
  expect_clean_stop(host);
}

TEST_F(RpcVictim, ACallIsCancelledWhenItsClientHangs) {
  auto& host = serve(service("bind: \"${A}\", heartbeat: 300ms"));
  RpcClient asking(at("A"));
  auto victim = call("slow", "[600]");
  ASSERT_TRUE(until_active(asking, 1)) << victim.errors();
  // It is known to beat: it outlives three periods.
  EXPECT_FALSE(eventually(milliseconds(1200), [&] { return asking.call("active") == Value(0); }));
  victim.signal(SIGSTOP);
  EXPECT_TRUE(until_active(asking, 0));
  expect_clean_stop(host);
}

TEST_F(RpcVictim, AWorkerSeesThatItsClientWasKilled) {
  const auto file = folder_.file("work");
  auto& host = serve(service("bind: \"${A}\", heartbeat: 300ms"));
  auto victim = call("work_on", "[\"" + file.string() + "\"]");
  ASSERT_TRUE(eventually([&] { return read_file(file) == "begun"; })) << victim.errors();
  victim.signal(SIGKILL);
  EXPECT_TRUE(eventually([&] { return read_file(file) == "cancelled"; }));
  expect_clean_stop(host);
}

TEST_F(RpcVictim, AStreamEndsWhenItsClientIsKilled) {
  auto& host = serve(service("bind: \"${A}\", heartbeat: 300ms"));
  RpcClient asking(at("A"));
  auto victim = call("pump", "[10]");
  ASSERT_TRUE(eventually([&] { return asking.call("pumping") == Value(1); })) << victim.errors();
  ASSERT_TRUE(eventually([&] { return *asking.call("pumped").get_if<std::int64_t>() > 1000; }));
  victim.signal(SIGKILL);
  EXPECT_TRUE(eventually([&] { return asking.call("pumping") == Value(0); }));
  expect_clean_stop(host);
}

TEST_F(RpcVictim, AStreamEndsWhenItsClientHangs) {
  auto& host = serve(service("bind: \"${A}\", heartbeat: 300ms"));
  RpcClient asking(at("A"));
  auto victim = call("pump", "[10]");
  ASSERT_TRUE(eventually([&] { return *asking.call("pumped").get_if<std::int64_t>() > 1000; }))
      << victim.errors();
  victim.signal(SIGSTOP);
  EXPECT_TRUE(eventually([&] { return asking.call("pumping") == Value(0); }));
  expect_clean_stop(host);
}

TEST_F(RpcIsolation, ACallWhoseClientFallsSilentIsCancelledWithinThreePeriods) {
  auto& host = serve(service("bind: \"${A}\", heartbeat: 300ms"));
  RpcClient silent(at("A"));
  const auto began = std::chrono::steady_clock::now();
  silent.request("slow", Array{600});
  RpcClient asking(at("A"));
  ASSERT_TRUE(until_active(asking, 1));
  EXPECT_TRUE(until_active(asking, 0));
  EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(850)) << "not earlier than it should";
  expect_clean_stop(host);
}

TEST_F(RpcIsolation, ACallOfInfiRpcGoesOn) {
  auto& host =
      serve(service("bind: \"${A}\", heartbeat: 100ms, max_response_time: 50ms, results: {keep: 1h}"));
  std::string token;
  {
    RpcClient client(at("A"));
    token = *client.infi("slow", Array{1}).find("result")->get_if<std::string>();
  }
  RpcClient asking(at("A"));
  EXPECT_TRUE(eventually([&] {
    const auto inner = *asking.infi("query_async_request", Array{token}).find("result");
    return *inner.find("code") == Value("success") && *inner.find("result") == Value(1);
  }));
  expect_clean_stop(host);
}

// ---- deadlines --------------------------------------------------------------------------------------

TEST_F(RpcIsolation, ACallIsGivenUpAtTheDeadlineOfItsCaller) {
  auto& host = serve(service());
  RpcClient client(at("A"));
  const auto channel = client.request("slow", Array{600}, {{"timeout_ms", 1000}});
  EXPECT_EQ(RpcError(client.answer(channel)).name, "TimeoutExpired");
  EXPECT_TRUE(until_active(client, 0));
  EXPECT_EQ(client.call("started"), Value(1)) << "it had begun";
  expect_clean_stop(host);
}

TEST_F(RpcIsolation, TheServiceHasALimitOfItsOwn) {
  auto& host = serve(service("bind: \"${A}\", timeout: 1s"));
  RpcClient client(at("A"));
  EXPECT_EQ(RpcError(client.answer(client.request("slow", Array{600}))).name, "TimeoutExpired");
  EXPECT_TRUE(until_active(client, 0));
  EXPECT_EQ(client.call("started"), Value(1)) << "it had begun";
  expect_clean_stop(host);
}

TEST_F(RpcIsolation, NestedCallsHaveTheDeadlineToo) {
  auto& host = serve("  patient: {kind: rpc_tools.functions, timeout: 0s}\n" + service());
  RpcClient client(at("A"));
  const auto time_left = [&](std::string_view method, const Value& args) {
    const auto event = client.answer(client.request(method, args, {{"timeout_ms", 60'000}}));
    const auto* left = event.args.get_if<Array>()->at(0).get_if<double>();
    return left == nullptr ? 0.0 : *left;
  };
  for (const auto left :
       {time_left("tools.time_left", Array{}), time_left("tools.ask", Array{"patient.time_left"})}) {
    EXPECT_GT(left, 31) << "more than the component's own timeout";
    EXPECT_LE(left, 60);
  }
  EXPECT_EQ(client.call("tools.time_left"), Value()) << "without one there is none";
  EXPECT_EQ(client.call("patient.ask", Array{"tools.time_left"}), Value());
  const auto own = client.call("tools.ask", Array{"patient.time_left"});
  EXPECT_LE(*own.get_if<double>(), 30) << "the timeout of a component, 30s, is for what it asks itself";
  expect_clean_stop(host);
}

TEST_F(RpcIsolation, WhatANestedCallDoesEndsWithItsCaller) {
  auto& host = serve(service());
  RpcClient client(at("A"));
  const auto channel = client.request("ask_with", Array{"demo.slow", 600}, {{"timeout_ms", 1000}});
  EXPECT_EQ(RpcError(client.answer(channel)).name, "TimeoutExpired");
  EXPECT_TRUE(until_active(client, 0));
  EXPECT_EQ(client.call("started"), Value(1)) << "it had begun";
  expect_clean_stop(host);
}

TEST_F(RpcIsolation, NestedCallsHaveTheTraceIdToo) {
  auto& host = serve(service());
  RpcClient client(at("A"));
  const auto event = client.answer(client.request("ask", Array{"tools.trace"}, {{"trace_id", "t 1"}}));
  EXPECT_EQ(event.text(), R"(OK ["t 1"])");
  EXPECT_EQ(*event.header.find("trace_id"), Value("t 1"));
  expect_clean_stop(host);
}

}  // namespace
}  // namespace backplane::test
