// The host with clients of Python's zerorpc and infi.rpc, with zerorpc's command line tool, pushers and
// publishers.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "interop/zerorpc_peers.hpp"

namespace backplane::test {
namespace {

using testing::HasSubstr;

// ---- clients of zerorpc --------------------------------------------------------------------------------

// A client that went away is noticed within three heartbeats, and a busy machine may need longer.
constexpr std::chrono::seconds kLost{6};

class ZerorpcClients : public RealPeers {
 protected:
  void SetUp() override {
    RealPeers::SetUp();
    if (!IsSkipped()) host_ = &play(kHeartbeat);
  }
  // Another client, which has nothing of Python's.
  RpcClient& watcher() {
    if (!watcher_) watcher_.emplace(at("ZERORPC"));
    return *watcher_;
  }
  bool active_calls(int count, std::chrono::nanoseconds limit = kPatience) {
    return eventually(limit, [&] { return watcher().call("active") == Value(count); });
  }
  HostProcess* host_ = nullptr;

 private:
  std::optional<RpcClient> watcher_;
};

TEST_F(ZerorpcClients, AreAnswered) {
  EXPECT_EQ(says(R"(
c = client()
print(c.add(1, 2), c.add(1.5, 2), c.note('x'), c.notes(), c.echo([[1], []]))
print(sum(c.add(i, 1) for i in range(500)))
)"),
            "3 3.5 None ['x'] [[1], []]\n125250\n");
  EXPECT_EQ(host_->stop(), 0) << host_->errors();
}

TEST_F(ZerorpcClients, GetEveryValueBackAsItWas) {
  EXPECT_EQ(says(R"(
from msgpack import ExtType, Timestamp
integers = [0, -1, 127, 128, -32, -33, 255, 256, 2**16, 2**32 - 1, 2**32, 2**63, 2**64 - 1, -2**31 - 1, -2**63]
reals = [1.0, -0.0, 0.1, 5e-324, 1e308, float('inf'), float('nan')]
texts = ['', 'caf\u00e9 \U0001f600 \x00', b'', b'\x00\xff', 'same', b'same']
others = [None, True, False, [], {}, [[{}]], {'z': 1, 'a': {b'k': 'v'}}, ExtType(5, b'abc'), Timestamp(9, 8)]
c = client()
for value in integers + reals + texts + others + [integers + reals + texts + others]:
    if repr(c.echo(value)) != repr(value): print(value, 'became', c.echo(value))
print(c.echo((1, (2,))))
)"),
            "[1, [2]]\n");
}

TEST_F(ZerorpcClients, MaySendLongWideAndDeepData) {
  EXPECT_EQ(says(R"(
c = client()
def same(value):
    if c.echo(value) != value: print('changed:', type(value), len(value))
for n in 15, 16, 31, 32, 255, 256, 65535, 65536:
    for value in 's' * n, b'b' * n, list(range(n)), {str(i): i for i in range(n)}: same(value)
deep = []
for _ in range(400): deep = [deep]
same(deep)
same(os.urandom(1 << 20))
same(os.urandom(1 << 20) * 20)
print(c.big(20 << 20) == bytes(range(256)) * (20 << 12), c.big(0), len(c.big(300)))
)"),
            "True b'' 300\n");
}

TEST_F(ZerorpcClients, MayHaveIdsOfTextOfBytesAndOfNumbers) {
  EXPECT_EQ(says(R"(
class Ids(zerorpc.Context):
    def use(self, make):
        self.__dict__['new_msgid'] = make
        return self
def counted(first):
    last = [first]
    def next_one():
        last[0] += 1
        return last[0]
    return next_one
for make in lambda: str(uuid.uuid4()), lambda: uuid.uuid4().bytes, counted(0), counted(2**40):
    c = client(context=Ids().use(make))
    print(c.add(1, 2), sum(c.count(150)))
)"),
            "3 11175\n3 11175\n3 11175\n3 11175\n");
}

TEST_F(ZerorpcClients, WithEqualIdsAreNotMixedUp) {
  EXPECT_EQ(says(R"(
class Ids(zerorpc.Context):
    def new_msgid(self):
        self.__dict__['last'] = self.__dict__.get('last', 0) + 1
        return b'%032d' % self.last
clients = [client(context=Ids()) for _ in range(3)]
answers = [c.slow(0.5 + i / 10, async_=True) for i, c in enumerate(clients)]
streams = [c.count(200 + i) for i, c in enumerate(clients)]
print([len(list(stream)) for stream in streams], [answer.get() for answer in answers])
)"),
            "[200, 201, 202] [0.5, 0.6, 0.7]\n");
}

TEST_F(ZerorpcClients, MayHaveAThousandCallsUnderWay) {
  EXPECT_EQ(says(R"(
c = client()
answers = [c.echo({'n': i}, async_=True) for i in range(1000)]
print([answer.get() for answer in answers] == [{'n': i} for i in range(1000)])
)"),
            "True\n");
}

TEST_F(ZerorpcClients, AreAnsweredInTheOrderInWhichTheWorkEnds) {
  EXPECT_EQ(says(R"(
c, ended = client(), []
for seconds in 1.2, 0.7, 0.2:
    c.slow(seconds, async_=True).rawlink(lambda answer: ended.append(answer.get()))
until(lambda: len(ended) == 3)
print(ended)
)"),
            "[0.2, 0.7, 1.2]\n");
}

TEST_F(ZerorpcClients, RunTwoHundredSlowCallsAtOnce) {
  EXPECT_EQ(says(R"(
c = client()
def all_of_them():
    answers = [c.slow(2, async_=True) for _ in range(200)]
    until(lambda: c.active() == 200)
    print(sum(answer.get() for answer in answers))
print(seconds_of(all_of_them) < 2 + 2 * LATE, c.active())
)"),
            "400\nTrue 0\n");
}

TEST_F(ZerorpcClients, AreKeptByHeartbeatsThroughLongCalls) {
  EXPECT_EQ(says(R"(
active, passive, without = client(), client(passive_heartbeat=True), client(heartbeat=None)
print(together(lambda: active.slow(3.5), lambda: passive.slow(3.5), lambda: without.slow(0.5)))
)"),
            "[3.5, 3.5, 0.5]\n");
}

TEST_F(ZerorpcClients, KilledInTheirCallsGiveThemUp) {
  auto& first = start("client(timeout=600).slow(600)");
  auto& second = start("client(timeout=600, passive_heartbeat=True).slow(600)");
  ASSERT_TRUE(active_calls(2)) << first.errors() << second.errors();
  first.signal(SIGKILL);
  second.signal(SIGKILL);
  EXPECT_TRUE(active_calls(0, kLost));
}

TEST_F(ZerorpcClients, ThatHangAreGivenUpAndFindOut) {
  auto& victim = start("said(type(error(client(timeout=600).slow, 600)).__name__)");
  ASSERT_TRUE(active_calls(1)) << victim.errors();
  victim.signal(SIGSTOP);
  EXPECT_TRUE(active_calls(0, kLost));
  victim.signal(SIGCONT);
  EXPECT_EQ(output_of(victim), "LostRemote\n");
}

TEST_F(ZerorpcClients, KilledInTheirStreamsLeaveNothingOpen) {
  std::vector<Child*> victims;
  for (int i = 0; i < 3; ++i)
    victims.push_back(&start("for item in client().count(10**6): said(item); gevent.sleep(0.1)"));
  for (auto* victim : victims) ASSERT_TRUE(printed(*victim, 5)) << victim->errors();
  for (auto* victim : victims) victim->signal(SIGKILL);
  EXPECT_EQ(host_->stop(kLost), 0) << "it ends when no conversation is open: " << host_->errors();
}

TEST_F(ZerorpcClients, LearnThatTheHostWasKilled) {
  auto& program = start(R"(
def read_on():
    for item in client().count(10**6): gevent.sleep(0.01)
print(together(lambda: type(error(client(timeout=600).slow, 600)), lambda: type(error(read_on))) ==
      [zerorpc.LostRemote] * 2)
)");
  ASSERT_TRUE(active_calls(1)) << program.errors();
  host_->signal(SIGKILL);
  EXPECT_EQ(program.wait(kLost), 0);
  EXPECT_EQ(program.output(), "True\n") << program.errors();
}

TEST_F(ZerorpcClients, GoOnWithAHostThatWasStartedAgain) {
  auto& program = start(R"(
c = client()
print(type(error(c.slow, 600, timeout=600)).__name__, c.add(3, 4), sum(c.count(200)))
)");
  ASSERT_TRUE(active_calls(1)) << program.errors();
  host_->signal(SIGKILL);
  host_->wait();
  auto& again = run("rpc/demo.yaml", endpoints());
  EXPECT_EQ(output_of(program), "LostRemote 7 19900\n");
  EXPECT_EQ(again.stop(), 0) << again.errors();
}

// ---- streams ----

TEST_F(ZerorpcClients, ReadStreamsOfAnyLength) {
  EXPECT_EQ(says(R"(
c = client()
for n in 0, 1, 2, 99, 100, 101, 160, 10000:
    if list(c.count(n)) != list(range(n)): print('wrong:', n)
for slots in 2, 3, 4, 7, 1000:
    if list(c.count(300, slots=slots)) != list(range(300)): print('wrong with slots:', slots)
print(together(*[lambda: sum(c.count(500))] * 20) == [124750] * 20)
)"),
            "True\n");
}

TEST_F(ZerorpcClients, GetTheErrorOfAStreamBehindItsItems) {
  EXPECT_EQ(says(R"(
c = client()
print(error(c.count_fail, 0).name)
for n in 1, 5, 99, 100, 150:
    got = []
    def read():
        for item in c.count_fail(n): got.append(item)
    failure = error(read)
    print(failure.name, failure.msg, got == list(range(n)))
)"),
            "DemoError\n"
            "DemoError stream broken True\nDemoError stream broken True\nDemoError stream broken True\n"
            "DemoError stream broken True\nDemoError stream broken True\n");
}

TEST_F(ZerorpcClients, MayReadSlowly) {
  EXPECT_EQ(says(R"(
c = client()
def slowly():
    items = []
    for item in c.count(300):
        items.append(item)
        if item in (0, 150): gevent.sleep(1.7)
    return items == list(range(300))
def meanwhile():
    return max(seconds_of(c.add, 1, 2) for _ in range(50)) < LATE and sum(c.count(1000))
print(together(slowly, meanwhile, lambda: client().slow(3.5)))
)"),
            "[True, 499500, 3.5]\n");
}

TEST_F(ZerorpcClients, AreSentNoMoreThanTheyGaveCreditFor) {
  EXPECT_EQ(says(R"(
c, credit, least = client(), {}, []
events = c._events
emit, receive = events.emit_event, events.recv
def emitting(event, *more):
    if event.name == '_zpc_more': credit[event.header['response_to']] += event.args[0]
    if 'response_to' not in event.header: credit[event.header['message_id']] = 1
    return emit(event, *more)
def receiving(*args, **named):
    event = receive(*args, **named)
    if event.name in ('STREAM', 'STREAM_DONE', 'ERR'):
        credit[event.header['response_to']] -= 1
        least.append(credit[event.header['response_to']])
    return event
events.emit_event, events.recv = emitting, receiving
for slots in 2, 4, 100:
    for item in c.count(400, slots=slots):
        if item % 100 == 0: gevent.sleep(0.1)
print(len(least), min(least))
)"),
            "1203 0\n");
}

TEST_F(ZerorpcClients, MayLeaveAStream) {
  auto& program = start(R"(
c = client()
stream = c.count(10**6)
for _ in range(5): next(stream)
gevent.sleep(1)  # closed while an item comes in, Python's client may never read again
stream.close()
said(c.add(1, 2))
gevent.sleep(600)
)");
  ASSERT_TRUE(printed(program)) << program.errors();
  EXPECT_EQ(host_->stop(kLost), 0) << "it ends when no conversation is open: " << host_->errors();
}

// ---- errors, timeouts, introspection ----

TEST_F(ZerorpcClients, GetErrorsByName) {
  EXPECT_EQ(says(R"(
c = client()
def told(*call):
    failure = error(c, *call)
    print(failure.name, repr(failure.msg), '/' in (failure.traceback or ''))
told('fail', 'no luck')
told('nothing', 1)
for name in '_x', '__init__', '_notes', '_zerorpc_nothing': told(name)
for call in ('add',), ('add', 1), ('add', 1, 2, 3), ('add', None, []), ('count',): print(error(c, *call).name)
print('no luck' in str(error(c.fail, 'no luck')), c.add(1, 2))
)"),
            "DemoError 'no luck' False\nNameError 'nothing' False\n"
            "NameError '_x' False\nNameError '__init__' False\nNameError '_notes' False\n"
            "NameError '_zerorpc_nothing' False\n"
            "TypeError\nTypeError\nTypeError\nTypeError\nTypeError\nTrue 3\n");
}

TEST_F(ZerorpcClients, MayGiveUpWaiting) {
  EXPECT_EQ(says(R"(
c = client()
stream = c.count(3, timeout=0.5)  # which is for its first item
print(type(error(c.slow, 1.5, timeout=0.5)).__name__, c.add(1, 2), next(stream))
gevent.sleep(1.5)
print(list(stream), c.add(1, 2))
)"),
            "TimeoutExpired 3 0\n[1, 2] 3\n");
}

TEST_F(ZerorpcClients, AreToldWhatThereIs) {
  EXPECT_EQ(
      says(R"(
c = client()
print(c._zerorpc_ping(), c._zerorpc_name(), sorted(c._zerorpc_list()))
print(c._zerorpc_help('add'), c._zerorpc_args('add'))
all = c._zerorpc_inspect()
print(sorted(all), all['name'], sorted(all['methods']) == sorted(c._zerorpc_list()), all['methods']['add'])
print({tuple(sorted(method)) for method in all['methods'].values()})
print([(error(c, ask, 'nothing').name, error(c, ask, 'nothing').msg) for ask in ('_zerorpc_help', '_zerorpc_args')])
)"),
      "['pong', 'demo'] demo ['active', 'add', 'big', 'count', 'count_fail', 'echo', 'fail', 'note', "
      "'notes', 'slow']\n"
      "Add two numbers. [['a', 'b'], None, None, None]\n"
      "['methods', 'name'] demo True {'args': [{'name': 'a'}, {'name': 'b'}], 'doc': 'Add two numbers.'}\n"
      "{('args', 'doc')}\n"
      "[('KeyError', 'nothing'), ('KeyError', 'nothing')]\n");
}

// ---- headers and middleware ----

constexpr auto middleware_of_client = R"(
class Sender:
    def __init__(self, header):
        self.header, self.replies = header, []
    def get_task_context(self):
        return self.header
    def client_after_request(self, request, reply, exception=None):
        self.replies.append(reply)
def sending(header):
    sender, context = Sender(header), zerorpc.Context()
    context.register_middleware(sender)
    return client(context=context), sender.replies
)";

TEST_F(ZerorpcClients, GetTheirTraceIdBackAndNoOtherKey) {
  EXPECT_EQ(says(middleware_of_client + std::string(R"(
c, replies = sending({'trace_id': 'abc', 'other': [1, {'y': None}], b'bin': b'x', 'none': None})
print(c.add(1, 2), error(c.fail, 'x').name, list(c.count(2)))
for reply in replies: print(reply.name, sorted(reply.header), reply.header['trace_id'])
)")),
            "3 DemoError [0, 1]\n"
            "OK ['message_id', 'response_to', 'trace_id', 'v'] abc\n"
            "ERR ['message_id', 'response_to', 'trace_id', 'v'] abc\n"
            "STREAM_DONE ['message_id', 'response_to', 'trace_id', 'v'] abc\n");
}

// Hosts with other components than the demo's.
class ZerorpcComponents : public RealPeers {
 protected:
  HostProcess& host(const std::string& service, const std::string& more = {}) {
    return RealPeers::host("plugins: [demo, zerorpc, \"" TEST_PLUGINS
                           "/handlers.so\"]\n"
                           "components:\n"
                           "  functions: {kind: demo.zerorpc}\n"
                           "  service: {kind: zerorpc.service, heartbeat: 1s, " +
                           service + "}\n" + more);
  }
};

TEST_F(ZerorpcComponents, BlockTheirThreadsAndHoldNobodyUp) {
  auto& blocked = host(R"(bind: "${ZERORPC}")", "  blocking: {kind: handlers.blocking, loop: theirs}\n");
  EXPECT_EQ(says(R"(
a, b, c = client(), client(passive_heartbeat=True), client()
print(together(lambda: a.block_worker(3.5), lambda: b.block_worker(3.5), lambda: c.block_loop(3.5),
               lambda: a.block_worker(3.5), lambda: max(seconds_of(c.add, 1, 2) for _ in range(20)) < LATE,
               lambda: sum(b.count(300)), lambda: len(c._zerorpc_list())))
)"),
            "[3.5, 3.5, 3.5, 3.5, True, 44850, 12]\n");
  EXPECT_EQ(blocked.stop(), 0) << blocked.errors();
}

TEST_F(ZerorpcComponents, LookAtCallsAsMiddleware) {
  host("bind: \"${ZERORPC}\", middleware: witness", "  witness: {kind: handlers.witness}\n");
  EXPECT_EQ(says(middleware_of_client + std::string(R"(
c, replies = sending({'user': 'me'})
def seen():
    return c.seen()[:-3]  # without what it saw of this call
print(c.add(1, 2), seen(), replies[0].header['served_by'])
print(error(c.note, 'x').name, seen()[1:])
print(error(c.fail, 'x').name, seen()[1:], list(c.count(2)), seen()[1:])
)")),
            "3 ['load \"me\"', 'before [1,2]', 'get \"add\"', 'after 3'] witness\n"
            "Forbidden ['load \"me\"', 'before [\"x\"]', 'error \"Forbidden\"']\n"
            "DemoError ['load \"me\"', 'before [\"x\"]', 'get \"fail\"', 'error \"DemoError\"'] [0, 1] "
            "['load \"me\"', 'before [2]', 'get \"count\"', 'after \"a stream\"']\n");
}

TEST_F(ZerorpcComponents, ServeClientsThatBind) {
  host(R"(connect: ["${ZERORPC}", "${INFI}"])");
  EXPECT_EQ(says(R"(
def binding(endpoint):
    c = zerorpc.Client(heartbeat=HEARTBEAT)
    c.bind(endpoint)
    return c.add(1, 2), sum(c.count(200))
print(together(lambda: binding(ZERORPC), lambda: binding(INFI)))
)"),
            "[(3, 19900), (3, 19900)]\n");
}

TEST_F(ZerorpcComponents, ListenOnSeveralAddresses) {
  host(R"(bind: ["${ZERORPC}", "${INFI}"])");
  EXPECT_EQ(says(R"(
print(client().add(1, 2), zerorpc.Client(connect_to=INFI, heartbeat=HEARTBEAT).add(3, 4))
)"),
            "3 7\n");
}

// ---- the end of a host ----

TEST_F(ZerorpcClients, GetTheirAnswersAndNoNewOnesWhenTheHostStops) {
  auto& program = start(R"(
c = client()
running, stream = c.slow(3, async_=True), c.count(1000)
said(next(stream))
until(lambda: getattr(error(c.add, 1, 2), 'name', None) == 'ShuttingDown')
print('refused', list(stream) == list(range(1, 1000)), running.get())
)");
  ASSERT_TRUE(printed(program)) << program.errors();
  EXPECT_EQ(host_->stop(), 0) << host_->errors();
  EXPECT_EQ(output_of(program), "0\nrefused True 3\n");
}

// ---- the command line tool ----

class ZerorpcTool : public ZerorpcClients {
 protected:
  static std::filesystem::path tool() { return peers() / "zerorpc/bin/zerorpc"; }
  void SetUp() override {
    ZerorpcClients::SetUp();
    if (!IsSkipped() && !std::filesystem::exists(tool())) GTEST_SKIP() << "skipped: there is no " << tool();
  }
  Child& begin(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {tool().string(), "--heartbeat", "1"});
    return python(arguments);
  }
  static Outcome end(Child& child) {
    const auto code = child.wait(kLimit);
    return {code.value_or(-1), child.output(), child.errors()};
  }
  // Several at once, in their order.
  std::vector<Outcome> outcomes(const std::vector<std::vector<std::string>>& all) {
    std::vector<Child*> children;
    for (const auto& arguments : all) children.push_back(&begin(arguments));
    std::vector<Outcome> ended;
    for (auto* child : children) ended.push_back(end(*child));
    return ended;
  }
};

TEST_F(ZerorpcTool, ListsAndDescribes) {
  const auto& e = at("ZERORPC");
  const auto all = outcomes({{e}, {"-?", e}, {"-?", e, "add"}, {"-?", e, "nothing"}});
  EXPECT_EQ(all[0].output,
            "[demo]\n"
            "active     Return how many slow calls are running now.\n"
            "add        Add two numbers.\n"
            "big        Return n bytes; byte i is i modulo 256.\n"
            "count      Stream the numbers from 0 to n - 1.\n"
            "count_fail Stream the numbers from 0 to n - 1, then fail.\n"
            "echo       Return the argument.\n"
            "fail       Fail with an error that says msg.\n"
            "note       Keep x.\n"
            "notes      Return the last 100 values kept.\n"
            "slow       Return seconds, after that time.\n");
  EXPECT_EQ(all[1].output,
            "[demo]\n"
            "active(\?\?)\nadd(a, b)\nbig(n)\ncount(n)\ncount_fail(n)\necho(x)\nfail(msg)\nnote(x)\n"
            "notes(\?\?)\nslow(seconds)\n");
  EXPECT_EQ(all[2].output, "[demo]\nadd(a, b)\n\nAdd two numbers.\n\n");
  EXPECT_EQ(all[3].output, "[demo]\nNo documentation for \"nothing\".\n");
  for (const auto& each : all) EXPECT_EQ(each.exit_code, 0) << each.errors;
}

TEST_F(ZerorpcTool, CallsAndPrintsResults) {
  const auto& e = at("ZERORPC");
  const auto all = outcomes({{e, "echo", "hi"},
                             {"-j", e, "add", "1", "2"},
                             {"-j", "-pj", e, "echo", R"({"a": [1, 2.5, null, "é"]})"},
                             {e, "note", "x"},
                             {"-j", e, "count", "3"},
                             {"-j", "-pj", e, "count", "160"},
                             {"-j", "-pj", e, "count", "0"}});
  std::string numbers;
  for (int i = 0; i < 160; ++i) numbers += (i == 0 ? "[" : ",") + std::to_string(i);
  const std::vector<std::string> printed = {
      "'hi'\n", "3\n", R"({"a": [1, 2.5, null, "\u00e9"]})", "None\n", "0\n1\n2\n", numbers + "]", "[]"};
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].output, printed[i]);
    EXPECT_EQ(all[i].exit_code, 0) << all[i].errors;
  }
}

