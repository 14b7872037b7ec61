// `backplane call` with manifests/rpc/demo.yaml: what a program that reads its output and exit code gets.
#include <nlohmann/json.hpp>

#include "manifests/rpc_demo.hpp"

namespace backplane::test {
namespace {

using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::StartsWith;
using Json = nlohmann::ordered_json;
using Arguments = std::vector<std::string>;

class RpcCommand : public RpcDemo {
 protected:
  void SetUp() override { host_ = &play(); }
  HostProcess& host() { return *host_; }

  static Outcome call(const std::string& endpoint, const Arguments& more) {
    Arguments all{"call", endpoint};
    all.insert(all.end(), more.begin(), more.end());
    return run_backplane(all);
  }
  Outcome zerorpc(const Arguments& more) { return call("zerorpc+" + at("ZERORPC"), more); }
  Outcome infi(const Arguments& more) { return call("infirpc+" + at("INFI"), more); }

  // The one document of JSON that a call has printed, on one line.
  static std::string document(const Outcome& outcome) {
    const auto json = Json::parse(outcome.output, nullptr, false);
    return json.is_discarded() ? "no document: " + outcome.output : json.dump();
  }
  static void expect_result(const Outcome& outcome, const std::string& result) {
    EXPECT_EQ(document(outcome), result);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  }
  static void expect_error(const Outcome& outcome, const std::string& name, const std::string& message) {
    const auto json = Json::parse(outcome.output, nullptr, false);
    ASSERT_TRUE(json.is_object() && json.contains("error")) << outcome.output;
    EXPECT_EQ(json["error"]["name"], name);
    EXPECT_THAT(json["error"]["message"].get<std::string>(), StartsWith(message));
    EXPECT_EQ(outcome.exit_code, 1);
  }
  static std::vector<std::string> names_in(const Outcome& outcome) {
    std::vector<std::string> names;
    for (const auto& function : Json::parse(outcome.output)) names.push_back(function["name"]);
    return names;
  }

