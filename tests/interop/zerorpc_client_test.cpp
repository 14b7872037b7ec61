// rpc::Client, rpc::InfiClient, the senders of rpc/one_way.hpp, the kinds and the commands that use servers,
// with servers, pullers and subscribers of Python's zerorpc and infi.rpc.
#include <backplane/rpc/client.hpp>
#include <backplane/rpc/infi_client.hpp>
#include <backplane/rpc/one_way.hpp>

#include <algorithm>
#include <csignal>
#include <future>
#include <limits>
#include <string>
#include <vector>

#include "interop/zerorpc_peers.hpp"
#include "sdk/rpc_verbs.hpp"

namespace backplane::rpc {
namespace {

using test::Child;
using test::eventually;
using test::RealInfiPeers;
using test::RealPeers;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::StartsWith;
using namespace std::chrono_literals;

// Whoever went away is noticed within three heartbeats, which are a second; a busy machine may need longer.
constexpr auto kNoticed = 6s;

// True once a host knows the functions of the servers behind it.
bool has_functions(const std::string& endpoint) {
  Client client(endpoint);
  return eventually([&] { return !client.functions().empty(); });
}

// ---- servers of zerorpc ----

constexpr auto zerorpc_server = R"(
import gevent.local

class DemoError(Exception):
    pass

class Demo:
    _active, _notes = 0, ()

    def add(self, a, b):
        """Add two numbers."""
        return a + b

    def echo(self, x, times=1):
        return x

    def fail(self, msg):
        raise DemoError(msg)

    def slow(self, seconds):
        self._active += 1
        try:
            gevent.sleep(seconds)
        finally:
            self._active -= 1
        return seconds

    @zerorpc.stream
    def count(self, n):
        self._active += 1
        try:
            yield from range(n)
        finally:
            self._active -= 1

    @zerorpc.stream
    def count_fail(self, n):
        yield from range(n)
        raise DemoError('stream broken')

    def active(self):
        return self._active

