// Hooks of a PALM server: zero, one or many messages for one, and what becomes of errors.
#include <gtest/gtest.h>

#include <backplane/palm/part.hpp>
#include <backplane/testing/fake_host.hpp>

namespace backplane::palm {
namespace {

struct Repeat {
  static constexpr auto kind = "test.repeat";
  static constexpr auto says = "Yields a message as often as its payload says.";
  void scatter(const PalmMessage& message, Emit& emit) const {
    const auto count = std::stoi(message.payload);
    for (int i = 0; i < count; ++i) emit(change_payload(message, std::to_string(i)));
    if (count > 3) throw Error("TooMany", "more than \xFFthree");
  }
};

struct Shout {
  static constexpr auto kind = "test.shout";
  static constexpr auto says = "Adds what an option says.";
  static constexpr std::array<Option, 1> options = {{{"mark", text, "!", "what is added"}}};
  explicit Shout(Host host) : mark_(host.option("mark")) {}
  void gather(const PalmMessage& message, Emit& emit) const {
    if (message.payload.empty()) throw std::runtime_error("nothing to say");
    emit(change_payload(message, message.payload + mark_));
  }
  std::string mark_;
};

struct Divert {
  static constexpr auto kind = "test.divert";
  static constexpr auto says = "Publishes under a topic of its own.";
  void handle_stream(PalmMessage message, Emit& emit) const {
    ++message.stage;
    emit("even", message);
    emit(message);
  }
};

template <typename T>
class Hooked {
 public:
  explicit Hooked(const OptionTexts& options = {}) : host_(options) { host_.start(); }
  // What comes out of the hook for these bytes, frame by frame.
  std::vector<std::vector<std::string>> out_of(std::string_view bytes) {
    taken_ = host_.deliver(host_.request("f", {bytes}));
    std::vector<std::vector<std::string>> all;
    while (!host_.sent().empty()) {
      last_ = host_.take_sent();
      all.emplace_back();
      for (std::size_t i = 0; i < last_.size(); ++i) all.back().emplace_back(last_[i]);
    }
    return all;
  }
  std::vector<std::string> payloads(const PalmMessage& message) {
    std::vector<std::string> all;
    for (const auto& frames : out_of(encode(message.fields()))) all.emplace_back(read(frames.back()).payload);
    return all;
  }
  // The only message that comes out.
  PalmMessage only(const PalmMessage& message) {
    const auto all = out_of(encode(message.fields()));
    return all.size() == 1 ? PalmMessage(read(all[0].back())) : PalmMessage();
  }
  FakeComponent<Hook<T>>& host() { return host_; }
  Message& last() { return last_; }
  std::int32_t taken() const { return taken_; }

 private:
  FakeComponent<Hook<T>> host_;
  Message last_;
  std::int32_t taken_ = BP_TAKEN;
};

PalmMessage job(std::string payload) {
  PalmMessage message;
  message.pipeline = "stream";
  message.client = "c";
  message.function = "server.foo";
  message.payload = std::move(payload);
  message.unknown = "\x78\x05";
  return message;
}

TEST(PalmHook, AScatterYieldsNothingOneOrMany) {
  Hooked<Repeat> hook;
  EXPECT_TRUE(hook.payloads(job("0")).empty());
  EXPECT_EQ(hook.payloads(job("1")), std::vector<std::string>{"0"});
  EXPECT_EQ(hook.payloads(job("3")), (std::vector<std::string>{"0", "1", "2"}));
}

TEST(PalmHook, KeepsEveryOtherFieldAndWhoAsked) {
  Hooked<Repeat> hook;
  EXPECT_EQ(hook.only(job("1")), job("0"));
  EXPECT_TRUE(hook.last().wants_reply());
  EXPECT_EQ(hook.last().function(), "f");
}

TEST(PalmHook, AScatterThatFailsMakesOneErrorWhateverItHasYielded) {
  Hooked<Repeat> hook;
  auto expected = job("0");
  expected.error = "scatter_failed: TooMany: more than ?three";
  EXPECT_EQ(hook.only(job("4")), expected);
  EXPECT_EQ(hook.host().metric("errors"), 1);
  EXPECT_TRUE(hook.only(job("no number")).error->starts_with("scatter_failed: "));
}

TEST(PalmHook, AGatherHasItsOptionsAndItsErrors) {
  Hooked<Shout> hook({{"mark", "?"}});
  EXPECT_EQ(hook.only(job("what")).payload, "what?");
  EXPECT_TRUE(hook.only(job("")).error->starts_with("gather_failed: "));
  EXPECT_EQ(hook.only(job("")).payload, "0");
}

TEST(PalmHook, AStreamHandlerSaysTheTopicOrLeavesIt) {
  Hooked<Divert> hook;
  auto next = job("x");
  next.stage = 1;
  const auto bytes = encode(next.fields());
  using Frames = std::vector<std::string>;
  EXPECT_EQ(hook.out_of(encode(job("x").fields())), (std::vector<Frames>{{"even", bytes}, {bytes}}));
}

TEST(PalmHook, AMessageThatSaysAnErrorPassesByAsItIs) {
  Hooked<Repeat> hook;
  auto failed = job("3");
  failed.error = "function_failed: no";
  EXPECT_EQ(hook.only(failed), failed);
}

TEST(PalmHook, WhatIsNoMessageIsMalformed) {
  Hooked<Repeat> hook;
  EXPECT_TRUE(hook.out_of("garbage").empty());
  EXPECT_EQ(hook.taken(), BP_MALFORMED);
}

TEST(PalmHook, AMessageWithoutFramesIsMalformed) {
  Hooked<Repeat> hook;
  EXPECT_EQ(hook.host().deliver(hook.host().message()), BP_MALFORMED);
}

TEST(PalmHook, OfSeveralFramesTheLastIsTheMessage) {
  Hooked<Repeat> hook;
  hook.host().deliver(hook.host().message({"topic", encode(job("1").fields())}));
  ASSERT_EQ(hook.host().sent().size(), 1u);
  EXPECT_EQ(hook.host().take_sent().size(), 1u);
}

}  // namespace
}  // namespace backplane::palm
