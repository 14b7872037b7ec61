// What real clients sent to real servers, sent to the demo of manifests/rpc: the answers are the recorded
// ones. Where the host answers otherwise on purpose, the test edits the recording and says why.
#include <set>

#include "manifests/rpc_demo.hpp"

namespace backplane::test {
namespace {

using testing::AnyOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

Recording recording(const std::string& file, const std::string& name) {
  for (auto& each : recordings(file))
    if (each.name == name) return std::move(each);
  throw std::runtime_error("no recording is named " + name);
}

// ---- changing a recording ---------------------------------------------------------------------------

void set_part(RecordedFrame& frame, std::size_t part, Value value) {
  (*frame.event.get_if<Array>())[part] = std::move(value);
  frame.parts.back() = encode(frame.event);
}
void set_args(RecordedFrame& frame, Value args) { set_part(frame, 2, std::move(args)); }

// The same seen from the other side: without the routing id that a ROUTER puts in front.
Recording as_client(Recording recording) {
  if (recording.seen_by != "ROUTER") return recording;
  for (auto& frame : recording.frames) {
    frame.sent = !frame.sent;
    frame.parts.erase(frame.parts.begin());
  }
  return recording;
}

// A recording with a heartbeat of a second becomes one with another: it is slow(seconds) that takes longer.
Recording at_another_pace(Recording recording, double heartbeat) {
  for (auto& frame : recording.frames) {
    const auto* args = frame.args().get_if<Array>();
    if (args == nullptr || args->size() != 1) continue;
    if (const auto* duration = args->front().get_if<double>()) set_args(frame, Array{*duration * heartbeat});
  }
  return recording;
}

// Without the first argument that methods of Python have.
Value without_self(const Value& value) {
  if (const auto* array = value.get_if<Array>()) {
    Array rest;
    for (const auto& item : *array)
      if (!(item == Value("self")) && !(item == Value(Map{{"name", "self"}})))
        rest.push_back(without_self(item));
    return rest;
  }
  if (const auto* map = value.get_if<Map>()) {
    Map rest;
    for (const auto& [key, item] : *map) rest.push_back({key, without_self(item)});
    return rest;
  }
  return value;
}

// ---- comparing --------------------------------------------------------------------------------------

const Value anything = "anything";

// The class that an error of infi.rpc names: real servers write how to make one, the host its name alone.
std::string class_in(const Value& pickled) {
  const auto* text = pickled.get_if<std::string>();
  if (text == nullptr) return "none";
  const auto made = nlohmann::json::parse(*text);
  if (made.contains("py/object")) return made["py/object"];
  return made.at("py/reduce").at(0).at("py/type");
}

// Keys in one order; errors of infi.rpc by class, without traceback and, where each server has words of its
// own, without message; whatever documentation there is.
Value comparable(const Value& value) {
  if (const auto* array = value.get_if<Array>()) {
    Array items;
    for (const auto& item : *array) items.push_back(comparable(item));
    return items;
  }
  const auto* map = value.get_if<Map>();
  if (map == nullptr) return value;
  const auto* pickled = value.find("pickled");
  const auto name = pickled == nullptr ? std::string() : class_in(*pickled);
  const bool own_words = name.ends_with(".InternalServerError") || name.ends_with(".InvalidCallArguments");
  Map entries;
  for (const auto& [key, item] : *map) {
    if (key == Value("server_side_traceback")) continue;
    if (key == Value("pickled")) {
      entries.push_back({key, name});
    } else if ((own_words && (key == Value("message") || key == Value("args"))) || key == Value("doc")) {
      entries.push_back({key, anything});
    } else {
      entries.push_back({key, comparable(item)});
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const MapEntry& a, const MapEntry& b) { return encode(a.key) < encode(b.key); });
  return entries;
}

// An event without its own id; an ERR without traceback; each server has words of its own for a TypeError.
Value comparable_event(const Value& event) {
  Array parts = *event.get_if<Array>();
  auto& header = *parts.at(0).get_if<Map>();
  std::erase_if(header, [](const MapEntry& entry) { return entry.key == Value("message_id"); });
  if (auto* error = parts.at(2).get_if<Array>();
      error != nullptr && parts[1] == Value("ERR") && error->size() == 3) {
    (*error)[2] = nullptr;
    if ((*error)[0] == Value("TypeError")) (*error)[1] = anything;
  }
  return comparable(parts);
}

// The error in the result of a call of infi.rpc, or in that of the polled one within it.
const Value* exception_in(const Value& result) {
  if (const auto* exception = result.find("exception")) return exception;
  const auto* inner = result.find("result");
  return inner == nullptr ? nullptr : exception_in(*inner);
}

bool says_deferred(const Value& event) {
  const auto* args = (*event.get_if<Array>())[2].get_if<Array>();
  if (args == nullptr || args->size() != 1) return false;
  const auto* polled = args->front().find("result");
  const auto* code = polled == nullptr ? nullptr : polled->find("code");
  return code != nullptr && *code == Value("deferred");
}

// Sends what a client sent and compares what comes with what came.
class Replay {
 public:
  explicit Replay(const std::string& endpoint) { peer_.connect(endpoint); }