    def big(self, n):
        return (bytes(range(256)) * (n // 256 + 1))[:n]

    def note(self, *x):
        self._notes += x

    def notes(self):
        return self._notes[-100:]

    def header(self):
        return {key: value for key, value in trace.local.header.items() if key not in ('message_id', 'v')}

class Trace:
    local = gevent.local.local()

    def load_task_context(self, header):
        self.local.header = header

    def get_task_context(self):
        header = getattr(self.local, 'header', {})
        return {'trace_id': header['trace_id']} if 'trace_id' in header else {}

trace, demo = Trace(), Demo()
zerorpc.Context.get_instance().register_middleware(trace)
server = zerorpc.Server(demo, name='demo', heartbeat=HEARTBEAT)
way, endpoint = sys.argv[1:]
getattr(server, way)(endpoint)
if endpoint == ZERORPC:
    puller, subscriber = zerorpc.Puller(demo), zerorpc.Subscriber(demo)
    puller.bind(PULL)
    subscriber.bind(SUB)
    gevent.spawn(puller.run)
    gevent.spawn(subscriber.run)
gevent.spawn(server.run)
said('ready')
gevent.sleep(600)
)";

class ZerorpcServers : public RealPeers {
 protected:
  void SetUp() override {
    RealPeers::SetUp();
    if (!IsSkipped()) server_ = &serve("bind", at("ZERORPC"));
  }
  Child& serve(const std::string& way, const std::string& endpoint) {
    auto& server = start(zerorpc_server, {way, endpoint});
    EXPECT_TRUE(printed(server)) << server.errors();
    return server;
  }
  Child* server_ = nullptr;
  const ClientOptions options_{.heartbeat = 1s};
};

TEST_F(ZerorpcServers, AnswerCalls) {
  Client client(at("ZERORPC"), options_);
  EXPECT_EQ(client.call<int>("add", 1, 2), 3);
  EXPECT_EQ(client.call<double>("add", 1.5, 2), 3.5);
  EXPECT_EQ(client.call("note", "x"), Value());
  EXPECT_EQ(client.call("notes"), Value(Array{"x"}));
  for (int i = 0; i < 300; ++i) ASSERT_EQ(client.call<int>("add", i, 1), i + 1);
  EXPECT_EQ(client.dropped(), 0u);
}

TEST_F(ZerorpcServers, GiveEveryValueBackAsItWas) {
  Client client(at("ZERORPC"), options_);
  const Array values = {nullptr,
                        true,
                        0,
                        -1,
                        -33,
                        65536,
                        std::numeric_limits<std::int64_t>::min(),
                        std::numeric_limits<std::uint64_t>::max(),
                        1.0,
                        -0.0,
                        5e-324,
                        "",
                        "caf\u00e9 \U0001f600",
                        Bytes{""},
                        Bytes{std::string("\0\xff", 2)},
                        Bytes{"text"},
                        Array{},
                        Map{},
                        Map{{"b", 1}, {"a", Array{Bytes{"x"}, "x"}}},
                        Extension{5, "abc"},
                        std::string(70000, 's'),
                        Bytes{std::string(20 << 20, 'b')}};
  for (const auto& value : values) EXPECT_TRUE(encode(client.call("echo", value)) == encode(value));
  EXPECT_TRUE(encode(client.call("echo", values)) == encode(values));
  EXPECT_EQ(client.call<Bytes>("big", 300).content.substr(254, 4), std::string("\xfe\xff\0\1", 4));
}

TEST_F(ZerorpcServers, HaveManyCallsUnderWayAndAnswerEach) {
  Client client(at("ZERORPC"), options_);
  std::vector<Pending<double>> slow;
  std::vector<Pending<int>> quick;
  for (int i = 0; i < 200; ++i) slow.push_back(client.start<double>("slow", 1.0 + i));
  for (int i = 0; i < 1000; ++i) quick.push_back(client.start<int>("echo", i));
  EXPECT_TRUE(eventually([&] { return client.call<int>("active") == 200; }));
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(quick[static_cast<std::size_t>(i)].get(), i);
  EXPECT_EQ(slow[0].get(), 1.0);
  EXPECT_EQ(slow[1].get(), 2.0);
}

TEST_F(ZerorpcServers, KeepClientsThatBeat) {
  Client active(at("ZERORPC"), options_);
  Client passive(at("ZERORPC"), {.heartbeat = 1s, .passive_heartbeat = true});
  auto first = active.start<double>("slow", 3.5);
  auto second = passive.start<double>("slow", 3.5);
  EXPECT_EQ(first.get(), 3.5);
  EXPECT_EQ(second.get(), 3.5);
}

TEST_F(ZerorpcServers, KeepASlowReader) {
  Client client(at("ZERORPC"), options_);
  auto stream = client.stream<int>("count", 300);
  EXPECT_EQ(stream.next(), 0);
  EXPECT_EQ(client.call<double>("slow", 3.5), 3.5);
  for (int i = 1; i < 300; ++i) ASSERT_EQ(stream.next(), i);
  EXPECT_EQ(stream.next(), std::nullopt);
}

TEST_F(ZerorpcServers, StreamAnyNumberOfItems) {
  Client client(at("ZERORPC"), options_);
  for (const int count : {0, 1, 2, 99, 100, 101, 160, 10000}) {
    int next = 0;
    for (const int item : client.stream<int>("count", count)) ASSERT_EQ(item, next++);
    EXPECT_EQ(next, count);
  }
  for (const std::uint32_t slots : {2, 3, 4, 7, 1000}) {
    int next = 0;
    for (const int item : client.stream<int>(CallOptions{.slots = slots}, "count", 300))
      ASSERT_EQ(item, next++);
    EXPECT_EQ(next, 300) << slots;
  }
}

TEST_F(ZerorpcServers, TellTheErrorOfAStreamBehindItsItems) {
  Client client(at("ZERORPC"), options_);
  for (const int count : {0, 1, 99, 150}) {
    int items = 0;
    EXPECT_EQ(error_of([&] {
                for ([[maybe_unused]] const int item : client.stream<int>("count_fail", count)) ++items;
              }),
              "DemoError: stream broken");
    EXPECT_EQ(items, count);
  }
}

TEST_F(ZerorpcServers, GiveUpWhatTheirClientGivesUp) {
  Client client(at("ZERORPC"), options_);
  {
    auto call = client.start<double>("slow", 600);
    auto stream = client.stream<int>("count", 1'000'000);
    EXPECT_EQ(stream.next(), 0);
    EXPECT_EQ(client.call<int>("active"), 2);
  }
  EXPECT_TRUE(eventually(kNoticed, [&] { return client.call<int>("active") == 0; }));
}

TEST_F(ZerorpcServers, TellErrorsByName) {
  Client client(at("ZERORPC"), options_);
  EXPECT_THROW(client.call("fail", "no luck"), RemoteError);
  EXPECT_EQ(error_of([&] { client.call("fail", "no luck"); }), "DemoError: no luck");
  EXPECT_EQ(error_of([&] { client.call("nothing"); }), "NameError: nothing");
  EXPECT_EQ(error_of([&] { client.call("_notes"); }), "NameError: _notes");
  EXPECT_THAT(error_of([&] { client.call("add", 1); }), HasSubstr("TypeError"));
  EXPECT_EQ(client.call<int>("add", 1, 2), 3);
}

TEST_F(ZerorpcServers, AreNotWaitedForTooLong) {
  Client client(at("ZERORPC"), options_);
  EXPECT_THAT(error_of([&] { client.call_within(500ms, "slow", 1.5); }), HasSubstr("TimeoutExpired"));
  EXPECT_EQ(client.call<int>("add", 1, 2), 3);
  EXPECT_TRUE(eventually([&] { return client.dropped() > 0; })) << "the late answer came";
  EXPECT_EQ(client.call<int>("add", 1, 2), 3);
}

TEST_F(ZerorpcServers, DescribeThemselves) {
  Client client(at("ZERORPC"), options_);
  const auto service = client.inspect();
  EXPECT_EQ(service.name, "demo");
  EXPECT_EQ(service.functions.size(), 11u);
  const auto named = [&](const std::string& name) {
    return *std::find_if(service.functions.begin(), service.functions.end(),
                         [&](const auto& function) { return function.name == name; });
  };
  EXPECT_EQ(named("add").doc, "Add two numbers.");
  EXPECT_EQ(named("add").parameters->size(), 2u);
  EXPECT_EQ(named("echo").parameters->at(1).default_value, Value(1));
}

TEST_F(ZerorpcServers, GetTheContextAndGiveItBack) {
  Map heard;
  std::vector<std::string> seen;
  auto options = options_;
  options.context = {{"trace_id", "abc"}};
  options.hooks.task_context = {[] { return Map{{"user", "me"}}; }};
  options.hooks.before_request = {
      [&](const RequestInfo& request, const Array&) { seen.emplace_back(request.method); }};
  options.hooks.after_request = {[&](const RequestInfo&, const ReplyInfo& reply) { heard = reply.context; }};
  options.hooks.handle_remote_error = {
      [](const RemoteError& error) { return std::make_exception_ptr(Error("Translated", error.what())); }};
  Client client(at("ZERORPC"), options);
  EXPECT_EQ(client.call("header"), Value(Map{{"trace_id", "abc"}, {"user", "me"}}));
  EXPECT_EQ(heard, (Map{{"trace_id", "abc"}}));
  EXPECT_EQ(error_of([&] { client.call("fail", "x"); }), "Translated: x");
  EXPECT_THAT(seen, ElementsAre("header", "fail"));
}

TEST_F(ZerorpcServers, AreLostWhenTheyDieAndWhenTheyHang) {
  auto& other = serve("bind", at("INFI"));
  Client killed(at("ZERORPC"), options_);
  Client hanging(at("INFI"), options_);
  std::vector<Pending<double>> calls;
  std::vector<ItemStream<int>> streams;
  for (auto* client : {&killed, &hanging}) {
    calls.push_back(client->start<double>(CallOptions{.timeout = 0s}, "slow", 600));
    streams.push_back(client->stream<int>("count", 1'000'000));
    EXPECT_EQ(streams.back().next(), 0);
  }
  server_->signal(SIGKILL);
  other.signal(SIGSTOP);
  for (auto& call : calls) {
    EXPECT_TRUE(call.wait_for(kNoticed));
    EXPECT_THAT(error_of([&] { call.get(); }), HasSubstr("LostRemote"));
  }
  for (auto& stream : streams)
    EXPECT_THAT(error_of([&] {
                  while (stream.next()) continue;
                }),
                HasSubstr("LostRemote"));
  other.signal(SIGCONT);
  EXPECT_EQ(hanging.call<int>("add", 1, 2), 3);
}

TEST_F(ZerorpcServers, AreUsedOnAfterARestart) {
  Client client(at("ZERORPC"), options_);
  EXPECT_EQ(client.call<int>("add", 1, 2), 3);
  server_->signal(SIGKILL);
  server_->wait();
  auto before_it_is_there = client.start<int>("add", 3, 4);
  serve("bind", at("ZERORPC"));
  EXPECT_EQ(before_it_is_there.get(), 7);
  EXPECT_EQ(client.call<int>("add", 5, 6), 11);
}

TEST_F(ZerorpcServers, MayConnectToAClientThatBinds) {
  Client client("tcp://127.0.0.1:*", {.heartbeat = 1s, .bind = true});
  serve("connect", client.address());
  EXPECT_EQ(client.call<int>("add", 1, 2), 3);
  int items = 0;
  for ([[maybe_unused]] const int item : client.stream<int>("count", 200)) ++items;
  EXPECT_EQ(items, 200);
}

// ---- pullers and subscribers ----

TEST_F(ZerorpcServers, TakeWhatIsPushedAndPublished) {
  Client client(at("ZERORPC"), options_);
  const auto last_note = [&] {
    const auto notes = client.call<Array>("notes");
    return notes.empty() ? Value() : notes.back();
  };
  Pusher pusher(at("PULL"));
  for (int i = 0; i < 1000; ++i) pusher.push("note", i);
  EXPECT_TRUE(eventually([&] { return last_note() == Value(999); }));
  Publisher publisher(at("SUB"));
  publisher.wait_for_subscriber();
  publisher.publish("nothing", 1);
  for (int i = 0; i < 100; ++i) publisher.publish("note", Bytes{std::to_string(i)});
  EXPECT_TRUE(eventually([&] { return last_note() == Value(Bytes{"99"}); }));
  const auto notes = client.call<Array>("notes");
  EXPECT_EQ(notes.front(), Value(Bytes{"0"}));
}

TEST_F(ZerorpcServers, TakeWhatTheKindsPushAndPublish) {
  auto& host = this->host(
      "plugins: [zmq, zerorpc]\n"
      "components:\n"
      "  in: {kind: zmq.pull, bind: \"${INFI}\"}\n"
      "  push: {kind: zerorpc.push, connect: \"${PULL}\", method: note}\n"
      "  publish: {kind: zerorpc.pub, connect: \"${SUB}\", method: note}\n"
      "routes: [{from: in, to: [push, publish]}]\n");
  test::Peer peer(ZMQ_PUSH);
  peer.connect(at("INFI"));
  Client client(at("ZERORPC"), options_);
  const auto notes = [&] { return client.call<Array>("notes"); };
  EXPECT_TRUE(eventually([&] {
    peer.send({"again"});
    const auto taken = notes();
    return taken.size() > 1;
  }));
  peer.send({"a", "b"});
  EXPECT_TRUE(eventually([&] { return notes().back() == Value(Bytes{"b"}); }));
  EXPECT_EQ(host.stop(), 0) << host.errors();
}

// ---- the command ----

TEST_F(ZerorpcServers, AreCalledFromTheCommandLine) {
  const auto call = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"call", "zerorpc+" + at("ZERORPC"), "--option", "heartbeat=1s"});
    return test::run_backplane(arguments);
  };
  EXPECT_EQ(call({"add", "[1, 2]"}).output, "3\n");
  EXPECT_EQ(call({"echo", R"([{"$bin": "AP8="}])"}).output, "{\"$bin\":\"AP8=\"}\n");
  EXPECT_EQ(call({"count", "[3]"}).output, "[0,1,2]\n");
  const auto failed = call({"count_fail", "[2]"});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.output, AllOf(HasSubstr("DemoError"), HasSubstr("stream broken")));
  EXPECT_THAT(call({"--list"}).output, HasSubstr("Add two numbers."));
}