TEST_F(ZerorpcTool, EndsWithOneAndTellsTheError) {
  const auto& e = at("ZERORPC");
  const auto all = outcomes({{e, "fail", "no luck"},
                             {e, "nothing"},
                             {e, "add", "1"},
                             {"-j", e, "count_fail", "2"},
                             {"-j", "--timeout", "1", e, "slow", "5"}});
  const std::vector<std::string> told = {"no luck", "nothing", "TypeError", "stream broken",
                                         "TimeoutExpired"};
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].exit_code, 1);
    EXPECT_EQ(all[i].output, i == 3 ? "0\n1\n" : "");
    EXPECT_THAT(all[i].errors, HasSubstr(told[i]));
  }
}

TEST_F(ZerorpcTool, IsKeptThroughLongCalls) {
  const auto all =
      outcomes({{"-j", at("ZERORPC"), "slow", "4"}, {"-j", "--active-hb", at("ZERORPC"), "slow", "4"}});
  for (const auto& each : all) EXPECT_EQ(each.output, "4\n") << each.errors;
}

// ---- pushers and publishers ----

TEST_F(ZerorpcClients, ArePushersWhoseNotesComeInOrder) {
  EXPECT_EQ(says(R"(
c, pusher = client(), zerorpc.Pusher()
pusher.connect(PULL)
pusher.note([b'bytes', 1.0])
until(lambda: c.notes() == [[b'bytes', 1.0]])
pusher.nothing(1), pusher('_note', 1), pusher.note(), pusher.note(1, 2), pusher.fail('on purpose')
for i in range(1000): pusher.note(i)
until(lambda: c.notes()[-1] == 999)
print(c.notes() == list(range(900, 1000)))
)"),
            "True\n");
}

