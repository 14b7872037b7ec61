// What golden files cannot show: files that are not there, secrets, limits, and what the reader asks of
// others.
#include "manifest/reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <ctime>
#include <fstream>
#include <map>

#include "host/manifest/dump.hpp"
#include "host/manifest/fake_catalog.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Reading : public testing::Test {
 protected:
  void set(const std::string& name, const std::string& value) { environment_[name] = value; }
  void file(const std::string& name, const std::string& text) { files_[name] = text; }

  const ReadResult& read(std::string_view text, const std::string& name = "main.yaml") {
    ReadSettings settings;
    settings.environment = [this](const std::string& variable) -> std::optional<std::string> {
      const auto found = environment_.find(variable);
      return found == environment_.end() ? std::nullopt : std::optional(found->second);
    };
    settings.read = [this](const std::filesystem::path& path) -> FileText {
      const auto found = files_.find(path.string());
      if (found == files_.end()) return {std::nullopt, "there is no such file", true};
      return {found->second, {}, false};
    };
    settings.include_folders = folders_;
    result_ = read_manifest_text(text, name, catalog_, settings);
    return result_;
  }
  std::string errors() const { return error_report(result_); }
  const ComponentSettings& component(const std::string& name) const {
    for (const auto& component : result_.manifest->components)
      if (component.name == name) return component;
    throw std::runtime_error("no component " + name);
  }

  std::vector<std::filesystem::path> folders_;
  FakeCatalog catalog_;
  ReadResult result_;

 private:
  std::map<std::string, std::string> environment_;
  std::map<std::string, std::string> files_;
};

// ---- plugins

TEST_F(Reading, OpensBasicFirstThenThePluginsListed) {
  read("plugins: [zmq, ./libmine.so]\ncomponents: {out: {kind: mine.words}}\n", "folder/main.yaml");
  EXPECT_EQ(errors(), "");
  EXPECT_THAT(catalog_.opened, ElementsAre("basic", "zmq", "folder|./libmine.so"));
  ASSERT_EQ(result_.manifest->plugins.size(), 2u);
  EXPECT_EQ(result_.manifest->plugins[0].name, "zmq");
  EXPECT_EQ(result_.manifest->plugins[1].position.line, 1);
  EXPECT_EQ(result_.manifest->plugins[1].position.column, 16);
}

TEST_F(Reading, TakesOnePluginWithoutAList) {
  read("plugins: zmq\ncomponents: {out: {kind: null.sink}}\n");
  EXPECT_THAT(catalog_.opened, ElementsAre("basic", "zmq"));
}

TEST_F(Reading, TellsThatAPluginIsRefusedAndNotThatItsKindsAreUnknown) {
  read("plugins: [palm]\ncomponents: {out: {kind: palm.master}}\n");
  EXPECT_EQ(errors(),
            "main.yaml:1:11: plugin \"palm\": not found; looked in /usr/lib/backplane\n"
            "1 error; nothing was started\n");
}

TEST_F(Reading, OpensTheSamePluginOfTwoFilesOnce) {
  file("other.yaml", "plugins: [zmq]\n");
  read("include: other.yaml\nplugins: [zmq]\ncomponents: {out: {kind: null.sink}}\n");
  EXPECT_EQ(errors(), "");
  EXPECT_EQ(result_.manifest->plugins.size(), 1u);
}

// ---- components

TEST_F(Reading, FillsInDefaults) {
  read("components: {out: {kind: log.sink, level: debug}}\n");
  ASSERT_TRUE(result_.manifest);
  EXPECT_TRUE(component("out").options.at("level").given);
  EXPECT_FALSE(component("out").options.at("max_bytes").given);
  EXPECT_EQ(component("out").options.at("max_bytes").integer, 256);
  EXPECT_EQ(component("out").in_flight, 10000u);
  EXPECT_EQ(component("out").timeout, std::chrono::seconds(30));
  EXPECT_EQ(component("out").position.column, 14);
}