 private:
  HostProcess* host_ = nullptr;
};

// ---- results ----------------------------------------------------------------------------------------

TEST_F(RpcCommand, PrintsTheResult) {
  expect_result(zerorpc({"add", "[1, 2]"}), "3");
  expect_result(infi({"add", "[1]", "--kwargs", R"({"b": 2})"}), "3");
  expect_result(infi({"add", "[1]"}), "2");
  expect_clean_stop(host());
}

TEST_F(RpcCommand, PrintsTheItemsOfAStreamAsAList) {
  expect_result(zerorpc({"count", "[3]"}), "[0,1,2]");
  expect_result(zerorpc({"count", "[1]"}), "[0]");
  expect_result(zerorpc({"count", "[0]"}), "[]");
  const auto many = Json::parse(zerorpc({"count", "[1000]"}).output);
  EXPECT_EQ(many.size(), 1000u);
  EXPECT_EQ(many.back(), 999);
  expect_clean_stop(host());
}

TEST_F(RpcCommand, GetsEveryValueBackAsItWas) {
  for (const auto* value :
       {R"({"$bin":"AP8="})", "18446744073709551615", "-9223372036854775808", "17", "17.0", "null", "true",
        R"("ä text")", "[]", R"({"a":[1,2.5,{"b":{"$bin":""}}]})"}) {
    SCOPED_TRACE(value);
    const auto argument = "[" + std::string(value) + "]";
    expect_result(zerorpc({"echo", argument}), value);
    expect_result(infi({"echo", argument}), value);
  }
  expect_clean_stop(host());
}

TEST_F(RpcCommand, PrintsNullForNoResult) {
  expect_result(zerorpc({"note", "[1]"}), "null");
  expect_clean_stop(host());
}

// ---- failures ---------------------------------------------------------------------------------------

TEST_F(RpcCommand, PrintsAnErrorAndFails) {
  expect_error(zerorpc({"fail", R"(["why"])"}), "DemoError", "why");
  expect_error(zerorpc({"none", "[]"}), "NameError", "none");
  expect_error(zerorpc({"add", "[1]"}), "TypeError", "add: parameter \"b\"");
  expect_error(infi({"fail", R"(["why"])"}), "RPCUserException", "why");
  expect_error(infi({"none", "[]"}), "InvalidRPCMethod", "none");
  expect_error(infi({"add", "[]"}), "InvalidCallArguments", "add: parameter \"a\"");
  expect_error(infi({"crash", R"(["why"])"}), "InternalServerError", "");
  expect_clean_stop(host());
}

TEST_F(RpcCommand, PrintsTheErrorOfAStreamInsteadOfItsItems) {
  expect_error(zerorpc({"count_fail", "[3]"}), "DemoError", "stream broken");
  expect_clean_stop(host());
}

TEST_F(RpcCommand, WaitsAsLongAsItIsTold) {
  expect_error(zerorpc({"slow", "[60]", "--timeout", "0.3"}), "TimeoutExpired", "");
  expect_clean_stop(host());
}

TEST_F(RpcCommand, NoticesAServerThatFallsSilent) {
  Peer mute(ZMQ_ROUTER);
  expect_error(call("zerorpc+" + mute.bind(), {"add", "[1, 2]", "--heartbeat", "0.1", "--timeout", "60"}),
               "LostRemote", "");
  expect_clean_stop(host());
}

// ---- infi.rpc ---------------------------------------------------------------------------------------

TEST_F(RpcCommand, AsksForAResultUntilItIsThere) {
  expect_result(infi({"slow", "[1]"}), "1");
  expect_result(infi({"later", R"(["x"])"}), R"("x")");
  expect_error(infi({"later_fail", R"(["why"])"}), "RPCUserException", "why");
  expect_clean_stop(host());
}

TEST_F(RpcCommand, TakesATokenWithWhichTheResultCanBeAskedForLater) {
  const auto began = infi({"later", R"(["x"])", "--async"});
  EXPECT_EQ(began.exit_code, 0) << began.errors;
  const auto told = Json::parse(began.output);
  ASSERT_TRUE(told.is_object() && told.contains("$deferred")) << began.output;
  const auto token = told["$deferred"].dump();
  EXPECT_TRUE(eventually([&] {
    const auto asked = infi({"query_async_request", "[" + token + "]"});
    return document(asked) == R"({"code":"success","result":"x"})";
  }));
  expect_result(infi({"add", "[1, 2]", "--async"}), "3");
  expect_error(infi({"query_async_request", R"(["no such token"])"}), "InvalidAsyncToken", "no such token");
  expect_clean_stop(host());
}

// ---- what there is ----------------------------------------------------------------------------------

TEST_F(RpcCommand, ListsTheMethods) {
  EXPECT_THAT(names_in(zerorpc({"--list", "--json"})), IsSupersetOf({"add", "count", "slow"}));
  EXPECT_THAT(names_in(infi({"--list", "--json"})), IsSupersetOf({"add", "later", "slow"}));
  for (const auto& listed : {zerorpc({"--list"}), infi({"--list"})}) {
    EXPECT_THAT(listed.output, HasSubstr("add(a"));
    EXPECT_EQ(listed.exit_code, 0) << listed.errors;
  }
  expect_clean_stop(host());
}

TEST_F(RpcCommand, DescribesAMethod) {
  const auto description = [](const Outcome& outcome) {
    EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
    const auto methods = Json::parse(outcome.output);
    EXPECT_EQ(methods.size(), 1u) << outcome.output;
    return methods.at(0);
  };
  const auto of_zerorpc = description(zerorpc({"--describe", "add", "--json"}));
  EXPECT_EQ(of_zerorpc["name"], "add");
  EXPECT_EQ(of_zerorpc["help"], "Add two numbers.");
  EXPECT_EQ(of_zerorpc["parameters"].at(1)["name"], "b");
  EXPECT_EQ(of_zerorpc["parameters"].at(1)["required"], true);
  const auto of_infi = description(infi({"--describe", "add", "--json"}));
  EXPECT_EQ(of_infi["name"], "add");
  EXPECT_EQ(of_infi["help"], "") << "its servers tell none";
  EXPECT_EQ(of_infi["parameters"].at(1)["default"], 1);
  const auto none = zerorpc({"--describe", "ad"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.errors, HasSubstr("there is no function \"ad\""));
  expect_clean_stop(host());
}

// ---- one way ----------------------------------------------------------------------------------------

TEST_F(RpcCommand, PushesAndPublishes) {
  const auto pushed = call("zerorpc+" + at("PULL"), {"note", R"(["pushed"])", "--pattern", "push"});
  EXPECT_EQ(pushed.exit_code, 0) << pushed.errors;
  const auto published = call("zerorpc+" + at("SUB"), {"note", R"(["published"])", "--pattern", "publish"});
  EXPECT_EQ(published.exit_code, 0) << published.errors;
  EXPECT_TRUE(eventually([&] { return document(zerorpc({"notes", "[]"})) == R"(["pushed","published"])"; }));
  expect_clean_stop(host());
}

TEST_F(RpcCommand, FailsToPushToNobody) {
  const auto pushed =
      call("zerorpc+" + free_endpoint(), {"note", "[1]", "--pattern", "push", "--timeout", "0.2"});
  EXPECT_EQ(pushed.exit_code, 1);
  expect_clean_stop(host());
}

}  // namespace
}  // namespace backplane::test