TEST_F(ZerorpcClients, ArePublishersWhoseNotesComeInOrder) {
  EXPECT_EQ(says(R"(
c, publisher = client(), zerorpc.Publisher()
publisher.connect(SUB)
until(lambda: publisher.note('first') or c.notes())
publisher.nothing(1), publisher.note()
for i in range(200): publisher.note(i)
until(lambda: c.notes()[-1] == 199)
print(c.notes() == list(range(100, 200)))
)"),
            "True\n");
}

// ---- clients of infi.rpc -------------------------------------------------------------------------------

class InfiClients : public RealInfiPeers {
 protected:
  void SetUp() override {
    RealInfiPeers::SetUp();
    if (!IsSkipped()) host_ = &play(kHeartbeat);
  }
  HostProcess* host_ = nullptr;
};

TEST_F(InfiClients, AreAnswered) {
  EXPECT_EQ(says(R"(
c = infi()
print(c.add(2, 3), c.add(2), c.add(2, b=5), c.add(a=1, b=2), c.call('add', 4), c.ping())
print(answered(c), sum(c.add(i) for i in range(300)))
for value in None, True, 1, 1.0, 2**64 - 1, -2**63, 'caf\u00e9', b'\x00\xff', [1, [2, b'x']], [], 'x' * 100000:
    if repr(c.echo(value)) != repr(value): print('changed:', value)
print(c.echo({'a': {'b': [1, b'x']}}).a.b)
)"),
            "5 3 7 3 5 None\n{'code': 'success', 'result': None} 45150\n[1, b'x']\n");
  EXPECT_EQ(host_->stop(), 0) << host_->errors();
}