TEST_F(Reading, LetsAKindsOwnOptionWinOverACommonKey) {
  read("plugins: [lab]\ncomponents: {own: {kind: lab.own, timeout: 2KiB}}\n");
  ASSERT_TRUE(result_.manifest) << errors();
  EXPECT_EQ(component("own").options.at("timeout").integer, 2048);
  EXPECT_EQ(component("own").timeout, std::chrono::seconds(0)) << "the kind sees to it itself";
}

TEST_F(Reading, KnowsThatAKindBlocks) {
  read("plugins: [lab]\ncomponents: {slow: {kind: lab.blocking}}\n");
  EXPECT_TRUE(component("slow").blocking);
  read("plugins: [lab]\ncomponents: {slow: {kind: lab.blocking, blocking: false}}\n");
  EXPECT_THAT(errors(),
              HasSubstr("main.yaml:2:51: component \"slow\" (lab.blocking): blocking: this kind blocks"));
}

TEST_F(Reading, BlamesThePluginForAWrongDefault) {
  read("plugins: [lab]\ncomponents: {out: {kind: lab.broken}}\n");
  EXPECT_THAT(errors(),
              HasSubstr("the plugin's own default of option \"pause\" is wrong (tell its author): \"soon\""));
}

TEST_F(Reading, TakesPathsFromTheFolderOfTheFileTheyAreWrittenIn) {
  file("folder/parts/disk.yaml",
       "parameters: {path: required}\ncomponents:\n"
       "  own:   {kind: file.writer, path: own.txt}\n"
       "  given: {kind: file.writer, path: \"${path}\"}\n"
       "  root:  {kind: file.writer, path: /tmp/root.txt}\n"
       "  out:   {kind: file.writer, path: \"-\"}\n");
  read("include: {file: parts/disk.yaml, with: {path: ../given.txt}}\nhost: {log: {file: host.log}}\n",
       "folder/main.yaml");
  ASSERT_TRUE(result_.manifest) << errors();
  EXPECT_EQ(component("own").options.at("path").text, "folder/parts/own.txt");
  EXPECT_EQ(component("given").options.at("path").text, "given.txt");
  EXPECT_EQ(component("root").options.at("path").text, "/tmp/root.txt");
  EXPECT_EQ(component("out").options.at("path").text, "-");
  EXPECT_EQ(result_.manifest->host.log_file, "folder/host.log");
}

TEST_F(Reading, RefusesRoutesFromAKindThatSendsNothing) {
  read(
      "plugins: [lab]\ncomponents: {a: {kind: lab.silent}, b: {kind: null.sink}}\nroutes: [{from: a, to: "
      "b}]\n");
  EXPECT_THAT(errors(), HasSubstr("component \"a\" (lab.silent) sends no messages"));
}

TEST_F(Reading, WarnsOfAnInboundComponentWithoutARouteUnlessItMayCallFunctions) {
  read("components: {ticks: {kind: timer.tick, every: 1s}}\n");
  EXPECT_THAT(warning_report(result_), HasSubstr("no route starts from it; what it brings is dropped"));
  read("plugins: [demo]\ncomponents: {ticks: {kind: timer.tick, every: 1s}, sums: {kind: demo.functions}}\n");
  EXPECT_EQ(warning_report(result_), "");
}

// ---- environment

TEST_F(Reading, DecidesTypesAfterSubstitution) {
  set("COUNT", "4");
  set("PORT", "5555");
  read(
      "plugins: [zmq]\nhost: {loops: \"${COUNT}\"}\n"
      "components: {jobs: {kind: zmq.pull, bind: \"tcp://127.0.0.1:${PORT}\", instances: \"${COUNT}\"}}\n");
  ASSERT_TRUE(result_.manifest) << errors();
  EXPECT_EQ(result_.manifest->host.loops, 4u);
  EXPECT_EQ(component("jobs").options.at("bind").list.front(), "tcp://127.0.0.1:5555");
  EXPECT_EQ(component("jobs").instances, 4u);
}

TEST_F(Reading, NeverReadsTheEnvironmentAsYaml) {
  set("EVIL", "x, kind: null.sink}");
  read("components: {out: {kind: log.sink, prefix: \"${EVIL}\"}}\n");
  EXPECT_EQ(component("out").options.at("prefix").text, "x, kind: null.sink}");
}

