// Which component runs on which loop.
#include "runtime/placement.hpp"

#include <gmock/gmock.h>

#include <map>
#include <string>

#include "host/runtime/harness.hpp"

namespace backplane::test {
namespace {

using host::Placement;

// Two kinds: "plain", and "wire", which asks for a loop of its own.
class TwoKinds : public TestKinds {
 public:
  TwoKinds() { wire_.properties = BP_OWN_LOOP; }
  const host::KindInfo* find(std::string_view kind) const override {
    return kind == "wire" ? &wire_ : &plain_;
  }

 private:
  host::KindInfo plain_;
  host::KindInfo wire_;
};

class PlacementTest : public testing::Test {
 protected:
  PlacementTest() { manifest_.host.loops = 2; }

  host::ComponentSettings& add(const std::string& name, const std::string& kind = "plain") {
    auto& made = manifest_.components.emplace_back();
    made.name = name;
    made.kind = kind;
    return made;
  }
  void join(const std::string& from, const std::string& to) {
    auto& made = manifest_.routes.emplace_back();
    made.from = from;
    made.to = {to};
  }
  // The names of the loops by component; of several instances the last one's.
  std::map<std::string, std::string> loops() {
    const Placement placement = host::place(manifest_, kinds_);
    std::map<std::string, std::string> all;
    for (const auto& placed : placement.instances)
      all[placed.settings->name] = placement.loops.at(placed.loop);
    return all;
  }

  host::Manifest manifest_;

 private:
  TwoKinds kinds_;
};

TEST_F(PlacementTest, ThePoolIsFilledInTurnAndRoutesKeepTogether) {
  for (const auto* name : {"a", "b", "c"}) add(name);
  join("a", "c");
  const auto at = loops();
  EXPECT_EQ(at.at("a"), at.at("c"));
  EXPECT_NE(at.at("a"), at.at("b"));
}

TEST_F(PlacementTest, AComponentMayNameItsLoop) {
  add("a").loop = "mine";
  add("b").loop = "mine";
  add("c");
  EXPECT_EQ(loops().at("a"), "mine");
  EXPECT_EQ(loops().at("b"), "mine");
  EXPECT_EQ(loops().at("c"), "pool-1");
}

TEST_F(PlacementTest, ABlockingOneIsAlone) {
  manifest_.host.loops = 1;
  add("a");
  add("b").blocking = true;
  join("a", "b");
  EXPECT_EQ(loops().at("a"), "pool-1");
  EXPECT_EQ(loops().at("b"), "own:b");
}

TEST_F(PlacementTest, AKindMayAskForALoopOfItsOwn) {
  manifest_.host.loops = 1;
  add("functions");
  add("wire", "wire");
  add("other", "wire");
  EXPECT_EQ(loops().at("functions"), "pool-1");
  EXPECT_EQ(loops().at("wire"), "own:wire");
  EXPECT_EQ(loops().at("other"), "own:other");
}

TEST_F(PlacementTest, TheManifestMayPutItTogetherWithOthers) {
  add("functions").loop = "calls";
  add("wire", "wire").loop = "calls";
  EXPECT_EQ(loops().at("wire"), "calls");
}

TEST_F(PlacementTest, EachInstanceOfItHasOne) {
  add("wire", "wire").instances = 3;
  const auto placement = host::place(manifest_, TwoKinds());
  EXPECT_THAT(placement.loops, testing::ElementsAre("own:wire#1", "own:wire#2", "own:wire#3"));
}

}  // namespace
}  // namespace backplane::test