TEST_F(InfiClients, GetATokenWhenTheCallTakesLong) {
  EXPECT_EQ(
      says(R"(
c = infi()
print(type(c.slow(0.1, async_rpc=True)).__name__)
deferred = c.slow(1.5, async_rpc=True)
request, answer, seconds = c._transport.seen[-1]
print(answer == {'code': 'deferred', 'result': request[0]['uuid']}, 0.4 < seconds < 0.5 + LATE)
print(deferred.is_done(), deferred.poll(), answered(c) == {'code': 'success', 'result': answer})
print(deferred.get_result(), deferred.is_done(), deferred.get_result(), answered(c)['result'])
)"),
      "ImmediateResult\nTrue True\nFalse False True\n1.5 True 1.5 {'code': 'success', 'result': 1.5}\n");
}

TEST_F(InfiClients, AlwaysGetATokenForADeferredMethod) {
  EXPECT_EQ(says(R"(
c = infi()
deferred = c.later('x', async_rpc=True)
print(type(deferred).__name__, answered(c)['code'], deferred.get_result(), c.later([1, b'x']))
deferred = c.later_fail('no luck', async_rpc=True)
failure = error(deferred.get_result)
print(type(failure).__name__, failure, deferred.is_done(), deferred.success)
print(answered(c)['code'], answered(c)['result']['code'], type(error(c.later_fail, 'x')).__name__)
)"),
            "AsyncDeferredResult deferred x [1, b'x']\n"
            "RPCUserException no luck True False\n"
            "success error RPCUserException\n");
}