TEST_F(Reading, DoesNotExpandWhatComesFromTheEnvironment) {
  set("A", "${B}");
  read("components: {out: {kind: log.sink, prefix: \"${A}\"}}\n");
  EXPECT_EQ(component("out").options.at("prefix").text, "${B}");
}

TEST_F(Reading, FallsBackWhenAVariableIsEmpty) {
  set("EMPTY", "");
  read("components: {out: {kind: log.sink, prefix: \"${EMPTY:-full}${EMPTY}\"}}\n");
  EXPECT_EQ(component("out").options.at("prefix").text, "full");
}

TEST_F(Reading, ReplacesInKeysToo) {
  set("NAME", "out");
  read("components: {\"${NAME}\": {kind: log.sink}}\n");
  EXPECT_EQ(component("out").kind, "log.sink");
}

TEST_F(Reading, ReportsAValueThatCouldNotBeReplacedOnce) {
  read(
      "host: {loops: \"${NOT_SET}\"}\ncomponents: {out: {kind: \"${NOT_SET}\"}}\nroutes: [{from: "
      "\"${NOT_SET}\", to: out}]\n");
  EXPECT_EQ(result_.errors.size(), 3u) << errors();
}

TEST_F(Reading, LimitsDefaultsInsideDefaults) {
  std::string text = "x";
  for (int i = 0; i < 50; ++i) text = "${NOT_SET:-" + text + "}";
  read("host: {name: \"" + text + "\"}\ncomponents: {out: {kind: log.sink}}\n");
  EXPECT_THAT(errors(), HasSubstr("defaults inside defaults more than 8 deep"));
}

TEST_F(Reading, NeverShowsASecret) {
  set("PASSWORD", "hunter2\x01");
  read("plugins: [lab]\ncomponents: {out: {kind: lab.secret, password: \"${PASSWORD}\", tries: x}}\n");
  EXPECT_THAT(errors(), HasSubstr("the value of PASSWORD contains a control character"));
  EXPECT_THAT(errors(), Not(HasSubstr("hunter2")));
  read("plugins: [lab]\ncomponents: {out: {kind: lab.secret, password: [hunter2], tries: x}}\n");
  EXPECT_THAT(errors(), HasSubstr("option \"password\": expected secret text, found a list"));
  EXPECT_THAT(errors(), Not(HasSubstr("hunter2")));
}

// ---- includes

TEST_F(Reading, LooksForIncludesBesideTheFileThenInTheFolders) {
  folders_ = {"/lib/one", "/lib/two"};
  file("/lib/two/palm/master.yaml", "components: {out: {kind: null.sink}}\n");
  read("include: palm/master.yaml\n", "folder/main.yaml");
  EXPECT_EQ(errors(), "");
  file("/lib/one/palm/master.yaml", "components: {first: {kind: null.sink}}\n");
  read("include: palm/master.yaml\n", "folder/main.yaml");
  EXPECT_EQ(component("first").position.file, "/lib/one/palm/master.yaml");
  file("folder/palm/master.yaml", "components: {beside: {kind: null.sink}}\n");
  read("include: palm/master.yaml\n", "folder/main.yaml");
  EXPECT_EQ(component("beside").position.file, "folder/palm/master.yaml");
  read("include: palm/slave.yaml\n", "folder/main.yaml");
  EXPECT_THAT(
      errors(),
      HasSubstr("looked for folder/palm/slave.yaml, /lib/one/palm/slave.yaml, /lib/two/palm/slave.yaml"));
}

TEST_F(Reading, PutsTheRoutesOfTheIncludingFileFirst) {
  file("rest.yaml",
       "components: {a: {kind: timer.tick, every: 1s}, b: {kind: log.sink}}\nroutes: [{from: a, to: b}]\n");
  read(
      "include: rest.yaml\ncomponents: {c: {kind: null.sink}}\nroutes: [{from: a, to: c, when: {topic: "
      "x}}]\n");
  ASSERT_TRUE(result_.manifest) << errors();
  EXPECT_EQ(result_.manifest->routes[0].to, std::vector<std::string>{"c"});
  EXPECT_EQ(result_.manifest->routes[1].to, std::vector<std::string>{"b"});
}