// ---- a host in front of servers ----

class ZerorpcFront : public ZerorpcServers {
 protected:
  void SetUp() override {
    RealPeers::SetUp();
    if (IsSkipped()) return;
    servers_ = {&serve("bind", at("FIRST")), &serve("bind", at("SECOND"))};
    front_ = &run_with_free_ports("rpc/front.yaml", [&] {
      auto environment = endpoints();
      environment["FIRST"] = at("FIRST");
      environment["SECOND"] = at("SECOND");
      environment["HEARTBEAT"] = "1s";
      return environment;
    });
    EXPECT_TRUE(is_there("FIRST") && is_there("SECOND") && has_functions(at("ZERORPC"))) << front_->errors();
  }
  // Calls that one of the servers runs.
  int active(const std::string& server) { return Client(at(server), options_).call<int>("active"); }
  bool is_there(const std::string& server, std::size_t times = 1) {
    return eventually(
        [&] { return front_->lines_with("server " + at(server) + " is there").size() >= times; });
  }
  std::vector<Child*> servers_;
  test::HostProcess* front_ = nullptr;
};

TEST_F(ZerorpcFront, PassesOnWhatRealClientsAskRealServers) {
  EXPECT_EQ(says(R"(
class Sender:
    def get_task_context(self):
        return {'trace_id': 'abc'}
context = zerorpc.Context()
context.register_middleware(Sender())
c = client(context=context)
print(c.add(1, 2), c.echo([b'x', 'x', 1.0, None]), len(c.big(1 << 20)), c.header()['trace_id'])
print(sum(c.count(1000)), list(c.count(0)), error(list, c.count_fail(3)).name, error(c.fail, 'no luck').msg)
print(error(c.nothing).name, error(c.add, 1).name, '_zerorpc_list' in c._zerorpc_list(), c._zerorpc_help('add'))
answers = [c.slow(0.5, async_=True) for _ in range(200)]
print(sum(answer.get() for answer in answers))
print(together(lambda: c.slow(3.5), lambda: client(passive_heartbeat=True).slow(3.5)))
)"),
            "3 [b'x', 'x', 1.0, None] 1048576 abc\n"
            "499500 [] DemoError no luck\n"
            "NameError TypeError False Add two numbers.\n100.0\n[3.5, 3.5]\n");
  EXPECT_EQ(front_->stop(), 0) << front_->errors();
}