TEST_F(InfiClients, WaitForAnImmediateMethod) {
  EXPECT_EQ(says(R"(
c = infi()
held = c.hold(1.5, async_rpc=True)
print(c.now('x'), type(c.now(5, async_rpc=True)).__name__, type(held).__name__, held.get_result())
)"),
            "x ImmediateResult ImmediateResult 1.5\n");
}

TEST_F(InfiClients, OfPlainZerorpcAreToldThatThereIsOneMethod) {
  EXPECT_EQ(says(R"(
c = zerorpc.Client(connect_to=INFI, heartbeat=None)
for name in 'add', 'nothing', '_private':
    answer = c(name, 1)
    failure = errors.RPCException.from_dict(answer['exception'])
    print(answer['code'], type(failure).__name__, failure.message)
print(c._zerorpc_ping()[0], c._zerorpc_list(), list(c._zerorpc_inspect()['methods']))
)"),
            "error InvalidRPCMethod add\nerror InvalidRPCMethod nothing\nerror InvalidRPCMethod _private\n"
            "pong ['on_call'] ['on_call']\n");
}

TEST_F(InfiClients, PollFromAnyConnection) {
  EXPECT_EQ(says(R"(
first = infi()
deferred = first.slow(1.5, async_rpc=True)
first._transport.close()
second = AsyncDeferredResult(infi(), deferred.request_id)
print(second.poll(), second.get_result())
failure = error(infi().query_async_request, 'never was')
print(type(failure).__name__, failure.message, list(failure.args))
)"),
            "False 1.5\nInvalidAsyncToken never was ['never was']\n");
}

