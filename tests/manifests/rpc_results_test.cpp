// results: {store: sqlite}: what clients of infi.rpc were promised survives the host.
#include "manifests/rpc_service.hpp"

namespace backplane::test {
namespace {

class RpcResults : public RpcService {
 protected:
  HostProcess& serve_on_disk(const std::string& more = {}) {
    return serve(
        service("bind: \"${A}\", max_response_time: 50ms, shutdown: {strategy: drain}, "
                "results: {store: sqlite, path: \"" +
                folder_.file("results.db").string() + "\", keep: 1h}" + more));
  }
  static void kill(HostProcess& host) {
    host.signal(SIGKILL);
    EXPECT_EQ(host.wait(), 128 + SIGKILL);
  }
  // Begins a call, which is deferred, and returns its token.
  std::string begin(std::string_view method, const Value& args, const std::string& uuid = new_uuid()) {
    RpcClient client(at("A"));
    const auto result = client.infi(method, args, Map(), uuid);
    EXPECT_EQ(to_json(result), R"({"code":"deferred","result":")" + uuid + "\"}");
    return uuid;
  }
  std::string poll(const std::string& token) {
    RpcClient client(at("A"));
    const auto result = client.infi("query_async_request", Array{token});
    const auto* inner = result.find("result");
    return *result.find("code") == Value("success") && *inner->find("code") == Value("success")
               ? to_json(*inner->find("result"))
               : exception_in(result);
  }
};

TEST_F(RpcResults, ResultsSurviveAStop) {
  auto& before = serve_on_disk();
  const auto fetched = begin("later", Array{"one"});
  const auto not_fetched = begin("later", Array{"two"});
  const auto failed = begin("later_fail", Array{"why"});
  EXPECT_TRUE(eventually([&] { return poll(fetched) == R"("one")"; }));
  expect_clean_stop(before);
  auto& after = serve_on_disk();
  EXPECT_EQ(poll(fetched), R"("one")") << "that answer may have been lost";
  EXPECT_EQ(poll(not_fetched), R"("two")");
  EXPECT_EQ(poll(failed), "InternalServerError: type=<class 'DemoError'>, value=DemoError('why')");
  expect_clean_stop(after);
}

TEST_F(RpcResults, ResultsSurviveAReload) {
  auto& host = serve_on_disk();
  const auto token = begin("later", Array{"one"});
  host.signal(SIGHUP);
  ASSERT_TRUE(host.says("requests of before the restart are known"));
  EXPECT_EQ(poll(token), R"("one")");
  expect_clean_stop(host);
}

TEST_F(RpcResults, ResultsSurviveAKill) {
  auto& before = serve_on_disk();
  const auto first = begin("later", Array{"one"});
  const auto second = begin("later", Array{Bytes{"two"}});
  EXPECT_TRUE(eventually([&] { return poll(second) == R"({"$bin":"dHdv"})"; })) << "both are written by then";
  kill(before);
  auto& after = serve_on_disk();
  EXPECT_EQ(poll(first), R"("one")");
  EXPECT_EQ(poll(second), R"({"$bin":"dHdv"})");
  expect_clean_stop(after);
}

TEST_F(RpcResults, WhatRanWhenTheHostWasKilledIsAborted) {
  auto& before = serve_on_disk();
  const auto token = begin("slow", Array{600});
  EXPECT_EQ(poll(token), "deferred");
  kill(before);
  auto& after = serve_on_disk();
  EXPECT_EQ(poll(token), "RequestAbortedError: the host was stopped while the request was being processed");
  RpcClient client(at("A"));
  EXPECT_EQ(to_json(client.infi("started")), R"({"code":"success","result":0})") << "nor is it run again";
  expect_clean_stop(after);
}

TEST_F(RpcResults, ARequestOfBeforeTheKillIsNotRunAgain) {
  auto& before = serve_on_disk();
  const auto token = begin("slow", Array{600});
  kill(before);
  auto& after = serve_on_disk();
  RpcClient client(at("A"));
  EXPECT_EQ(exception_in(client.infi("slow", Array{600}, Map(), token)),
            "RequestAbortedError: the host was stopped while the request was being processed");
  EXPECT_EQ(to_json(client.infi("started")), R"({"code":"success","result":0})");
  expect_clean_stop(after);
}

TEST_F(RpcResults, AThousandPromisesSurviveAKillInTheMiddle) {
  auto& before = serve_on_disk();
  std::vector<std::string> promised;
  {
    RpcClient client(at("A"));
    std::vector<std::pair<std::string, std::string>> asked;  // channel, uuid
    for (int i = 0; i < 1000; ++i) {
      const auto uuid = new_uuid();
      asked.emplace_back(client.on_call("later", Array{i}, Map(), uuid), uuid);
    }
    for (int i = 0; i < 500; ++i)
      if (client.answer(asked[static_cast<std::size_t>(i)].first).name == "OK")
        promised.push_back(asked[static_cast<std::size_t>(i)].second);
  }
  kill(before);
  auto& after = serve_on_disk();
  RpcClient client(at("A"));
  int results = 0;
  for (const auto& token : promised) {
    const auto inner = *client.infi("query_async_request", Array{token}).find("result");
    const bool done = *inner.find("code") == Value("success");
    if (!done) {
      EXPECT_EQ(exception_in(inner),
                "RequestAbortedError: the host was stopped while the request was being processed");
    }
    results += done ? 1 : 0;
  }
  EXPECT_EQ(promised.size(), 500u);
  std::cout << results << " of 500 had their results on disk when the host was killed\n";
  expect_clean_stop(after);
}

}  // namespace
}  // namespace backplane::test