TEST_F(Reading, LetsParametersWinOverTheEnvironment) {
  set("name", "environment");
  file("t.yaml", "parameters: {name: required}\ncomponents: {out: {kind: log.sink, prefix: \"${name}\"}}\n");
  read("include: {file: t.yaml, with: {name: parameter}}\n");
  EXPECT_EQ(component("out").options.at("prefix").text, "parameter");
}

TEST_F(Reading, KeepsParametersInsideTheirTemplate) {
  file("t.yaml", "parameters: {name: required}\ninclude: u.yaml\nhost: {name: \"${name}\"}\n");
  file("u.yaml", "components: {out: {kind: log.sink, prefix: \"${name:-none}\"}}\n");
  read("include: {file: t.yaml, with: {name: parameter}}\n");
  ASSERT_TRUE(result_.manifest) << errors();
  EXPECT_EQ(component("out").options.at("prefix").text, "none");
}

TEST_F(Reading, AnOptionThatNamesComponentsHasTheirFullNames) {
  file("t.yaml",
       "parameters: {callee: required}\nplugins: [lab]\n"
       "components: {call: {kind: lab.caller, callees: [\"${callee}\", own], cache: own}, own: {kind: "
       "null.sink}}\n");
  read("include: {file: t.yaml, as: x, with: {callee: own}}\ncomponents: {own: {kind: null.sink}}\n");
  EXPECT_EQ(errors(), "");
  EXPECT_THAT(component("x.call").options.at("callees").list, ElementsAre("own", "x.own"));
  EXPECT_EQ(component("x.call").options.at("cache").text, "x.own");
}

TEST_F(Reading, AnOptionThatNamesNoComponentIsAMistake) {
  read(
      "plugins: [lab]\ncomponents:\n  call: {kind: lab.caller, callees: [sink, snik], cache: {}}\n"
      "  sink: {kind: null.sink}\n");
  EXPECT_THAT(errors(), HasSubstr("main.yaml:3:44: component \"call\" (lab.caller): option \"callees\": no "
                                  "component is named \"snik\"; did you mean \"sink\"? known: call, sink\n"));
  EXPECT_THAT(errors(), HasSubstr("option \"cache\": expected name of a component, found a map\n"));
}

TEST_F(Reading, LooksForANameWhereItWasWritten) {
  file("t.yaml",
       "parameters: {to: required}\ncomponents:\n  ticks: {kind: timer.tick, every: 1s}\n  sink: {kind: "
       "null.sink}\n"
       "  more: {kind: timer.tick, every: 1s}\nroutes: [{from: ticks, to: \"${to}\"}, {from: more, to: "
       "sink}]\n");
  read("include: {file: t.yaml, as: x, with: {to: sink}}\ncomponents: {sink: {kind: log.sink}}\n");
  ASSERT_TRUE(result_.manifest) << errors();
  EXPECT_EQ(result_.manifest->routes[0].to, std::vector<std::string>{"sink"});
  EXPECT_EQ(result_.manifest->routes[1].to, std::vector<std::string>{"x.sink"});
}

TEST_F(Reading, NestsTheNamesOfTemplates) {
  file("outer.yaml", "include: {file: inner.yaml, as: b}\ncomponents: {sink: {kind: null.sink}}\n");
  file("inner.yaml",
       "components: {ticks: {kind: timer.tick, every: 1s}}\nroutes: [{from: ticks, to: sink}]\n");
  read("include: {file: outer.yaml, as: a}\n");
  ASSERT_TRUE(result_.manifest) << errors();
  EXPECT_EQ(result_.manifest->routes[0].from, "a.b.ticks");
  EXPECT_EQ(result_.manifest->routes[0].to, std::vector<std::string>{"a.sink"});
}

TEST_F(Reading, TellsAWrongParameterWhereItWasWritten) {
  file("t.yaml",
       "parameters: {count: required}\ncomponents: {out: {kind: log.sink, instances: \"${count}\"}}\n");
  read("include:\n  file: t.yaml\n  with: {count: many}\n");
  EXPECT_EQ(errors(),
            "main.yaml:3:17: component \"out\" (log.sink): instances: \"many\" is not a whole number\n"
            "1 error; nothing was started\n");
}

