// The picture of a manifest.
#include "command_line/topology.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace backplane::host {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class FewKinds : public KindCatalog {
 public:
  FewKinds() {
    add("zmq.pull", BP_INBOUND | BP_SERVICE);
    add("mine.words", BP_FUNCTIONS);
    add("cache.memory", BP_BYPASS);
  }
  std::optional<std::string> open(const std::string&, const std::filesystem::path&) override {
    return std::nullopt;
  }
  const KindInfo* find(std::string_view kind) const override {
    const auto found = kinds_.find(kind);
    return found == kinds_.end() ? nullptr : &found->second;
  }
  std::vector<std::string> kind_names() const override { return {}; }

 private:
  void add(const std::string& name, std::uint32_t properties) {
    kinds_[name].name = name;
    kinds_[name].properties = properties;
  }
  std::map<std::string, KindInfo, std::less<>> kinds_;
};

ComponentSettings component(const std::string& name, const std::string& kind) {
  ComponentSettings made;
  made.name = name;
  made.kind = kind;
  return made;
}

OptionSetting given(bp_option_type type, const std::string& text) {
  OptionSetting setting;
  setting.type = type;
  setting.given = true;
  setting.text = text;
  return setting;
}

RouteSettings route(const std::string& from, std::vector<std::string> to) {
  RouteSettings made;
  made.from = from;
  made.to = std::move(to);
  return made;
}

Manifest pipeline() {
  Manifest manifest;
  manifest.host.name = "jobs";
  auto jobs = component("jobs", "zmq.pull");
  jobs.options["bind"] = given(BP_ENDPOINT, "tcp://127.0.0.1:5555");
  jobs.options["curve_secret"] = given(BP_SECRET, "never shown");
  auto words = component("words", "mine.words");
  words.instances = 4;
  words.loop = "work";
  manifest.components = {jobs, words, component("results", "zmq.push"), component("lost", "log.sink")};
  auto first = route("jobs", {"words"});
  first.balance = Balance::least_loaded;
  first.when = When{"count*", "t.*", {{"priority", "high"}}};
  auto second = route("words", {"results", "lost"});
  second.overflow = Overflow::drop_oldest;
  second.ttl = std::chrono::seconds(5);
  second.rate = 100;
  second.dead_letters = "lost";
  manifest.routes = {first, second};
  return manifest;
}

TEST(Dot, DrawsComponentsLoopsAndRoutes) {
  EXPECT_EQ(to_dot(pipeline(), FewKinds()), R"(digraph "jobs" {
  rankdir=LR;
  node [shape=box, style=rounded, fontname="sans-serif"];
  edge [fontname="sans-serif", fontsize=10];
  c1 [label="jobs\nzmq.pull\nbind tcp://127.0.0.1:5555", shape=cds];
  c3 [label="results\nzmq.push"];
  c4 [label="lost\nlog.sink"];
  subgraph cluster_1 {
    label="loop work";
    style=dashed;
    c2 [label="words\nmine.words x4", shape=component];
  }
  c1 -> c2 [label="function count*\ntopic t.*\nheader priority: high\nleast loaded"];
  c2 -> c3 [label="drop oldest\nat most 100/s\nttl 5s"];
  c2 -> c4 [label="drop oldest\nat most 100/s\nttl 5s"];
  c2 -> c4 [label="dead letters", style=dashed];
}
)");
}

TEST(Mermaid, DrawsComponentsLoopsAndRoutes) {
  EXPECT_EQ(to_mermaid(pipeline(), FewKinds()), R"(flowchart LR
  c1(["jobs<br/>zmq.pull<br/>bind tcp://127.0.0.1:5555"])
  c3["results<br/>zmq.push"]
  c4["lost<br/>log.sink"]
  subgraph l1["loop work"]
    c2["words<br/>mine.words x4"]
  end
  c1 -->|"function count#42;<br/>topic t.#42;<br/>header priority: high<br/>least loaded"| c2
  c2 -->|"drop oldest<br/>at most 100/s<br/>ttl 5s"| c3
  c2 -->|"drop oldest<br/>at most 100/s<br/>ttl 5s"| c4
  c2 -.->|"dead letters"| c4
)");
}

TEST(Dot, EscapesEveryText) {
  auto manifest = pipeline();
  manifest.host.name = "a\"b\\c";
  manifest.routes[0].when = When{"quote\" \\n\nline", {}, {}};
  const auto text = to_dot(manifest, FewKinds());
  EXPECT_THAT(text, HasSubstr(R"(digraph "a\"b\\c")"));
  EXPECT_THAT(text, HasSubstr(R"(function quote\" \\n\nline)"));
}

TEST(Mermaid, EscapesEveryText) {
  auto manifest = pipeline();
  manifest.routes[0].when = When{"a\"<b>|#;", {}, {}};
  EXPECT_THAT(to_mermaid(manifest, FewKinds()), HasSubstr("function a#34;#60;b#62;#124;#35;#59;<br/>"));
}

TEST(Topology, NeverShowsASecret) {
  EXPECT_THAT(to_dot(pipeline(), FewKinds()), Not(HasSubstr("never shown")));
  EXPECT_THAT(to_mermaid(pipeline(), FewKinds()), Not(HasSubstr("never shown")));
}

TEST(Topology, ShowsEveryEndpointOfAList) {
  auto manifest = pipeline();
  auto list = given(BP_ENDPOINT_LIST, "");
  list.list = {"tcp://127.0.0.1:1", "tcp://127.0.0.1:2"};
  manifest.components[2].options["connect"] = list;
  EXPECT_THAT(to_dot(manifest, FewKinds()),
              HasSubstr(R"(\nconnect tcp://127.0.0.1:1\nconnect tcp://127.0.0.1:2)"));
}

TEST(Topology, DrawsABypassAsAStore) {
  auto manifest = pipeline();
  manifest.components[3].kind = "cache.memory";
  EXPECT_THAT(to_dot(manifest, FewKinds()), HasSubstr("shape=cylinder"));
  EXPECT_THAT(to_mermaid(manifest, FewKinds()), HasSubstr("[(\"lost"));
}

}  // namespace
}  // namespace backplane::host
