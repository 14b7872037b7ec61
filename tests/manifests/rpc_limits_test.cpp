// What clients do wrong, and what there is too much of: each has its answer, and disturbs nobody else.
#include <deque>
#include <fstream>

#include "manifests/rpc_service.hpp"

namespace backplane::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

// A value in /proc/PID/status, in KiB.
std::int64_t memory_of(HostProcess& host, const std::string& key = "VmRSS") {
  std::istringstream all(read_file("/proc/" + std::to_string(host.process()) + "/status"));
  for (std::string line; std::getline(all, line);)
    if (line.starts_with(key + ":")) return std::stoll(line.substr(key.size() + 1));
  return -1;
}

class RpcLimits : public RpcService {
 protected:
  std::string error_of(std::string_view method, const Value& args) {
    RpcClient client(at("A"));
    try {
      client.call(method, args);
    } catch (const RpcError& error) {
      return error.name + ": " + error.message;
    }
    return "none";
  }
  std::string infi_error_of(std::string_view method, const Value& args, const Value& named = Map()) {
    RpcClient client(at("A"));
    return exception_in(client.infi(method, args, named));
  }
  void expect_good_call(RpcClient& client) { EXPECT_EQ(client.call("add", Array{1, 2}), Value(3)); }
};

// ---- calls that cannot be -----------------------------------------------------------------------------

TEST_F(RpcLimits, EveryMistakeOfACallerHasItsError) {
  auto& host = serve(service());
  EXPECT_EQ(error_of("none", Array{}), "NameError: none");
  EXPECT_EQ(error_of("_private", Array{}), "NameError: _private");
  EXPECT_THAT(error_of("add", Array{1, 2, 3}), HasSubstr("TypeError: add: takes 2 arguments (a, b), got 3"));
  EXPECT_THAT(error_of("add", Array{}), HasSubstr("TypeError: add: parameter \"a\""));
  EXPECT_THAT(error_of("count", Array{"five"}), HasSubstr("TypeError: count: parameter \"n\""));
  EXPECT_EQ(error_of("fail", Array{"why"}), "DemoError: why");
  EXPECT_EQ(error_of("crash", Array{"why"}), "RuntimeError: why");
  expect_clean_stop(host);
}

TEST_F(RpcLimits, EveryMistakeOfACallerOfInfiRpcHasItsException) {
  auto& host = serve(service());
  EXPECT_EQ(infi_error_of("none", Array{}), "InvalidRPCMethod: none");
  EXPECT_EQ(infi_error_of("_private", Array{}), "InvalidRPCMethod: _private");
  EXPECT_THAT(infi_error_of("add", Array{1, 2, 3}), HasSubstr("InvalidCallArguments: add: takes 2"));
  EXPECT_THAT(infi_error_of("add", Array{}), HasSubstr("InvalidCallArguments: add: parameter \"a\""));
  EXPECT_THAT(infi_error_of("add", Array{1}, Map{{"c", 1}}),
              HasSubstr("InvalidCallArguments: add: has no parameter"));
  EXPECT_THAT(infi_error_of("add", Array{1}, Map{{"a", 1}}),
              HasSubstr("InvalidCallArguments: add: parameter \"a\""));
  EXPECT_THAT(infi_error_of("crash", Array{"why"}), HasSubstr("InternalServerError: "));
  EXPECT_THAT(infi_error_of("crash", Array{"why"}), HasSubstr("why"));
  expect_clean_stop(host);
}

TEST_F(RpcLimits, ARequestThatIsTooLongIsAnsweredAndTheNextOneServed) {
  auto& host = serve(service("bind: \"${A}\", max_payload: 1MiB"));
  RpcClient client(at("A"));
  EXPECT_THAT(error_of("echo", Array{Bytes{std::string(2 << 20, 'x')}}),
              HasSubstr("RuntimeError: a request of 2097"));
  EXPECT_THAT(error_of("big", Array{2 << 20}),
              HasSubstr("TypeError: the result cannot be sent: it is longer"));
  const Value fits = Bytes{std::string(1'000'000, 'x')};
  EXPECT_EQ(client.call("echo", Array{fits}), fits);
  expect_clean_stop(host);
}