  void play(const Recording& recording) {
    SCOPED_TRACE(recording.name + ": " + recording.says);
    for (const auto& frame : recording.frames) {
      if (frame.sent) {
        sent_ = frame.parts;
        ASSERT_TRUE(peer_.send(sent_));
        continue;
      }
      receive_like(frame);
      if (testing::Test::HasFatalFailure()) return;
      EXPECT_EQ(comparable_event(last_), comparable_event(frame.event));
    }
  }
  void expect_silence(milliseconds duration = milliseconds(50)) {
    const auto frames = peer_.receive(duration);
    EXPECT_FALSE(frames.has_value()) << to_json(decode(frames->back()));
  }
  // The same with nothing said before each message: what was sent before has no answer left.
  void play_with_silence(const Recording& recording) {
    auto part = recording;
    part.frames.clear();
    for (const auto& frame : recording.frames) {
      if (frame.sent && !part.frames.empty()) {
        play(std::exchange(part.frames, {}), recording);
        expect_silence();
      }
      part.frames.push_back(frame);
    }
    play(part);
    expect_silence();
  }
  // The last event that came.
  const Value& last() const { return last_; }

 private:
  void play(std::vector<RecordedFrame> frames, Recording recording) {
    recording.frames = std::move(frames);
    play(recording);
  }
  // A poll that comes too early for its recorded answer is sent again.
  void receive_like(const RecordedFrame& frame) {
    receive();
    if (testing::Test::HasFatalFailure() || says_deferred(frame.event)) return;
    EXPECT_TRUE(eventually([&] {
      if (testing::Test::HasFatalFailure() || !says_deferred(last_)) return true;
      peer_.send(sent_);
      receive();
      return false;
    }));
  }
  void receive() {
    const auto frames = peer_.receive();
    ASSERT_TRUE(frames.has_value()) << "no answer";
    ASSERT_EQ(frames->size(), 2u);
    EXPECT_EQ(frames->front(), "") << "the empty frame is always there";
    last_ = decode(frames->back());
    check_form(frames->back());
  }
  // What holds for every event of the host.
  void check_form(const std::string& payload) {
    EXPECT_EQ(encode(last_), payload) << "the shortest form";
    rpc::Event event;
    ASSERT_EQ(rpc::read_event(payload, event), nullptr);
    EXPECT_EQ(rpc::why_unreadable(payload), nullptr);
    EXPECT_EQ(event.version, 3u);
    EXPECT_EQ(event.message_id.substr(0, 2), "\xc4\x20");
    EXPECT_TRUE(ids_.insert(std::string(event.message_id)).second) << "an id of its own";
    const auto& args = (*last_.get_if<Array>())[2];
    if (event.name == rpc::event_name::error) check_error(args);
    if (const auto* list = args.get_if<Array>(); list != nullptr && list->size() == 1)
      if (const auto* exception = exception_in(list->front())) check_exception(list->front(), *exception);
  }
  // A client shows the traceback in the place of name and message, so it must say both.
  static void check_error(const Value& args) {
    const auto& parts = *args.get_if<Array>();
    if (parts.size() != 3 || parts[2].is_nil()) return;
    ASSERT_NE(parts[2].get_if<std::string>(), nullptr);
    const auto said = *parts[0].get_if<std::string>() + ": " + *parts[1].get_if<std::string>();
    EXPECT_THAT(*parts[2].get_if<std::string>(), AnyOf(EndsWith(said), EndsWith(said + '\n')));
  }
  // The host names the class and nothing more, which every version of a client can read, and tells nothing of
  // its insides.
  static void check_exception(const Value& result, const Value& exception) {
    ASSERT_NE(exception.find("pickled"), nullptr);
    EXPECT_EQ(nlohmann::json::parse(*exception.find("pickled")->get_if<std::string>()),
              (nlohmann::json{{"py/object", class_in(*exception.find("pickled"))}}));
    ASSERT_NE(exception.find("message"), nullptr);
    ASSERT_NE(exception.find("message")->get_if<std::string>(), nullptr);
    EXPECT_NE(*exception.find("message"), Value(""));
    ASSERT_NE(exception.find("args"), nullptr);
    EXPECT_EQ(*exception.find("args"), Value(Array{*exception.find("message")}));
    EXPECT_THAT(to_json(result), Not(HasSubstr("server_side_traceback")));
  }