TEST_F(Reading, SortsErrorsByFileThenPlace) {
  file("b.yaml", "hst: {}\n");
  file("a.yaml", "include: b.yaml\nhst: {}\n");
  read("include: a.yaml\nhst: {}\ncomponents: {out: {kind: null.sink}}\n");
  ASSERT_EQ(result_.errors.size(), 3u);
  EXPECT_EQ(result_.errors[0].position.file, "main.yaml");
  EXPECT_EQ(result_.errors[1].position.file, "a.yaml");
  EXPECT_EQ(result_.errors[2].position.file, "b.yaml");
  EXPECT_THAT(result_.errors[2].text, HasSubstr("(included from a.yaml:1:10, main.yaml:1:10)"));
}

TEST_F(Reading, TellsEveryProblemOnOneLine) {
  read("include: \"a\\nb\"\ncomponents: {\"x\\ny\": {kind: \"k\\nl\"}}\nroutes: [{from: z, to: z}]\n",
       "m\nain.yaml");
  EXPECT_EQ(result_.errors.size(), 5u);
  for (const auto& error : result_.errors) EXPECT_EQ(error.text.find('\n'), std::string::npos) << error.text;
}

TEST_F(Reading, LimitsIncludesInsideEachOther) {
  for (int i = 0; i < 100; ++i)
    file("f" + std::to_string(i) + ".yaml", "include: f" + std::to_string(i + 1) + ".yaml\n");
  read("include: f0.yaml\ncomponents: {out: {kind: null.sink}}\n");
  EXPECT_THAT(errors(), HasSubstr("f31.yaml:1:10: includes inside each other more than 32 deep"));
}

TEST_F(Reading, LimitsIncludesInAll) {
  for (int i = 0; i < 20; ++i) {
    const auto next = "f" + std::to_string(i + 1) + ".yaml";
    file("f" + std::to_string(i) + ".yaml",
         "include: [{file: " + next + ", as: a}, {file: " + next + ", as: b}]\n");
  }
  file("f20.yaml", "plugins: []\n");
  read("include: f0.yaml\ncomponents: {out: {kind: null.sink}}\n");
  EXPECT_THAT(errors(), HasSubstr("more than 10000 includes"));
}

TEST_F(Reading, LimitsWhatParametersGrowInto) {
  file("f0.yaml", "parameters: {x: required}\nhost: {name: \"${x}\"}\n");
  for (int i = 1; i <= 31; ++i)
    file("f" + std::to_string(i) + ".yaml", "parameters: {x: required}\ninclude: {file: f" +
                                                std::to_string(i - 1) +
                                                ".yaml, with: {x: \"${x}${x}${x}${x}\"}}\n");
  read("include: {file: f31.yaml, with: {x: abcd}}\ncomponents: {out: {kind: null.sink}}\n");
  EXPECT_THAT(errors(), HasSubstr("too much text comes out of ${}; all files together hold at most 64MiB"));
}

TEST(ReadingText, RefusesIncludesWithoutAFileReader) {
  FakeCatalog catalog;
  ReadSettings settings;
  settings.read = nullptr;
  const auto result = read_manifest_text("include: /etc/passwd\ncomponents: {out: {kind: null.sink}}\n",
                                         "fuzz.yaml", catalog, settings);
  EXPECT_THAT(error_report(result), HasSubstr("fuzz.yaml:1:10: nothing can be included here"));
}

// ---- files

class ReadingFiles : public testing::Test {
 protected:
  std::string read(const std::filesystem::path& file) {
    FakeCatalog catalog;
    return error_report(read_manifest(file, catalog));
  }
  std::filesystem::path write(const std::string& name, const std::string& text) {
    std::ofstream(folder_.path() / name, std::ios::binary) << text;
    return folder_.path() / name;
  }
  test::TemporaryFolder folder_;
};