TEST_F(ZerorpcFront, GoesOnWithTheServerThatIsLeft) {
  Client client(at("ZERORPC"), options_);
  std::vector<Pending<double>> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(client.start<double>("slow", 2.5));
  EXPECT_TRUE(eventually([&] { return active("FIRST") == 2 && active("SECOND") == 2; }));
  servers_[0]->signal(SIGKILL);
  int lost = 0;
  for (auto& call : calls) lost += error_of([&] { call.get(); }).starts_with("LostRemote") ? 1 : 0;
  EXPECT_EQ(lost, 2) << front_->errors();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(client.call<int>("add", i, 1), i + 1);
  serve("bind", at("FIRST"));
  EXPECT_TRUE(is_there("FIRST", 2)) << front_->errors();
  for (int i = 0; i < 10; ++i) client.call("note", i);
  EXPECT_EQ(Client(at("FIRST"), options_).call<Array>("notes").size(), 5u);
}

TEST_F(ZerorpcFront, GivesUpAtItsServersWhatItsClientsGiveUp) {
  auto& victim = start(R"(
c = client(timeout=600)
call, stream = c.slow(600, async_=True), c.count(10**6)
for item in stream: gevent.sleep(0.1)
)");
  ASSERT_TRUE(eventually([&] { return active("FIRST") + active("SECOND") == 2; })) << victim.errors();
  victim.signal(SIGKILL);
  EXPECT_TRUE(eventually(2 * kNoticed, [&] { return active("FIRST") + active("SECOND") == 0; }));
}