TEST_F(RpcLimits, ARequestOfInfiRpcThatIsTooLongIsAnswered) {
  auto& host = serve(service("bind: \"${A}\", max_payload: 1MiB"));
  EXPECT_THAT(infi_error_of("echo", Array{Bytes{std::string(2 << 20, 'x')}}),
              HasSubstr("RPCFrameworkException: a request of 2097"));
  EXPECT_THAT(infi_error_of("big", Array{2 << 20}),
              HasSubstr("InvalidReturnValue: the result cannot be sent: it is longer"));
  RpcClient client(at("A"));
  EXPECT_EQ(to_json(client.infi("add", Array{1, 2})), R"({"code":"success","result":3})");
  expect_clean_stop(host);
}

TEST_F(RpcLimits, AFrameBeyondMaxMessageSizeDisconnectsItsClientOnly) {
  auto& host = serve(service("bind: \"${A}\", max_message_size: 1MiB, heartbeat: 500ms"));
  RpcClient good(at("A"));
  const auto stream = good.request("count", Array{2});
  EXPECT_EQ(good.answer(stream).text(), "STREAM 0");
  RpcClient bad(at("A"));
  const auto channel = bad.request("slow", Array{600});
  ASSERT_TRUE(until_active(bad, 1));
  bad.send_payload(std::string(2 << 20, 'x'));
  // It goes on to beat, on another connection: that is not the client of the call.
  EXPECT_TRUE(eventually([&] {
    bad.heartbeat(channel);
    good.heartbeat(stream);
    return good.call("active") == Value(0);
  }));
  good.more(stream, 10);
  EXPECT_EQ(good.answer(stream).text(), "STREAM 1");
  expect_good_call(bad);
  expect_clean_stop(host);
}

TEST_F(RpcLimits, WideAndLongValuesComeBackUnchanged) {
  auto& host = serve(service("bind: \"${A}\", max_response_time: 60s"));
  RpcClient client(at("A"));
  Array list;
  Map map;
  for (int i = 0; i < 20'000; ++i) {
    list.push_back(i);
    map.push_back({"key " + std::to_string(i), i});
  }
  std::string long_one;
  while (long_one.size() < 20 << 20)
    long_one += "item " + std::to_string(long_one.size()) + std::string(1000, '\0');
  for (const auto& value : {Value(list), Value(map), Value(Bytes{long_one})}) {
    EXPECT_TRUE(client.call("echo", Array{value}) == value);
    EXPECT_TRUE(*client.infi("echo", Array{value}).find("result") == value);
  }
  expect_clean_stop(host);
}