  Peer peer_{ZMQ_DEALER};
  Frames sent_;
  Value last_;
  std::set<std::string> ids_;
};

class RpcReplay : public RpcDemo {
 protected:
  // Of each list: the methods, whose order is nobody's business.
  static void expect_same_set(const Value& one, const Value& other) {
    const auto sorted = [](Array items) {
      std::sort(items.begin(), items.end(),
                [](const Value& a, const Value& b) { return encode(a) < encode(b); });
      return Value(items);
    };
    EXPECT_EQ(sorted(*one.get_if<Array>()), sorted(*other.get_if<Array>()));
  }
};

// ---- ZeroRPC ----------------------------------------------------------------------------------------

TEST_F(RpcReplay, CallsAreAnsweredAsRecorded) {
  auto& host = play();
  for (const auto& each : recordings("calls")) {
    if (each.name == "header_extra_keys" || each.name == "introspection") continue;  // below
    Replay client(at("ZERORPC"));
    client.play(as_client(each));
    client.expect_silence();
  }
  expect_clean_stop(host);
}

TEST_F(RpcReplay, ATraceIdIsCarriedOnWithoutBeingAskedTo) {
  auto& host = play();
  auto changed = recording("calls", "header_extra_keys");
  auto header = *changed.frames[1].header().get_if<Map>();
  header.push_back({"trace_id", *changed.frames[0].header().find("trace_id")});
  set_part(changed.frames[1], 0, header);  // the real server had no middleware to do so
  Replay(at("ZERORPC")).play(changed);
  expect_clean_stop(host);
}

TEST_F(RpcReplay, IntrospectionIsAnsweredWithoutSelf) {
  auto& host = play();
  Replay client(at("ZERORPC"));
  auto changed = recording("calls", "introspection");
  for (auto& frame : changed.frames)
    if (!frame.sent) set_args(frame, without_self(frame.args()));
  // The list of methods may have any order.
  const auto list = std::vector<RecordedFrame>{changed.frames[4], changed.frames[5]};
  ASSERT_EQ(list[0].name(), Value("_zerorpc_list"));
  changed.frames.erase(changed.frames.begin() + 4, changed.frames.begin() + 6);
  client.play(changed);
  RpcClient asking(at("ZERORPC"));
  expect_same_set(asking.call("_zerorpc_list"), (*list[1].args().get_if<Array>())[0]);
  EXPECT_EQ(asking.call("_zerorpc_help", Array{"add"}), Value("Add two numbers."));
  expect_clean_stop(host);
}

TEST_F(RpcReplay, StreamsGiveWhatTheirCreditLetsOut) {
  auto& host = play();
  for (const auto& each : recordings("streams")) {
    Replay client(at("ZERORPC"));
    if (each.name == "stream_manual_credit") {
      client.play_with_silence(each);
    } else {
      client.play(each);
      client.expect_silence();
    }
  }
  expect_clean_stop(host);
}

TEST_F(RpcReplay, OlderVersionsAreAnsweredInTheirOwn) {
  auto& host = play();
  for (const auto& each : recordings("versions")) Replay(at("ZERORPC")).play_with_silence(each);
  expect_clean_stop(host);
}

TEST_F(RpcReplay, HeartbeatsCrossWhileACallLasts) {
  auto& host = play("400ms");
  for (const auto* name : {"heartbeat_active", "heartbeat_passive"}) {
    Replay client(at("ZERORPC"));
    client.play(at_another_pace(recording("heartbeats", name), 0.4));
    client.expect_silence();
  }
  expect_clean_stop(host);
}

TEST_F(RpcReplay, AClientWithoutHeartbeatsIsGivenUpInSilence) {
  auto& host = play("400ms");
  Replay client(at("ZERORPC"));
  client.play(recording("heartbeats", "heartbeat_lost_client"));
  RpcClient asking(at("ZERORPC"));
  EXPECT_TRUE(eventually([&] { return asking.call("active") == Value(0); })) << "slow(30) is cancelled";
  client.expect_silence(milliseconds(900));  // more than two periods
  expect_clean_stop(host);
}

TEST_F(RpcReplay, WhatIsPushedIsDoneAndNotAnswered) {
  auto& host = play();
  Peer pusher(ZMQ_PUSH);
  pusher.connect(at("PULL"));
  ASSERT_TRUE(pusher.send(recording("one_way", "push").frames[0].parts));
  RpcClient asking(at("ZERORPC"));
  EXPECT_TRUE(eventually([&] { return asking.call("notes") == Value(Array{"pushed"}); }));
  expect_clean_stop(host);
}

TEST_F(RpcReplay, WhatIsPublishedIsDoneAndNotAnswered) {
  auto& host = play();
  Peer publisher(ZMQ_PUB);
  publisher.connect(at("SUB"));
  RpcClient asking(at("ZERORPC"));
  // What is published before the subscription came is lost.
  EXPECT_TRUE(eventually([&] {
    publisher.send(recording("one_way", "publish").frames[0].parts);
    const auto notes = asking.call("notes");
    return !notes.get_if<Array>()->empty() && notes.get_if<Array>()->front() == Value("published");
  }));
  expect_clean_stop(host);
}

TEST_F(RpcReplay, MalformedPayloadsDisturbNothing) {
  auto& host = play();
  RpcClient client(at("ZERORPC"));
  const auto expect_call = [&] {
    const auto channel = client.request("add", json("[1, 2]"));
    auto event = client.next();
    ASSERT_TRUE(event.has_value());
    EXPECT_EQ(event->text(), "OK [3]");
    EXPECT_EQ(event->channel(), channel) << "the payload before has no answer";
  };
  for (const auto& each : malformed_cases()) {
    SCOPED_TRACE(each.says);
    client.send_payload(each.payload);
    if (each.outcome == "either") {
      const auto answer = client.next(milliseconds(200));
      if (answer) {
        EXPECT_THAT(answer->name, AnyOf("OK", "ERR"));
      }
    } else if (each.outcome != "drop") {
      const auto answer = client.next();
      ASSERT_TRUE(answer.has_value());
      if (each.outcome == "OK 3") {
        EXPECT_EQ(answer->text(), "OK [3]");
      } else {
        EXPECT_EQ("ERR " + RpcError(*answer).name, each.outcome);
      }
    }
    expect_call();
  }
  EXPECT_TRUE(client.silent(milliseconds(100)));
  expect_clean_stop(host);
}

// ---- infi.rpc ---------------------------------------------------------------------------------------

class InfiReplay : public RpcDemo {
 protected:
  // Replays one recording; the result map of the last answer.
  Value replay(const Recording& recording) {
    Replay client(at("INFI"));
    client.play(recording);
    client.expect_silence();
    const auto* args = client.last().get_if<Array>();
    return args == nullptr ? Value() : args->at(2).get_if<Array>()->at(0);
  }
};

TEST_F(InfiReplay, CallsAreAnsweredAsRecorded) {
  const std::set<std::string> below = {"infi_internal_error", "infi_wrong_arguments", "infi_expired_token",
                                       "infi_second_poll", "infi_zerorpc_introspection"};
  auto& host = play();
  for (const auto& each : recordings("infi"))
    if (!below.contains(each.name)) replay(each);
  expect_clean_stop(host);
}

TEST_F(InfiReplay, AnExceptionIsAnInternalErrorThatSaysWhatItSaid) {
  auto& host = play();
  const auto result = replay(recording("infi", "infi_internal_error"));
  ASSERT_NE(exception_in(result), nullptr);
  EXPECT_THAT(*exception_in(result)->find("message")->get_if<std::string>(), HasSubstr("ouch"));
  expect_clean_stop(host);
}

// The real server's check sees its own wrapper only, so that the function itself failed: InternalServerError.
TEST_F(InfiReplay, ArgumentsThatDoNotFitAreSaidToBeSo) {
  auto& host = play();
  auto changed = recording("infi", "infi_wrong_arguments");
  set_args(changed.frames[1], json(R"([{"code": "error", "exception": {
      "pickled": "{\"py/object\": \"infi.rpc.errors.InvalidCallArguments\"}", "message": "", "args": [""]}}])"));
  replay(changed);
  expect_clean_stop(host);
}