TEST_F(ReadingFiles, TellsThatThereIsNone) {
  EXPECT_EQ(read("/nowhere/at/all.yaml"),
            "/nowhere/at/all.yaml:1:1: there is no such file\n1 error; nothing was started\n");
}

TEST_F(ReadingFiles, TellsThatItIsAFolder) {
  EXPECT_THAT(read(folder_.path()), HasSubstr(":1:1: is a folder, not a file"));
}

TEST_F(ReadingFiles, ReadsAFile) {
  EXPECT_EQ(read(write("good.yaml", "components: {out: {kind: null.sink}}\n")), "");
}

TEST_F(ReadingFiles, RefusesAFileBeyondTheLimit) {
  EXPECT_EQ(read(write("just.yaml", "components: {out: {kind: null.sink}}\n#" +
                                        std::string(manifest_size_limit - 50, 'x'))),
            "");
  EXPECT_THAT(read(write("large.yaml", "#" + std::string(manifest_size_limit, 'x'))),
              HasSubstr("large.yaml:1:1: too large; a file has at most 16MiB"));
}

TEST_F(ReadingFiles, UsesTheEnvironmentOfTheProcess) {
  ASSERT_EQ(setenv("BACKPLANE_TEST_VALUE", "42", 1), 0);
  EXPECT_EQ(process_environment()("BACKPLANE_TEST_VALUE"), "42");
  EXPECT_EQ(process_environment()("BACKPLANE_TEST_UNSET_VALUE"), std::nullopt);
}

// ---- sizes and malice

std::string large_manifest(int count) {
  std::string text = "plugins: [zmq]\ncomponents:\n  sink: {kind: log.sink}\n";
  for (int i = 0; i < count; ++i)
    text += "  c" + std::to_string(i) +
            ": {kind: zmq.pull, bind: \"tcp://127.0.0.1:" + std::to_string(1000 + i) + "\", linger: 5s}\n";
  text += "routes:\n";
  for (int i = 0; i < count; ++i)
    text +=
        "  - {from: c" + std::to_string(i) + ", to: sink, when: {topic: \"t*\"}, window: 10, rate: 10k/s}\n";
  return text;
}

// Sanitizers slow everything down.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double patience = 10;
#else
constexpr double patience = 1;
#endif