TEST_F(RpcLimits, AHundredThousandNestedListsAreDropped) {
  auto& host = serve(service());
  RpcClient client(at("A"));
  auto event = encode(Value(Array{Map{{"message_id", Bytes{"deep"}}, {"v", 3}}, "echo"}));
  event[0] = '\x93';
  client.send_payload(event + std::string(100'000, '\x91') + '\x90');
  EXPECT_TRUE(host.says("an event is dropped: nested too deeply"));
  client.send_payload(std::string(100'000, '\x91'));
  expect_good_call(client);
  EXPECT_TRUE(client.silent(milliseconds(50)));
  expect_clean_stop(host);
}

TEST_F(RpcLimits, AsDeepAsPeersGoIsFine) {
  auto& host = serve(service());
  RpcClient client(at("A"));
  Value deep = Array{};
  for (int i = 0; i < 500; ++i) deep = Array{deep};
  EXPECT_EQ(client.call("echo", Array{deep}), deep);
  expect_clean_stop(host);
}

TEST_F(RpcLimits, MalformedPayloadsOnALiveSocketDisturbNoCall) {
  auto& host = serve(service());
  RpcClient good(at("A"));
  const auto running = good.request("slow", Array{1});
  const auto stream = good.request("count", Array{3});
  RpcClient bad(at("A"));
  for (const auto& each : malformed_cases()) {
    SCOPED_TRACE(each.says);
    bad.send_payload(each.payload);
    expect_good_call(good);
  }
  EXPECT_EQ(good.answer(stream).text(), "STREAM 0");
  good.more(stream, 10);
  EXPECT_EQ(good.answer(stream).text(), "STREAM 1");
  EXPECT_EQ(good.answer(running).text(), "OK [1]");
  expect_good_call(bad);
  expect_clean_stop(host);
}

// ---- addresses --------------------------------------------------------------------------------------

TEST_F(RpcLimits, AServiceListensAtSeveralAddresses) {
  auto& host = serve(service("bind: [\"${A}\", \"${B}\"]"));
  RpcClient one(at("A"));
  RpcClient other(at("B"));
  expect_good_call(one);
  expect_good_call(other);
  expect_clean_stop(host);
}

TEST_F(RpcLimits, AServiceConnectsToSeveralClientsThatBind) {
  auto& host = serve(service("connect: [\"${A}\", \"${B}\"]"));
  for (const auto* name : {"A", "B"}) {
    const auto called =
        run_backplane({"call", "zerorpc+" + at(name), "add", "[1, 2]", "--option", "bind=true"});
    EXPECT_EQ(called.output, "3\n") << called.errors;
  }
  expect_clean_stop(host);
}

// ---- ids and channels -------------------------------------------------------------------------------

TEST_F(RpcLimits, ARequestWhoseIdIsOpenIsDroppedAndTheFirstOneAnswered) {
  auto& host = serve(service());
  RpcClient client(at("A"));
  const Map header = {{"message_id", Bytes{"id"}}, {"v", 3}};
  client.send(header, "slow", Array{0.3});
  client.send(header, "add", Array{1, 2});
  EXPECT_EQ(client.answer("id").text(), "OK [0.3]");
  EXPECT_TRUE(client.silent(milliseconds(50)));
  client.send(header, "add", Array{1, 2});
  EXPECT_EQ(client.answer("id").text(), "OK [3]") << "now it is free";
  expect_clean_stop(host);
}

TEST_F(RpcLimits, EqualIdsOfTwoClientsAreTwoCalls) {
  auto& host = serve(service());
  RpcClient one(at("A"));
  RpcClient other(at("A"));
  const Map header = {{"message_id", Bytes{"id"}}, {"v", 3}};
  one.send(header, "slow", Array{0.5});
  other.send(header, "count", Array{2});
  EXPECT_EQ(other.answer("id").text(), "STREAM 0");
  one.more("id", 100);  // goes to its own call
  EXPECT_TRUE(other.silent(milliseconds(50)));
  other.more("id", 100);
  EXPECT_EQ(other.answer("id").text(), "STREAM 1");
  EXPECT_EQ(other.answer("id").text(), "STREAM_DONE null");
  EXPECT_EQ(one.answer("id").text(), "OK [0.5]");
  expect_clean_stop(host);
}

TEST_F(RpcLimits, MessagesForChannelsThatAreOverAreDropped) {
  auto& host = serve(service());
  RpcClient client(at("A"));
  const auto channel = client.request("add", Array{1, 2});
  EXPECT_EQ(client.answer(channel).text(), "OK [3]");
  for (int i = 0; i < 1000; ++i) {
    client.heartbeat(channel);
    client.more(channel, 100);
    client.send_on(channel, "OK", Array{1});
    client.heartbeat("never was");
  }
  expect_good_call(client);
  EXPECT_TRUE(client.silent(milliseconds(50)));
  expect_clean_stop(host);
}

// ---- credit -----------------------------------------------------------------------------------------

TEST_F(RpcLimits, OddCreditIsNoneAndEndlessCreditIsBounded) {
  auto& host = serve(service());
  RpcClient client(at("A"));
  const auto channel = client.request("count", Array{100});
  EXPECT_EQ(client.answer(channel).text(), "STREAM 0");
  for (const auto& odd : {Value(0), Value(-1), Value("5"), Value(), Value(2.5), Value(Array{1})})
    client.more(channel, odd);
  client.send_on(channel, "_zpc_more", Value());
  EXPECT_TRUE(client.silent(milliseconds(50)));
  for (int i = 0; i < 100; ++i) client.more(channel, UINT64_MAX);
  for (int i = 1; i < 100; ++i) ASSERT_EQ(client.answer(channel).text(), "STREAM " + std::to_string(i));
  EXPECT_EQ(client.answer(channel).text(), "STREAM_DONE null");
  expect_clean_stop(host);
}

TEST_F(RpcLimits, AReaderThatGivesCreditAndDoesNotReadFillsNoMemory) {
  auto& host = serve(service("bind: \"${A}\", send_hwm: 100, heartbeat: 0s"));
  RpcClient asking(at("A"));
  expect_good_call(asking);
  const auto before = memory_of(host);
  RpcClient reader(at("A"));
  reader.peer().set(ZMQ_RCVHWM, 10);
  const auto channel = reader.request("pump", Array{100'000});
  reader.more(channel, 1'000'000);
  // 100 GB were asked for. It goes on until the buffers are full, and then no further.
  std::int64_t pumped = -1;
  ASSERT_TRUE(eventually([&] {
    const auto now = *asking.call("pumped").get_if<std::int64_t>();
    const bool stands = now > 1 && now == pumped;
    pumped = now;
    if (!stands) std::this_thread::sleep_for(milliseconds(200));
    return stands;
  }));
  const auto after = memory_of(host);
  std::cout << pumped << " items of 100 kB were made, " << (after - before) / 1024
            << " MiB more are in use\n";
  EXPECT_LT(after - before, 400 * 1024);
  for (int i = 0; i < 1000; ++i)
    ASSERT_EQ(reader.answer(channel).name, "STREAM") << "and all come once he reads";
  EXPECT_GT(*asking.call("pumped").get_if<std::int64_t>(), pumped);
}

// ---- very many --------------------------------------------------------------------------------------

TEST_F(RpcLimits, AHundredClientsPollAtOnce) {
  auto& host = serve(service("bind: \"${A}\", max_response_time: 50ms, results: {keep: 1h}"));
  RpcClient asking(at("A"));
  const auto token = *asking.infi("slow", Array{1.0}).find("result");
  std::deque<RpcClient> clients;
  for (int i = 0; i < 100; ++i) clients.emplace_back(at("A"));
  std::map<std::string, int> told;
  while (told["success"] < 100) {
    told.clear();
    std::vector<std::string> channels;
    for (auto& client : clients) channels.push_back(client.on_call("query_async_request", Array{token}));
    for (std::size_t i = 0; i < clients.size(); ++i) {
      const auto answer = clients[i].answer(channels[i]);
      const auto* state = answer.args.get_if<Array>()->front().find("result");
      const auto& code = *state->find("code")->get_if<std::string>();
      ++told[code];
      EXPECT_EQ(*state->find("result"), code == "success" ? Value(1.0) : token);
    }
    ASSERT_EQ(told["success"] + told["deferred"], 100);
  }
  expect_clean_stop(host);
}

TEST_F(RpcLimits, SynchronizedCallsWaitForEachOther) {
  auto& host = serve(service("bind: \"${A}\", max_response_time: 60s"));
  RpcClient one(at("A"));
  RpcClient other(at("A"));
  const auto began = std::chrono::steady_clock::now();
  const auto first = one.on_call("locked", Array{0.5});
  const auto second = other.on_call("locked", Array{0.5});
  for (const auto& answer : {one.answer(first), other.answer(second)})
    EXPECT_EQ(answer.text(), R"(OK [{"code":"success","result":0.5}])");
  EXPECT_GE(std::chrono::steady_clock::now() - began, seconds(1));
  expect_clean_stop(host);
}

TEST_F(RpcLimits, TenThousandCallsAtOnceOnOneSocketAreAllAnswered) {
  constexpr int count = 10'000;
  // A period in which a slow machine answers so many heartbeats.
  auto& host = serve(service("bind: \"${A}\", heartbeat: 5s"));
  RpcClient asking(at("A"));
  expect_good_call(asking);
  const auto before = memory_of(host);
  RpcClient client(at("A"));
  client.peer().set(ZMQ_RCVHWM, 0).set(ZMQ_SNDHWM, 0);
  std::set<std::string> open;
  for (const auto& channel : begin_slow(client, count, 7)) open.insert(channel);
  std::int64_t most = 0;
  int beats = 0;
  while (!open.empty()) {
    const auto event = client.next();
    ASSERT_TRUE(event.has_value()) << open.size() << " calls have no answer";
    if (event->heartbeat()) {
      client.heartbeat(event->channel());
      if (++beats == count) most = memory_of(host);
      continue;
    }
    ASSERT_EQ(event->text(), "OK [7.0]");
    ASSERT_EQ(open.erase(event->channel()), 1u) << "answered twice";
  }
  std::cout << count << " calls under way: " << most - before << " KiB more, "
            << (most - before) * 1024 / count << " bytes each; " << beats << " heartbeats\n";
  EXPECT_GE(beats, count) << "each call is shown to live";
  EXPECT_LT((most - before) * 1024 / count, 16 * 1024);
  EXPECT_EQ(asking.call("active"), Value(0));
  expect_good_call(client);
  expect_clean_stop(host);
}

}  // namespace
}  // namespace backplane::test