TEST_F(InfiClients, MayPollByTheHundred) {
  EXPECT_EQ(says(R"(
def work(number):
    c = infi(timeout=60)
    return c.slow(1 + number / 1000), c.later(number), len(asked(c)) > 4
done = together(*[lambda number=number: work(number) for number in range(100)])
print(done == [(1 + number / 1000, number, True) for number in range(100)])
)"),
            "True\n");
}

TEST_F(InfiClients, MayHaveTwoHundredCallsWaiting) {
  EXPECT_EQ(says(R"(
c = infi(timeout=60)
print(together(*[lambda: c.slow(2, async_rpc_poll_interval=0.5)] * 200) == [2] * 200, c.started())
print(max(seconds for call, _, seconds in c._transport.seen if call[0]['method'] == 'slow') < 0.5 + 2 * LATE)
)"),
            "True 200\nTrue\n");
}

TEST_F(InfiClients, WithOneUuidHaveOneCall) {
  EXPECT_EQ(says(R"(
def three_times(call):
    return together(*[lambda: transport().call(call)] * 3)
fast, slow = request('slow', 0.3), request('slow', 1.5)
print(three_times(fast) == [{'code': 'success', 'result': 0.3}] * 3)
print(three_times(slow) == [{'code': 'deferred', 'result': slow[0]['uuid']}] * 3)
print(AsyncDeferredResult(infi(), slow[0]['uuid']).get_result(), infi().started())
)"),
            "True\nTrue\n1.5 2\n");
}

TEST_F(InfiClients, WithoutUuidHaveCallsOfTheirOwn) {
  EXPECT_EQ(says(R"(
def call(seconds, **meta):
    return transport().call([{'method': 'slow', **meta}, [seconds], {}])['result']
print(together(lambda: call(0.3), lambda: call(0.31, uuid=None), lambda: call(0.32)))
)"),
            "[0.3, 0.31, 0.32]\n");
}

TEST_F(InfiClients, KilledInACallLeaveTheWorkAlone) {
  auto& victim = start("transport().call(request('slow', 2, id='the one'))");
  auto& other = start(R"(
c = infi()
until(lambda: c.started() == 1)
said('begun')
print(AsyncDeferredResult(c, 'the one').get_result())
)");
  ASSERT_TRUE(printed(other)) << victim.errors() << other.errors();
  victim.signal(SIGKILL);
  EXPECT_EQ(output_of(other), "begun\n2\n");
}

