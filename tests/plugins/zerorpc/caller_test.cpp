// What `backplane call zerorpc+...` and `infirpc+...` do, through the boundary, against raw sockets.
#include "caller.hpp"

#include <backplane/testing/option_text.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <string>
#include <vector>

#include "support/rpc_server.hpp"

namespace backplane::zerorpc {
namespace {

using test::Peer;
using test::RpcEvent;
using test::RpcServer;
using test::ServingRpcServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

// The program's side of a client T.
template <typename T>
class Program {
 public:
  explicit Program(std::string endpoint, const OptionTexts& options = {},
                   std::chrono::nanoseconds timeout = test::kPatience)
      : endpoint_(std::move(endpoint)) {
    for (const auto& option : T::options) {
      if (option.default_text != nullptr)
        options_[option.name] = backplane::detail::convert_option(option, option.default_text, false);
      for (const auto& [name, written] : options.all)
        if (name == option.name) options_[name] = backplane::detail::convert_option(option, written, true);
    }
    caller_.size = sizeof caller_;
    caller_.context = this;
    caller_.timeout = timeout.count();
    caller_.option = [](const bp_caller* caller, const char* name, bp_value* value) {
      auto& known = static_cast<Program*>(caller->context)->options_;
      const auto found = known.find(name);
      if (found == known.end()) return -1;
      *value = found->second.view();
      return 0;
    };
    caller_.log = [](const bp_caller*, std::uint32_t, bp_text) {};
    caller_.interrupted = [](const bp_caller*) -> std::int32_t { return 0; };
  }

  // The results as JSON, in a stream's with its marks; or the error, "type: text".
  std::vector<std::string> call(const std::string& function, Array arguments = {}, Map named = {},
                                std::uint32_t flags = BP_STREAM, std::size_t wanted = 1000) {
    const std::string frames[] = {encode(Value(std::move(arguments))), encode(Value(std::move(named)))};
    const bp_text texts[] = {to_text(frames[0]), to_text(frames[1])};
    const bp_client_call call{sizeof(bp_client_call), BP_MSGPACK, flags, 2, to_text(function), texts};
    Taken taken{{}, wanted};
    with_client(
        [&](void* client, bp_error& error) { return table.call(client, &call, &take, &taken, &error); },
        taken.results);
    return taken.results;
  }
  // The functions, "name(parameter=default) help".
  std::vector<std::string> functions() {
    std::vector<std::string> told;
    with_client([&](void* client, bp_error& error) { return table.functions(client, &tell, &told, &error); },
                told);
    return told;
  }

 private:
  static constexpr bp_client table = backplane::detail::client_of<T>();
  struct Taken {
    std::vector<std::string> results;
    std::size_t wanted;
  };

  template <typename Use>
  void with_client(Use use, std::vector<std::string>& results) {
    bp_error error{};
    void* client = table.open(&caller_, to_text(endpoint_), &error);
    if (client == nullptr || use(client, error) != 0)
      results.push_back(std::string(error.type) + ": " + error.message);
    if (client != nullptr) table.close(client);
  }
  static std::int32_t take(void* context, const bp_result* result) {
    auto& taken = *static_cast<Taken*>(context);
    std::string line;
    if ((result->flags & BP_STREAM) != 0) line += "item ";
    if ((result->flags & BP_STREAM_END) != 0) line += "end";
    if ((result->flags & BP_DEFERRED) != 0) line += "token ";
    if (result->content.size > 0) line += to_json(decode(to_view(result->content)));
    taken.results.push_back(line);
    return taken.results.size() < taken.wanted ? 0 : 1;
  }
  static void tell(void* context, const bp_function* function) {
    auto line = std::string(function->name) + "(";
    for (std::size_t i = 0; i < function->parameter_count; ++i) {
      const auto& parameter = function->parameters[i];
      line += (i > 0 ? ", " : "") + std::string(parameter.name);
      if (parameter.default_json != nullptr) line += "=" + std::string(parameter.default_json);
    }
    static_cast<std::vector<std::string>*>(context)->push_back(line + ") " + function->help);
  }