// ---- servers of infi.rpc ----

constexpr auto infi_server = R"(
import gevent.signal
from infi.rpc import (Server, ServiceWithSynchronized, ZeroRPCServerTransport, rpc_call, rpc_deferred, rpc_immediate,
                      synchronized)

class Closed(errors.RPCUserException):
    def __init__(self, message, wait):
        super().__init__(message)
        self.wait = wait

    def to_dict(self, *args, **named):
        return dict(super().to_dict(*args, **named), wait=self.wait)

class Demo(ServiceWithSynchronized):
    _started = 0

    @rpc_call
    def add(self, a, b=1):
        return a + b

    @rpc_call
    def echo(self, x):
        return x

    @rpc_call
    def slow(self, seconds):
        self._started += 1
        gevent.sleep(seconds)
        return seconds

    @rpc_deferred
    def later(self, x):
        return x

    @rpc_deferred
    def later_fail(self, msg):
        raise errors.RPCUserException(msg)

    @rpc_immediate
    def hold(self, seconds):
        gevent.sleep(seconds)
        return seconds

    @rpc_call
    def fail(self, msg, wait):
        raise Closed(msg, wait)

    @rpc_call
    def crash(self, msg):
        raise ValueError(msg)

    @rpc_call
    @synchronized
    def locked(self, seconds):
        gevent.sleep(seconds)
        return seconds

    @rpc_immediate
    def started(self):
        return self._started