// The real server deletes a result when it answers with it: whoever loses that answer has lost the result.
TEST_F(InfiReplay, ASecondPollGetsTheResultAgain) {
  auto& host = play();
  auto changed = recording("infi", "infi_second_poll");
  set_args(changed.frames[5], changed.frames[3].args());
  replay(changed);
  expect_clean_stop(host);
}

// The recorded server kept results for a second; the demo keeps them for five, and looks every five.
TEST_F(InfiReplay, AResultThatNobodyFetchesIsForgotten) {
  auto& host = play();
  const auto recorded = recording("infi", "infi_expired_token");
  auto call = recorded;
  call.frames.resize(2);
  auto poll = recorded;
  poll.frames.erase(poll.frames.begin(), poll.frames.begin() + 2);
  Replay client(at("INFI"));
  client.play(call);
  client.expect_silence(milliseconds(10'500));
  client.play(poll);
  expect_clean_stop(host);
}

TEST_F(InfiReplay, ZeroRpcItselfIsToldOfOneMethod) {
  auto& host = play();
  auto changed = recording("infi", "infi_zerorpc_introspection");
  for (auto& frame : changed.frames)
    if (!frame.sent) set_args(frame, without_self(frame.args()));
  replay(changed);
  expect_clean_stop(host);
}

}  // namespace
}  // namespace backplane::test