  std::string endpoint_;
  std::map<std::string, backplane::detail::ConvertedOption, std::less<>> options_;
  bp_caller caller_{};
};

// ---- ZeroRPC ----

// add, count, none, fail; tells what it offers.
void serve(RpcServer& server, const RpcEvent& event) {
  if (event.name == "echo") return server.ok(event, (*event.args.get_if<Array>())[0]);
  if (event.name == "trace") return server.ok(event, event.trace_id);
  if (event.name == "count") return server.send(event, "STREAM", 0);
  if (event.name == "_zpc_more") {
    server.send(event, "STREAM", 1);
    return server.send(event, "STREAM_DONE", {});
  }
  if (event.name == "none") return server.send(event, "STREAM_DONE", {});
  if (event.name == "old") return server.send(event, "ERR", RpcServer::list("old and short"));
  if (event.name == "_zerorpc_inspect") {
    const Array parameters{Map{{"name", "self"}}, Map{{"name", "a"}}, Map{{"name", "b"}, {"default", "x"}}};
    return server.ok(event, Map{{"name", "demo"},
                                {"methods", Map{{"add", Map{{"args", parameters}, {"doc", "Adds."}}},
                                                {"what", Map{{"args", nullptr}, {"doc", nullptr}}}}}});
  }
  if (event.name != "silent") server.fail(event, "NameError", event.name.c_str());
}

TEST(ZerorpcCaller, CallsAndHandsOverTheResult) {
  ServingRpcServer server(serve);
  Program<ZerorpcCaller> program(server.endpoint());
  EXPECT_THAT(program.call("echo", {Bytes{"\x01"}}), ElementsAre(R"({"$bin":"AQ=="})"));
  EXPECT_THAT(program.call("echo", {nullptr}), ElementsAre("null"));
}

TEST(ZerorpcCaller, HandsOverTheItemsOfAStream) {
  ServingRpcServer server(serve);
  Program<ZerorpcCaller> program(server.endpoint());
  EXPECT_THAT(program.call("count"), ElementsAre("item 0", "item 1", "end"));
  EXPECT_THAT(program.call("none"), ElementsAre("end"));
  EXPECT_THAT(program.call("count", {}, {}, BP_STREAM, 1), ElementsAre("item 0"));
}

TEST(ZerorpcCaller, ErrorsKeepTheirNames) {
  ServingRpcServer server(serve);
  Program<ZerorpcCaller> program(server.endpoint());
  EXPECT_THAT(program.call("nothing"), ElementsAre("NameError: nothing"));
  EXPECT_THAT(program.call("old"), ElementsAre("RemoteError: old and short"));
  EXPECT_THAT(program.call("echo", {"\xff"}), ElementsAre(HasSubstr("TypeError: ")));
  EXPECT_THAT(program.call("echo", {1}, {{"x", 1}}),
              ElementsAre("InvalidCallArguments: methods of ZeroRPC have no named arguments"));
}

TEST(ZerorpcCaller, SilenceIsATimeoutOrALoss) {
  RpcServer server;
  EXPECT_THAT(Program<ZerorpcCaller>(server.endpoint(), {}, 50ms).call("silent"),
              ElementsAre("TimeoutExpired: timeout after 0.05s, when calling remote method silent"));
  EXPECT_THAT(Program<ZerorpcCaller>(server.endpoint(), {{"heartbeat", "20ms"}}).call("silent"),
              ElementsAre("LostRemote: Lost remote after 0.04s heartbeat"));
  EXPECT_THAT(Program<ZerorpcCaller>(server.endpoint(), {{"heartbeat", "0s"}}, 50ms).call("silent"),
              ElementsAre(HasSubstr("TimeoutExpired")));
}

TEST(ZerorpcCaller, SendsContext) {
  ServingRpcServer server(serve);
  EXPECT_THAT(Program<ZerorpcCaller>(server.endpoint(), {{"context", "[trace_id=a=b]"}}).call("trace"),
              ElementsAre("\"a=b\""));
  EXPECT_THAT(Program<ZerorpcCaller>(server.endpoint(), {{"context", "[nothing]"}}).call("trace"),
              ElementsAre("InvalidOption: context=\"nothing\" is not KEY=VALUE"));
}

TEST(ZerorpcCaller, ASignalWaitsForNothing) {
  RpcServer server;
  EXPECT_THAT(Program<ZerorpcCaller>(server.endpoint()).call("note", {1}, {}, BP_SIGNAL), ElementsAre());
  EXPECT_EQ(server.request().name, "note");
}

TEST(ZerorpcCaller, MayBindForAServerThatConnects) {
  const auto endpoint = test::free_endpoint();
  auto result = std::async(std::launch::async, [&] {
    return Program<ZerorpcCaller>(endpoint, {{"bind", "true"}}).call("add");
  });
  RpcServer server(endpoint, RpcServer::Side::connects);
  server.ok(server.request(), 3);
  EXPECT_THAT(result.get(), ElementsAre("3"));
}

TEST(ZerorpcCaller, TellsTheFunctions) {
  ServingRpcServer server(serve);
  EXPECT_THAT(Program<ZerorpcCaller>(server.endpoint()).functions(),
              ElementsAre("add(a, b=\"x\") Adds.", "what(...) "));
}

TEST(ZerorpcCaller, APushWaitsForAPuller) {
  const auto endpoint = test::free_endpoint();
  auto result = std::async(std::launch::async, [&] {
    return Program<ZerorpcCaller>(endpoint, {{"pattern", "push"}}).call("note", {"pushed"});
  });
  Peer puller(ZMQ_PULL);
  puller.bind(endpoint);
  const auto frames = puller.receive();
  ASSERT_TRUE(frames && frames->size() == 1);
  rpc::Event event;
  ASSERT_EQ(rpc::read_event(frames->at(0), event), nullptr);
  EXPECT_EQ(event.name, "note");
  EXPECT_THAT(result.get(), ElementsAre());
  EXPECT_THAT(Program<ZerorpcCaller>(test::free_endpoint(), {{"pattern", "push"}}, 20ms).call("note"),
              ElementsAre(HasSubstr("TimeoutExpired: no puller at")));
}

TEST(ZerorpcCaller, APublishWaitsForASubscriber) {
  const auto endpoint = test::free_endpoint();
  auto result = std::async(std::launch::async, [&] {
    return Program<ZerorpcCaller>(endpoint, {{"pattern", "publish"}}).call("note", {"published"});
  });
  Peer subscriber(ZMQ_SUB);
  subscriber.subscribe().bind(endpoint);
  EXPECT_TRUE(subscriber.receive());
  EXPECT_THAT(result.get(), ElementsAre());
  EXPECT_THAT(Program<ZerorpcCaller>(test::free_endpoint(), {{"pattern", "publish"}}, 20ms).call("note"),
              ElementsAre(HasSubstr("TimeoutExpired: no subscriber at")));
}

// ---- infi.rpc ----

Value success(Value result) { return Map{{"code", "success"}, {"result", std::move(result)}}; }

std::string method_of(const RpcEvent& event) {
  const auto& call = *(*event.args.get_if<Array>())[0].get_if<Array>();
  return *call[0].find("method")->get_if<std::string>();
}

// add, slow (done at the first poll), fail; anything else is told what was called.
void serve_infi(RpcServer& server, const RpcEvent& event) {
  const auto& call = *(*event.args.get_if<Array>())[0].get_if<Array>();
  const auto method = method_of(event);
  if (method == "slow") return server.ok(event, Map{{"code", "deferred"}, {"result", "the-token"}});
  if (method == "query_async_request") return server.ok(event, success(success("done")));
  if (method == "fail")
    return server.ok(event, Map{{"code", "error"},
                                {"exception", Map{{"pickled", R"({"py/object": "my.service.OutOfPaper"})"},
                                                  {"message", "no paper"},
                                                  {"args", RpcServer::list("no paper")}}}});
  if (method == "get_rpc_max_response_time") return server.ok(event, success(0.5));
  if (method == "get_rpc_method_names") return server.ok(event, success(RpcServer::list("add")));
  if (method == "get_rpc_ipython_argspec")
    return server.ok(event, success(Array{Array{"self", "a", "b"}, nullptr, nullptr, RpcServer::list(1)}));
  if (method == "silent") return;
  server.ok(event, success(Array{call[1], call[2], *call[0].find("request_id_tag")}));
}

TEST(InfiCaller, CallsWithNamedArguments) {
  ServingRpcServer server(serve_infi);
  EXPECT_THAT(Program<InfiCaller>(server.endpoint(), {{"tag", "0011aabb"}}).call("add", {2}, {{"b", 3}}),
              ElementsAre(R"([[2],{"b":3},"0011aabb"])"));
}

TEST(InfiCaller, AsksForTheTimeOfAnAnswerWhenItIsToldTo) {
  for (const auto* told : {"false", "true"}) {
    std::atomic<int> asked = 0;
    ServingRpcServer server([&](RpcServer& self, const RpcEvent& event) {
      if (method_of(event) == "get_rpc_max_response_time") ++asked;
      serve_infi(self, event);
    });
    EXPECT_THAT(Program<InfiCaller>(server.endpoint(), {{"auto_timeout", told}}).call("add"),
                ElementsAre("[[],{},null]"));
    EXPECT_EQ(asked, told == std::string("true") ? 1 : 0);
  }
}

TEST(InfiCaller, WaitsForADeferredResultUnlessATokenWillDo) {
  ServingRpcServer server(serve_infi);
  Program<InfiCaller> program(server.endpoint(), {{"poll_interval", "1ms"}});
  EXPECT_THAT(program.call("slow"), ElementsAre("\"done\""));
  EXPECT_THAT(program.call("slow", {}, {}, BP_STREAM | BP_DEFERRED), ElementsAre("token \"the-token\""));
  EXPECT_THAT(program.call("add", {1}, {}, BP_STREAM | BP_DEFERRED), ElementsAre("[[1],{},null]"));
}

TEST(InfiCaller, ErrorsHaveTheNameOfTheirClass) {
  ServingRpcServer server(serve_infi);
  EXPECT_THAT(Program<InfiCaller>(server.endpoint()).call("fail"), ElementsAre("OutOfPaper: no paper"));
  EXPECT_THAT(Program<InfiCaller>(server.endpoint(), {}, 50ms).call("silent"),
              ElementsAre("TimeoutExpired: timeout after 0.05s, when calling remote method silent"));
}

TEST(InfiCaller, ASignalWaitsForNothing) {
  RpcServer server;
  EXPECT_THAT(Program<InfiCaller>(server.endpoint()).call("note", {1}, {}, BP_SIGNAL), ElementsAre());
  EXPECT_EQ(server.request().name, "on_call");
}

TEST(InfiCaller, TellsTheFunctions) {
  ServingRpcServer server(serve_infi);
  EXPECT_THAT(Program<InfiCaller>(server.endpoint()).functions(), ElementsAre("add(a, b=1) "));
}

}  // namespace
}  // namespace backplane::zerorpc