server = Server(ZeroRPCServerTransport(INFI), Demo(), result_garbage_collector_interval=0.2,
                interval_to_keep_result=2)
gevent.signal_handler(signal.SIGTERM, server.request_shutdown)
server.bind()
said('ready')
until(server.is_shutdown_requested, 600)
server.wait_for_empty_deferred_requests()
gevent.sleep(0.2)  # unbinding drops answers that are on their way
server.unbind()
)";

class InfiServers : public RealInfiPeers {
 protected:
  void SetUp() override {
    RealInfiPeers::SetUp();
    if (!IsSkipped()) server_ = &serve();
  }
  Child& serve() {
    auto& server = start(infi_server);
    EXPECT_TRUE(printed(server)) << server.errors();
    return server;
  }
  Child* server_ = nullptr;
};

TEST_F(InfiServers, AnswerCalls) {
  InfiClient client(at("INFI"));
  EXPECT_EQ(client.call<int>("add", 2, 3), 5);
  EXPECT_EQ(client.call<int>("add", 2), 3);
  EXPECT_EQ(client.call<int>("add", 2, Named{{"b", 5}}), 7);
  EXPECT_EQ(client.call<int>("add", Named{{"a", 1}, {"b", 2}}), 3);
  EXPECT_EQ(client.call("ping"), Value());
  const Array values = {
      nullptr, true, 1, 1.0, "caf\u00e9", Bytes{"x"}, Array{1, Array{}}, Map{{"a", Bytes{"b"}}}};
  EXPECT_TRUE(encode(client.call("echo", values)) == encode(values));
}

TEST_F(InfiServers, GiveATokenForWhatTakesLong) {
  InfiClient client(at("INFI"));
  auto quick = client.deferred<double>("slow", 0.1);
  EXPECT_TRUE(quick.is_done());
  auto slow = client.deferred<double>("slow", 1.5);
  EXPECT_FALSE(slow.is_done());
  EXPECT_FALSE(slow.poll());
  EXPECT_EQ(slow.token().size(), 36u);
  EXPECT_EQ(slow.get(), 1.5);
  auto deferred = client.deferred<std::string>("later", "x");
  EXPECT_FALSE(deferred.is_done());
  EXPECT_EQ(deferred.get(), "x");
  EXPECT_EQ(client.call<double>("hold", 1.5), 1.5);
}