// ---- errors and arguments ----

TEST_F(InfiClients, GetErrorsByTheirClass) {
  EXPECT_EQ(says(R"(
c = infi()
def told(method, *arguments):
    failure = error(getattr(c, method), *arguments)
    bases = [kind.__name__ for kind in type(failure).__mro__ if issubclass(kind, errors.RPCException)]
    print(*bases, failure.message, list(failure.args))
told('fail', 'no luck')
told('nothing')
told('query_async_request', 'x')
failure = error(c.crash, 'went wrong')
print(type(failure).__name__, 'went wrong' in failure.message)
deferred = c.fail('again', async_rpc=True)
print(type(deferred).__name__, deferred.success)
)"),
            "RPCUserException RPCException no luck ['no luck']\n"
            "InvalidRPCMethod RPCFrameworkException RPCException nothing ['nothing']\n"
            "InvalidAsyncToken RPCFrameworkException RPCException x ['x']\n"
            "InternalServerError True\nImmediateResult False\n");
}

TEST_F(InfiClients, GetErrorsAsEveryReaderKnowsThem) {
  EXPECT_EQ(says(R"(
c = infi()
for method in 'fail', 'crash', 'nothing', 'query_async_request':
    answer = c._transport.call(request(method, 'x'))
    print(json.loads(answer['exception']['pickled']), [frame['locals'] for frame in answer.get('traceback', [])])
)"),
            "{'py/object': 'infi.rpc.errors.RPCUserException'} []\n"
            "{'py/object': 'infi.rpc.errors.InternalServerError'} []\n"
            "{'py/object': 'infi.rpc.errors.InvalidRPCMethod'} []\n"
            "{'py/object': 'infi.rpc.errors.InvalidAsyncToken'} []\n");
}

TEST_F(InfiClients, MustGiveTheRightArguments) {
  EXPECT_EQ(says(R"(
c = infi()
print({type(error(*call, **named)).__name__ for call, named in (
    ((c.add,), {}), ((c.add, 1, 2, 3), {}), ((c.add, 1), {'c': 2}), ((c.add, 1), {'a': 1}), ((c.now,), {}),
    ((c.query_async_request,), {}))})
)"),
            "{'InvalidCallArguments'}\n");
}

TEST_F(InfiClients, AreAnsweredWhenTheirCallIsNone) {
  EXPECT_EQ(says(R"(
t, meta = transport(timeout=5), {'method': 'add', 'uuid': 'u'}
for wrong in (None, 1, 'x', [], [meta], [meta, [1]], [meta, [1], {}, 4], [1, [1], {}], [{}, [1], {}], [meta, 1, {}],
              [meta, [1], []], [meta, None, None], {'method': 'add'}, [{'method': 5}, [1], {}]):
    failure = errors.RPCException.from_dict(t.call(wrong)['exception'])
    if type(failure) is not errors.InvalidCallArguments: print(wrong, failure)
for fine in {b'uuid': b'v', b'method': b'add'}, {'request_id_tag': '0a1b2c3d', 'method': 'add', 'more': [1]}:
    print(t.call([fine, [1], {b'b': 5}]))
)"),
            "{'code': 'success', 'result': 6}\n{'code': 'success', 'result': 6}\n");
}

// ---- what else there is ----

TEST_F(InfiClients, RunSynchronizedMethodsOneAtATime) {
  EXPECT_EQ(says(R"(
def four():
    print(together(*[lambda: infi().locked(0.6)] * 4, lambda: seconds_of(infi().add, 1) < LATE))
print(2.4 <= seconds_of(four) < 2.4 + 2 * LATE)
)"),
            "[0.6, 0.6, 0.6, 0.6, True]\nTrue\n");
}

TEST_F(InfiClients, AreToldWhatThereIs) {
  EXPECT_EQ(
      says(R"(
c = infi()
names = c.get_rpc_method_names()
print(*names)
print(set(names) <= set(dir(c)), c.get_rpc_max_response_time())
print(*c.get_rpc_ipython_argspec('add')[:6], c.get_rpc_ipython_argspec('echo')[0])
print(type(error(c.get_rpc_ipython_argspec, 'nothing')).__name__)
)"),
      "add crash echo fail get_rpc_ipython_argspec get_rpc_method_names hold later later_fail locked now "
      "ping slow started\n"
      "True 0.5\n"
      "['self', 'a', 'b'] None None [1] [] None ['self', 'x']\n"
      "InvalidRPCMethod\n");
}

TEST_F(InfiClients, PollAsOftenAsTheyWish) {
  EXPECT_EQ(says(R"(
def polls(**options):
    c = infi(poll_sleep_interval=0.3)
    c.slow(2, **options)
    return asked(c).count('query_async_request')
often, seldom = together(lambda: polls(), lambda: polls(async_rpc_poll_interval=0.9))
print(4 <= often <= 7, 2 <= seldom <= 4)
)"),
            "True True\n");
}

TEST_F(InfiClients, AgreeOnATimeout) {
  EXPECT_EQ(says(R"(
c = infi(AutoTimeoutClient)
print(c.slow(1.2), c.add(1), asked(c)[:2], asked(c).count('get_rpc_max_response_time'), float(c._transport._timeout))
print(type(error(c.hold, 3)).__name__, c.add(1))
)"),
            "1.2 2 ['get_rpc_max_response_time', 'slow'] 1 1.0\nTimeoutExpired 2\n");
}