// Processor time, so that a busy machine does not count.
double seconds_of(const std::function<void()>& work) {
  const auto start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

TEST_F(Reading, ChecksAThousandComponentsAndRoutesInUnderASecond) {
  const auto text = large_manifest(1000);
  const double seconds = seconds_of([&] { read(text); });
  EXPECT_EQ(errors(), "");
  EXPECT_EQ(result_.manifest->components.size(), 1001u);
  RecordProperty("seconds", std::to_string(seconds));
  EXPECT_LT(seconds, 1 * patience);
}

TEST_F(Reading, CountsErrorsBeyondTheLimitWithoutKeepingThem) {
  std::string text = "components: {sink: {kind: log.sink}}\nroutes:\n";
  for (int i = 0; i < 3000; ++i) text += "  - {from: a" + std::to_string(i) + ", to: sink}\n";
  read(text);
  EXPECT_EQ(result_.errors.size(), problem_limit);
  EXPECT_EQ(result_.more_errors, 2000u);
  EXPECT_THAT(errors(), HasSubstr("... and 2000 more\n3000 errors; nothing was started\n"));
}

TEST_F(Reading, LimitsComponents) {
  std::string text = "components:\n";
  for (std::size_t i = 0; i <= component_limit; ++i)
    text += "  c" + std::to_string(i) + ": {kind: null.sink}\n";
  read(text);
  EXPECT_THAT(errors(), HasSubstr("main.yaml:10002:3: more than 10000 components"));
}

TEST_F(Reading, LimitsInstances) {
  std::string text = "components:\n";
  for (int i = 0; i < 11; ++i) text += "  c" + std::to_string(i) + ": {kind: null.sink, instances: 10000}\n";
  read(text);
  EXPECT_THAT(
      errors(),
      HasSubstr(
          "main.yaml:12:3: component \"c10\" (null.sink): with it there are more than 100000 instances"));
}

std::string repeat(std::string_view text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

std::string alias_bomb(std::size_t levels, const std::string& first) {
  std::string text = "l0: &l0 " + first + "\n";
  for (std::size_t i = 1; i < levels; ++i) {
    const auto below = "*l" + std::to_string(i - 1);
    text +=
        "l" + std::to_string(i) + ": &l" + std::to_string(i) + " [" + below + repeat(", " + below, 9) + "]\n";
  }
  return text;
}

const std::map<std::string, std::string>& malicious_texts() {
  static const std::map<std::string, std::string> texts = {
      {"many_brackets", repeat("[", 100'000)},
      {"many_braces", repeat("{a: ", 100'000)},
      {"many_dashes", repeat("- ", 100'000)},
      {"many_complex_keys", repeat("? ", 100'000)},
      {"many_closing_brackets", repeat("]", 1000)},
      {"many_anchors", repeat("&a ", 1000)},
      {"many_quotes", repeat("\"\" ", 100'000)},
      {"many_documents", repeat("---\n", 100'000)},
      {"many_values", "[" + repeat("a,", 1'100'000) + "]"},
      {"many_duplicates", repeat("a: 1\n", 100'000)},
      {"alias_bomb_of_values", alias_bomb(60, "[x, x]")},
      {"alias_bomb_of_text", alias_bomb(60, std::string(1000, 'x'))},
      {"alias_of_itself", "a: &a [*a]"},
      {"alias_of_itself_as_key", "a: &a {*a : *a}"},
      {"open_references", "a: " + repeat("${", 100'000)},
      {"open_defaults", "a: " + repeat("${A:-", 100'000)},
      {"empty", ""},
      {"byte_order_mark", "\xef\xbb\xbf"},
      {"utf16", std::string("\xff\xfe", 2)},
      {"zero", std::string(1, '\0')},
      {"old_version", "%YAML 9.9\n---\na: 1\n"},
      {"tag_directive", "%TAG ! x\n---\na: 1\n"},
      {"block_indentation", "a: |9\n b"},
      {"wrong_escape", "a: \"\\xZZ\""},
      {"surrogate", "a: \"\\uD800\""},
      {"escape_at_end", "a: \"\\"},
      {"open_tag", "a: !<"},
      {"two_documents", "--- a\n--- b"},
  };
  return texts;
}

std::vector<std::string> names_of(const std::map<std::string, std::string>& texts) {
  std::vector<std::string> names;
  for (const auto& [name, text] : texts) names.push_back(name);
  return names;
}

class Malice : public Reading, public testing::WithParamInterface<std::string> {};

TEST_P(Malice, IsRefusedSoon) {
  const double seconds = seconds_of([&] { read(malicious_texts().at(GetParam())); });
  EXPECT_FALSE(result_.manifest);
  EXPECT_LT(seconds, 30 * patience);
}

INSTANTIATE_TEST_SUITE_P(Texts, Malice, testing::ValuesIn(names_of(malicious_texts())),
                         [](const auto& test) { return test.param; });

TEST_F(Reading, RefusesEverySingleCharacter) {
  for (int c = 0; c < 256; ++c) {
    read(std::string(1, static_cast<char>(c)));
    EXPECT_FALSE(result_.manifest) << c;
    EXPECT_FALSE(result_.errors.empty()) << c;
  }
}

TEST_F(Reading, SurvivesEveryCutOfAManifest) {
  const std::string text =
      "host: {log: {level: debug}}\nplugins: [\"zmq\"]\ncomponents:\n  a: &x {kind: timer.tick, every: "
      "'1s'}\n"
      "  b:\n    kind: log.sink\n    prefix: |\n      \"${A:-x}\"\nroutes:\n  - {from: a, to: [b], when: "
      "{topic: \"x\"}}\n";
  read(text);
  ASSERT_EQ(errors(), "");
  for (std::size_t length = 0; length < text.size(); ++length) {
    read(text.substr(0, length));
    EXPECT_EQ(result_.manifest.has_value(), result_.errors.empty()) << length;
    read(text.substr(length));
    EXPECT_EQ(result_.manifest.has_value(), result_.errors.empty()) << length;
  }
}

}  // namespace
}  // namespace backplane::host