TEST_F(InfiServers, ArePolledFromAnyConnectionUntilTheResultExpires) {
  std::string token;
  {
    InfiClient first(at("INFI"));
    token = first.deferred("slow", 1.2).token();
  }
  InfiClient second(at("INFI"));
  EXPECT_EQ(second.adopt<double>(token).get(), 1.2);
  EXPECT_EQ(error_of([&] { second.adopt(token).get(); }), "InvalidAsyncToken: " + token);
  auto forgotten = second.deferred("later", "x");
  EXPECT_EQ(second.call<double>("slow", 3), 3);
  EXPECT_EQ(error_of([&] { forgotten.get(); }), "InvalidAsyncToken: " + forgotten.token());
}

TEST_F(InfiServers, TakeManyCallsAtOnce) {
  InfiClient client(at("INFI"), {.poll_interval = 300ms});
  std::vector<Deferred<double>> calls;
  for (int i = 0; i < 100; ++i) calls.push_back(client.start<double>("slow", 2.0));
  for (auto& call : calls) EXPECT_EQ(call.get(), 2.0);
  EXPECT_EQ(client.call<int>("started"), 100);
}

TEST_F(InfiServers, JoinCallsOfOneUuid) {
  InfiClient client(at("INFI"));
  InfiClient other(at("INFI"));
  const InfiCallOptions same{.uuid = "the one"};
  auto first = client.start<double>(same, "slow", 1.5);
  auto second = other.start<double>(same, "slow", 1.5);
  EXPECT_EQ(first.token(), "the one");
  EXPECT_EQ(second.token(), "the one");
  EXPECT_EQ(client.call<int>("started"), 1);
  EXPECT_EQ(first.get(), 1.5);
}

TEST_F(InfiServers, TellErrorsByTheirClass) {
  InfiClient client(at("INFI"));
  try {
    client.call("fail", "come back", 2.5);
    ADD_FAILURE() << "no error";
  } catch (const InfiError& error) {
    EXPECT_EQ(error.type(), "Closed");
    EXPECT_EQ(error.class_path(), "__main__.Closed");
    EXPECT_STREQ(error.what(), "come back");
    EXPECT_TRUE(error.is_a("RPCException"));
    EXPECT_FALSE(error.is_a("RPCFrameworkException"));
    EXPECT_EQ(error.attributes(), (Map{{"wait", 2.5}}));
  }
  const auto type_of = [&](auto&&... call) {
    try {
      client.call(std::forward<decltype(call)>(call)...);
    } catch (const InfiError& error) {
      return error.type() + (error.is_a("RPCFrameworkException") ? " of the framework" : "");
    }
    return std::string("no error");
  };
  EXPECT_EQ(type_of("later_fail", "no luck"), "RPCUserException");
  EXPECT_EQ(type_of("crash", "on purpose"), "InternalServerError of the framework");
  EXPECT_EQ(type_of("nothing"), "InvalidRPCMethod of the framework");
  EXPECT_EQ(type_of("query_async_request"), "InvalidCallArguments of the framework");
  EXPECT_EQ(type_of("query_async_request", "x"), "InvalidAsyncToken of the framework");
  EXPECT_THAT(error_of([&] { client.call("crash", "on purpose"); }), HasSubstr("on purpose"));
}

TEST_F(InfiServers, DescribeThemselves) {
  InfiClient client(at("INFI"));
  std::string all;
  for (const auto& function : client.functions()) {
    all += function.name;
    for (const auto& parameter : *function.parameters)
      all += ' ' + parameter.name + (parameter.default_value ? '=' + to_json(*parameter.default_value) : "");
    all += '\n';
  }
  EXPECT_THAT(all, AllOf(HasSubstr("add a b=1\n"), HasSubstr("echo x\n"), HasSubstr("started\n")));
}

