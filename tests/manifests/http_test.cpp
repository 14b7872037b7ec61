// Functions over HTTP, with the real program.
#include "manifests/manifest_test.hpp"
#include "support/tcp_peer.hpp"

namespace backplane::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class HttpFunctions : public ManifestTest {
 protected:
  void SetUp() override { host_ = &run("http/functions.yaml", {{"HTTP", address_}}); }

  static std::string post(const std::string& path, const std::string& body) {
    return "POST " + path +
           " HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  }
  std::string ask(const std::string& bytes) const {
    TcpPeer peer(address_);
    peer.send(bytes);
    return peer.receive_all().value_or("no answer");
  }
  // The body of a 200, or all of another answer.
  std::string call(const std::string& path, const std::string& body) const {
    const auto answer = ask(post(path, body));
    return answer.starts_with("HTTP/1.1 200 ") ? answer.substr(answer.find("\r\n\r\n") + 4) : answer;
  }

  std::string address_ = free_endpoint();
  HostProcess* host_ = nullptr;
};

TEST_F(HttpFunctions, AreCalledWithJson) {
  EXPECT_EQ(call("/demo/add", "[1, 2]"), "3\n");
  EXPECT_EQ(call("/demo/add", R"({"b": 2, "a": 40})"), "42\n");
  EXPECT_EQ(call("/add", "[1]"), "2\n");
  EXPECT_EQ(call("/demo/echo", R"([{"deep": [null, true, 1.5, "\u00e4", {"$bin": "AAE="}]}])"),
            "{\"deep\":[null,true,1.5,\"\xc3\xa4\",{\"$bin\":\"AAE=\"}]}\n");
  EXPECT_EQ(call("/demo/count", "[3]"), "[0,1,2]\n");
  EXPECT_EQ(call("/demo/later", "[\"x\"]"), "\"x\"\n");
  EXPECT_EQ(call("/demo/active", ""), "0\n");
  expect_clean_stop(*host_);
}

TEST_F(HttpFunctions, ErrorsHaveAStatusATypeAndAMessage) {
  EXPECT_THAT(call("/demo/fail", R"(["why"])"),
              HasSubstr(R"({"error":{"type":"DemoError","message":"why"}})"));
  EXPECT_THAT(call("/demo/fail", R"(["why"])"), StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(call("/demo/add", "[1,2,3]"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(call("/demo/add", "[1,2"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(call("/demo/ad", "[]"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(call("/demo/ad", "[]"), HasSubstr("did you mean /demo/add?"));
  expect_clean_stop(*host_);
}

TEST_F(HttpFunctions, AClientThatGoesCancelsItsCall) {
  {
    TcpPeer peer(address_);
    peer.send(post("/demo/slow", "[60]"));
    ASSERT_TRUE(eventually([&] { return call("/demo/active", "") == "1\n"; }));
  }
  EXPECT_TRUE(eventually([&] { return call("/demo/active", "") == "0\n"; }));
  expect_clean_stop(*host_);
}

TEST_F(HttpFunctions, ACallUnderWayIsAnsweredWhenTheHostStops) {
  TcpPeer peer(address_);
  peer.send(post("/demo/slow", "[0.3]"));
  ASSERT_TRUE(eventually([&] { return call("/demo/active", "") == "1\n"; }));
  expect_clean_stop(*host_);
  EXPECT_THAT(peer.receive_all().value_or("no answer"), testing::EndsWith("\r\n\r\n0.3\n"));
}

TEST_F(HttpFunctions, AreDescribed) {
  EXPECT_THAT(ask("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
              HasSubstr(R"({"path":"/demo/add","help":"Add two numbers.",)"));
  EXPECT_THAT(
      ask("GET /openapi.json HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
      HasSubstr(R"({"openapi":"3.1.0","info":{"title":"functions","version":"1"},"paths":{"/demo/add":)"));
  expect_clean_stop(*host_);
}

}  // namespace
}  // namespace backplane::test