TEST_F(InfiClients, GoOnAfterATimeoutAndAfterARestart) {
  auto& program = start(R"(
c = infi(timeout=1.5)
said(c.add(1))
for _ in range(2): print(type(error(c.hold, 2)).__name__, c.add(1), c.slow(0.7))
)");
  ASSERT_TRUE(printed(program)) << program.errors();
  host_->signal(SIGKILL);
  host_->wait();
  auto& again = run("rpc/demo.yaml", endpoints());
  EXPECT_EQ(output_of(program), "2\nTimeoutExpired 2 0.7\nTimeoutExpired 2 0.7\n");
  EXPECT_EQ(again.stop(), 0) << again.errors();
}

// ---- other settings than the demo's ----

class InfiServices : public RealInfiPeers {
 protected:
  HostProcess& host(const std::string& functions, const std::string& settings) {
    return RealPeers::host("plugins: [demo, zerorpc, \"" TEST_PLUGINS
                           "/handlers.so\"]\n"
                           "components:\n"
                           "  functions: {kind: " +
                           functions +
                           "}\n"
                           "  service: {kind: zerorpc.service, layer: infi, bind: \"${INFI}\", " +
                           settings + "}\n");
  }
};

TEST_F(InfiServices, KeepResultsToBeFetchedAgainUntilTheyExpire) {
  host("demo.infi", "results: {keep: 1s, collect: 100ms}");
  EXPECT_EQ(says(R"(
c = infi()
fetched, forgotten, running = (c.later('x', async_rpc=True), c.later('y', async_rpc=True),
                               c.slow(2, async_rpc=True))
until(fetched.poll)
gevent.sleep(0.5)
print([infi().query_async_request(fetched.request_id)['result'] for _ in range(3)])
gevent.sleep(1)
print([type(error(c.query_async_request, one.request_id)).__name__ for one in (fetched, forgotten)])
print(running.get_result())
)"),
            "['x', 'x', 'x']\n['InvalidAsyncToken', 'InvalidAsyncToken']\n2\n");
}

TEST_F(InfiServices, SendHeartbeatsOnlyToThoseThatBeat) {
  host("demo.infi", "heartbeat: 1s");
  EXPECT_EQ(says(R"(
plain, beating = (zerorpc.Client(connect_to=INFI, heartbeat=period) for period in (None, 1))
print(together(lambda: infi().hold(3.5), lambda: plain.on_call(request('hold', 3.5))['result'],
               lambda: beating.on_call(request('hold', 3.5))['result']))
)"),
            "[3.5, 3.5, 3.5]\n");
}

TEST_F(InfiServices, FailWithErrorsOfTheirOwn) {
  folder_.file("shop.py",
               "from infi.rpc.errors import RPCUserException\n"
               "class Closed(RPCUserException): pass\n");
  host("handlers.busy", "error_classes: [Busy=shop.Closed]");
  EXPECT_EQ(says(R"(
import shop
failure = error(infi().work, 2.5)
print(type(failure) is shop.Closed, failure, failure.wait)
)"),
            "True come back later 2.5\n");
}

// ---- the end of a host ----

constexpr auto refusal = R"(
def refused():
    failure = error(c.add, 1)
    return type(failure) is errors.RPCFrameworkException and failure.message == 'server is shutting down'
)";

TEST_F(InfiClients, GetWhatWasPromisedWhenTheHostStops) {
  auto& program = start(refusal + std::string(R"(
c = infi()
waiting, done, inside = c.slow(2, async_rpc=True), c.later('x', async_rpc=True), gevent.spawn(infi().slow, 0.4)
gevent.sleep(0.1)
said('begun')
until(refused)
print(seconds_of(refused) < LATE, inside.get(), c.ping(), c.get_rpc_max_response_time())
print(len(c.get_rpc_method_names()), done.get_result(), waiting.get_result())
)"));
  ASSERT_TRUE(printed(program)) << program.errors();
  EXPECT_EQ(host_->stop(), 0) << host_->errors();
  EXPECT_EQ(output_of(program), "begun\nTrue 0.4 None 0.5\n14 x 2\n");
}

TEST_F(InfiServices, EndEachAsItWasTold) {
  auto& host = this->host(
      "demo.infi",
      "shutdown: {strategy: abort, abort_linger: 5s}}\n"
      "  drained: {kind: zerorpc.service, layer: infi, bind: \"${PULL}\", shutdown: {strategy: drain}");
  auto& program = start(R"(
aborted, drained = Watched(INFI, timeout=20), Watched(PULL, timeout=20)
def told(failure):
    return type(failure).__name__, failure.message
deferred, unfetched = Client(aborted).slow(600, async_rpc=True), Client(drained).later('x', async_rpc=True)
held = [gevent.spawn(error, Client(transport).hold, seconds) for transport, seconds in ((aborted, 600), (drained, 2))]
gevent.sleep(0.1)
said('begun')
print(told(held[0].get()), told(error(deferred.get_result)), held[1].get(), sep='\n')
)");
  ASSERT_TRUE(printed(program)) << program.errors();
  EXPECT_EQ(host.stop(), 0) << host.errors();
  EXPECT_EQ(output_of(program),
            "begun\n"
            "('RequestAbortedError', 'request aborted while being processed')\n"
            "('RequestAbortedError', 'request aborted while being processed')\n"
            "no error but 2\n");
}

}  // namespace
}  // namespace backplane::test