TEST_F(InfiServers, ArePolledAsOftenAsTheClientWishes) {
  const auto requests_for = [&](const InfiCallOptions& of_call) {
    int requests = 0;
    InfiOptions options{.poll_interval = 300ms};
    options.hooks.before_request = {[&](const RequestInfo&, const Array&) { ++requests; }};
    InfiClient client(at("INFI"), options);
    client.call(of_call, "slow", 2);
    return requests;
  };
  auto often = std::async(std::launch::async, requests_for, InfiCallOptions());
  EXPECT_THAT(requests_for({.poll_interval = 900ms}), AllOf(Ge(3), Le(5)));
  EXPECT_THAT(often.get(), AllOf(Ge(4), Le(8)));
}

TEST_F(InfiServers, AgreeOnATimeout) {
  InfiClient client(at("INFI"), {.auto_timeout = true});
  EXPECT_EQ(client.call<double>("slow", 1.2), 1.2);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(error_of([&] { client.call("hold", 3); }), HasSubstr("TimeoutExpired"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2500ms);
  EXPECT_EQ(client.call<int>("add", 1), 2);
}

TEST_F(InfiServers, AreUsedOnAfterATimeoutAndAfterARestart) {
  InfiClient client(at("INFI"), {.timeout = 3s});
  server_->signal(SIGSTOP);
  EXPECT_THAT(error_of([&] { client.call_within(500ms, "add", 1); }), HasSubstr("TimeoutExpired"));
  server_->signal(SIGCONT);
  EXPECT_EQ(client.call<int>("add", 1), 2);
  server_->signal(SIGKILL);
  server_->wait();
  serve();
  EXPECT_EQ(client.call<int>("add", 2), 3);
  EXPECT_EQ(client.call<double>("slow", 1), 1);
}

TEST_F(InfiServers, LetTheirResultsBeFetchedWhenTheyEnd) {
  InfiClient client(at("INFI"));
  auto slow = client.deferred<double>("slow", 2);
  server_->signal(SIGTERM);
  EXPECT_EQ(slow.get(), 2);
  EXPECT_EQ(server_->wait(), 0) << server_->errors();
}

TEST_F(InfiServers, AreCalledFromTheCommandLine) {
  const auto call = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"call", "infirpc+" + at("INFI")});
    return test::run_backplane(arguments);
  };
  EXPECT_EQ(call({"add", "[2]", "--kwargs", "{\"b\": 5}"}).output, "7\n");
  EXPECT_EQ(call({"slow", "[1.2]"}).output, "1.2\n");
  std::string token = call({"later", "[\"x\"]", "--async"}).output;
  ASSERT_THAT(token, StartsWith("{\"$deferred\":\""));
  token = token.substr(token.find("\":\"") + 3, 36);
  EXPECT_THAT(call({"query_async_request", token}).output, HasSubstr(R"("result":"x")"));
  const auto failed = call({"crash", "[\"on purpose\"]"});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.output, AllOf(HasSubstr("InternalServerError"), HasSubstr("on purpose")));
}

// ---- a host in front of servers of infi.rpc ----

TEST_F(InfiServers, AreReachedThroughAHost) {
  auto& front = host(
      "plugins: [zerorpc]\n"
      "components:\n"
      "  servers: {kind: zerorpc.client, connect: \"${INFI}\", layer: infi}\n"
      "  service: {kind: zerorpc.service, bind: \"${ZERORPC}\"}\n");
  EXPECT_TRUE(has_functions(at("ZERORPC"))) << front.errors();
  Client plain(at("ZERORPC"));
  EXPECT_EQ(plain.call<int>("add", 1), 2);
  EXPECT_EQ(plain.call<double>("slow", 1.2), 1.2);
  EXPECT_EQ(error_of([&] { plain.call("fail", "come back", 2.5); }), "Closed: come back");
  EXPECT_THAT(error_of([&] { plain.call("nothing"); }), StartsWith("NameError"));
  InfiClient layered(at("ZERORPC"));
  EXPECT_EQ(layered.call<int>("add", 1, Named{{"b", 5}}), 6);
  EXPECT_EQ(layered.call<double>("slow", 1.2), 1.2);
  EXPECT_EQ(error_of([&] { layered.call("later_fail", "no luck"); }), "RPCUserException: no luck");
  EXPECT_EQ(front.stop(), 0) << front.errors();
}

}  // namespace
}  // namespace backplane::rpc
