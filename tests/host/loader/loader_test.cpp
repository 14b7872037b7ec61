// Plugins are found by name or path, refused with a sentence, and kept once loaded.
#include "loader/loader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "support/temporary_folder.hpp"

namespace backplane::host {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const fs::path plugins = LOADER_PLUGINS;

class LoaderTest : public testing::Test {
 protected:
  LoaderTest() {
    ::setenv("TMPDIR", temporary_.path().c_str(), 1);
    ::unsetenv("BACKPLANE_PLUGIN_PATH");
  }
  ~LoaderTest() override { ::unsetenv("TMPDIR"); }

  // Puts a copy of a test plugin into the folder, under another name if given.
  fs::path install(const std::string& plugin, std::string as = {}) {
    const auto to = folder_.file((as.empty() ? plugin : as) + ".so");
    fs::copy_file(plugins / (plugin + ".so"), to);
    return to;
  }
  // Why it is refused; empty: it was opened.
  std::string open(Loader& loader, const std::string& plugin) {
    return loader.open(plugin, folder_.path()).value_or("");
  }
  std::string refusal(const std::string& plugin) {
    Loader loader;
    return open(loader, (plugins / (plugin + ".so")).string());
  }
  // Whether the plugin's code still answers: makes a component and frees it.
  static bool works(const KindInfo& kind) {
    bp_error error{};
    void* component = kind.table->create(nullptr, &error);
    if (component == nullptr) return false;
    kind.table->destroy(component);
    return true;
  }

  test::TemporaryFolder temporary_;
  test::TemporaryFolder folder_;
};

// ---- finding -----------------------------------------------------------------------------------------

TEST_F(LoaderTest, FindsANameInTheGivenFolders) {
  install("plain");
  Loader loader({.folders = {folder_.path()}});
  EXPECT_EQ(open(loader, "plain"), "");
  ASSERT_NE(loader.find("plain.echo"), nullptr);
  EXPECT_THAT(loader.kind_names(), ElementsAre("plain.echo"));
  EXPECT_EQ(loader.plugins().front().file, folder_.file("plain.so"));
}

TEST_F(LoaderTest, FindsANameInTheFoldersOfTheEnvironment) {
  install("plain");
  ::setenv("BACKPLANE_PLUGIN_PATH", ("/nonexistent::" + folder_.path().string()).c_str(), 1);
  Loader loader;
  EXPECT_EQ(open(loader, "plain"), "");
}

TEST_F(LoaderTest, SearchesGivenFoldersThenEnvironmentThenBesideTheExecutable) {
  ::setenv("BACKPLANE_PLUGIN_PATH", "/second:/third", 1);
  const auto path = plugin_search_path({"/first"});
  ASSERT_GE(path.size(), 5u);
  EXPECT_EQ(path[0], "/first");
  EXPECT_EQ(path[1], "/second");
  EXPECT_EQ(path[2], "/third");
  const auto above = fs::read_symlink("/proc/self/exe").parent_path().parent_path();
  EXPECT_EQ(path[3], above / "plugins");
  EXPECT_EQ(path[4], above / "lib/backplane/plugins");
  EXPECT_THAT(path.back().string(), EndsWith("backplane/plugins"));
}

TEST_F(LoaderTest, TakesATextWithASlashAsAFile) {
  install("plain", "renamed");
  Loader loader;
  EXPECT_EQ(open(loader, "./renamed.so"), "");
  EXPECT_NE(loader.find("plain.echo"), nullptr);
}

TEST_F(LoaderTest, SaysWhereItSearchedAndWhatIsNear) {
  install("plain");
  Loader loader({.folders = {folder_.path(), "/nonexistent"}});
  EXPECT_THAT(open(loader, "plian"),
              AllOf(StartsWith("no plugin \"plian\" in " + folder_.path().string() + ", /nonexistent, "),
                    EndsWith("; did you mean \"plain\"?")));
  EXPECT_THAT(open(loader, "utterly_different"), HasSubstr("; there are: "));
}

TEST_F(LoaderTest, ExplainsANameWithASuffix) {
  Loader loader;
  EXPECT_THAT(open(loader, "plain.so"), HasSubstr("like ./plain.so"));
}

TEST_F(LoaderTest, ListsWhatCouldBeOpenedByName) {
  install("plain", "b");
  install("plain", "a");
  folder_.file("notes.txt", "no plugin");
  fs::create_directory(folder_.file("folder.so"));
  const Loader loader({.folders = {folder_.path()}});
  std::vector<std::string> names;
  for (const auto& plugin : loader.available())
    if (plugin.file.parent_path() == folder_.path()) names.push_back(plugin.name);
  EXPECT_THAT(names, ElementsAre("a", "b"));
}

// ---- opening -----------------------------------------------------------------------------------------

TEST_F(LoaderTest, GivesTablesThatMakeComponents) {
  Loader loader;
  ASSERT_EQ(open(loader, install("plain").string()), "");
  const auto& kind = *loader.find("plain.echo");
  EXPECT_EQ(kind.plugin, "plain");
  ASSERT_NE(kind.table, nullptr);
  EXPECT_TRUE(works(kind));
  ASSERT_TRUE(kind.functions);
  EXPECT_EQ(kind.functions->at(0).name, "repeat");
}

TEST_F(LoaderTest, WorksWithoutTheHelper) {
  Loader loader({.folders = {}, .probe = false});
  ASSERT_EQ(open(loader, install("plain").string()), "");
  EXPECT_EQ(loader.find("plain.echo")->functions->at(0).name, "repeat");
}

TEST_F(LoaderTest, LoadsAPluginOnceInTheProcess) {
  const auto trace = folder_.file("trace");
  ::setenv("LOADER_TEST_FILE", trace.c_str(), 1);
  install("leave_a_trace");
  fs::create_symlink(folder_.file("leave_a_trace.so"), folder_.file("link.so"));
  fs::create_hard_link(folder_.file("leave_a_trace.so"), folder_.file("hard.so"));
  Loader loader({.folders = {folder_.path()}, .probe = false});
  for (const char* name : {"leave_a_trace", "./leave_a_trace.so", "./link.so", "hard", "leave_a_trace"})
    EXPECT_EQ(open(loader, name), "") << name;
  EXPECT_EQ(test::read_file(trace), "loaded\n");
  EXPECT_EQ(loader.plugins().size(), 1u);
}

TEST_F(LoaderTest, AcceptsALaterMinorOfTheAbi) { EXPECT_EQ(refusal("newer_minor"), ""); }

TEST_F(LoaderTest, KeepsAPluginWhoseFileIsReplaced) {
  const auto file = install("plain");
  Loader loader;
  ASSERT_EQ(open(loader, file.string()), "");
  // In place: what is mapped of this file itself would be gone.
  test::write_file(file, "replaced");
  EXPECT_TRUE(works(*loader.find("plain.echo")));
  EXPECT_EQ(loader.find("plain.echo")->options[0].name, "prefix");
  fs::remove(file);
  EXPECT_TRUE(works(*loader.find("plain.echo")));
}

TEST_F(LoaderTest, LeavesPluginsLoadedAndNoFilesBehind) {
  const bp_kind* kind = nullptr;
  {
    Loader loader;
    ASSERT_EQ(open(loader, install("plain").string()), "");
    kind = loader.find("plain.echo")->table;
    EXPECT_FALSE(fs::is_empty(temporary_.path()));
  }
  EXPECT_TRUE(fs::is_empty(temporary_.path()));
  bp_error error{};
  EXPECT_NE(kind->create(nullptr, &error), nullptr);
}

TEST_F(LoaderTest, KeepsTheNameOfAPluginForDebuggers) {
  Loader loader;
  ASSERT_EQ(open(loader, install("plain", "visible_name").string()), "");
  EXPECT_THAT(test::read_file("/proc/self/maps"), HasSubstr("/visible_name.so"));
}

TEST_F(LoaderTest, FindsLibrariesBesideThePluginNotItsCopy) {
  const auto file = install("dependent");
  fs::copy_file(plugins / "libloader_test_beside.so", folder_.file("libloader_test_beside.so"));
  Loader loader;
  ASSERT_EQ(open(loader, file.string()), "");
  bp_error error{};
  EXPECT_EQ(*static_cast<int*>(loader.find("dependent.adder")->table->create(nullptr, &error)), 42);
}

// ---- refusing ----------------------------------------------------------------------------------------

TEST_F(LoaderTest, RefusesAnotherAbiNamingBoth) {
  EXPECT_THAT(refusal("other_abi"), AllOf(StartsWith(plugins.string()),
                                          HasSubstr("other_abi.so: built for ABI 2, this host speaks 1")));
}

TEST_F(LoaderTest, RefusesAnotherLibzmqNamingBoth) {
  EXPECT_THAT(refusal("other_zmq"),
              HasSubstr("other_zmq.so: built with libzmq 5.3.4, this host runs libzmq 4."));
}

TEST_F(LoaderTest, RefusesABadFieldNamingIt) {
  EXPECT_THAT(refusal("no_on_message"),
              HasSubstr("no_on_message.so: kind \"plain.echo\": on_message is null, expected a function"));
  EXPECT_THAT(refusal("bad_name"), HasSubstr("bad_name.so: name has a control character: \"Bad\\nName\""));
}

TEST_F(LoaderTest, RefusesMissingSymbolsNamingAll) {
  EXPECT_THAT(
      refusal("missing_symbols"),
      AllOf(HasSubstr("missing_symbols.so: cannot be loaded: undefined symbol: loader_test_"),
            HasSubstr("missing in all: "), HasSubstr("loader_test_first"), HasSubstr("loader_test_second")));
}

TEST_F(LoaderTest, RefusesMissingSymbolsWithoutTheHelperToo) {
  Loader loader({.folders = {}, .probe = false});
  EXPECT_THAT(open(loader, (plugins / "missing_symbols.so").string()),
              HasSubstr("missing_symbols.so: cannot be loaded: undefined symbol: loader_test_"));
}

TEST_F(LoaderTest, RefusesAMissingLibrary) {
  EXPECT_THAT(refusal("orphan"),
              AllOf(HasSubstr("orphan.so: cannot be loaded: libloader_test_absent.so: cannot open"),
                    HasSubstr("No such file")));
}

TEST_F(LoaderTest, RefusesAFileWithoutATableAndDoesNotLoadIt) {
  const auto trace = folder_.file("trace");
  ::setenv("LOADER_TEST_FILE", trace.c_str(), 1);
  EXPECT_THAT(refusal("no_table"), HasSubstr("not a plugin: it exports no table \"backplane_plugin\""));
  EXPECT_FALSE(fs::exists(trace));
}

TEST_F(LoaderTest, RefusesACrashingPluginAndGoesOn) {
  Loader loader;
  EXPECT_THAT(open(loader, (plugins / "crash.so").string()),
              HasSubstr("crash.so: crashed while loading: segmentation fault (signal 11)"));
  EXPECT_EQ(open(loader, (plugins / "plain.so").string()), "");
}

TEST_F(LoaderTest, RefusesAKindThatAnotherPluginOffersNamingBoth) {
  Loader loader;
  ASSERT_EQ(open(loader, (plugins / "plain.so").string()), "");
  EXPECT_THAT(
      open(loader, (plugins / "same_kind.so").string()),
      AllOf(HasSubstr("same_kind.so: plugin \"same_kind\" offers the kind \"plain.echo\""),
            HasSubstr("which plugin \"plain\" (" + (plugins / "plain.so").string() + ") offers already")));
}

TEST_F(LoaderTest, ChangesNothingWhenItRefuses) {
  Loader loader;
  ASSERT_EQ(open(loader, (plugins / "plain.so").string()), "");
  const auto* before = loader.find("plain.echo");
  for (const char* name : {"same_kind", "other_abi", "no_table", "crash"})
    EXPECT_NE(open(loader, (plugins / (std::string(name) + ".so")).string()), "") << name;
  EXPECT_EQ(loader.plugins().size(), 1u);
  EXPECT_THAT(loader.kind_names(), ElementsAre("plain.echo"));
  EXPECT_EQ(loader.find("plain.echo"), before);
}

TEST_F(LoaderTest, RefusesFilesThatAreNoPlugins) {
  Loader loader;
  folder_.file("text.so", "hello");
  folder_.file("empty.so", "");
  EXPECT_EQ(open(loader, "./text.so"),
            folder_.file("./text.so").string() + ": not a shared object (no ELF file)");
  EXPECT_THAT(open(loader, "./empty.so"), EndsWith("empty.so: the file is empty"));
  EXPECT_THAT(open(loader, "./absent.so"), EndsWith("absent.so: there is no such file"));
  EXPECT_THAT(open(loader, "./"), HasSubstr("is a folder"));
}

TEST_F(LoaderTest, NamesAFileInOneLineWhateverItIsCalled) {
  Loader loader;
  EXPECT_THAT(open(loader, "./two\nlines.so"), HasSubstr("two\\nlines.so: there is no such file"));
}

// ---- inspecting --------------------------------------------------------------------------------------

TEST_F(LoaderTest, InspectsAGoodPlugin) {
  const auto inspection = inspect(plugins / "plain.so");
  EXPECT_TRUE(inspection.loadable);
  EXPECT_EQ(inspection.reason, "");
  EXPECT_EQ(inspection.description.plugin->kinds.at(0).name, "plain.echo");
}

TEST_F(LoaderTest, InspectsWhatCannotBeLoaded) {
  const auto missing = inspect(plugins / "missing_symbols.so");
  EXPECT_FALSE(missing.loadable);
  EXPECT_TRUE(missing.elf.elf);
  EXPECT_TRUE(missing.elf.exports_table);
  EXPECT_EQ(missing.description.missing_symbols.size(), 2u);

  const auto other = inspect(plugins / "other_zmq.so");
  EXPECT_THAT(other.reason, HasSubstr("built with libzmq 5.3.4"));
  EXPECT_EQ(other.description.plugin->zmq_version, "5.3.4");

  const auto text = inspect(folder_.file("text.so", "hello"));
  EXPECT_FALSE(text.elf.elf);
  EXPECT_EQ(text.elf.size, 5u);
  EXPECT_THAT(text.reason, EndsWith("text.so: not a shared object (no ELF file)"));
}

TEST_F(LoaderTest, InspectsATruncatedPluginAtAnyLength) {
  const auto whole = test::read_file(plugins / "plain.so");
  for (std::size_t part = 0; part < 20; ++part) {
    const auto inspection = inspect(folder_.file("cut.so", whole.substr(0, whole.size() * part / 20)));
    EXPECT_FALSE(inspection.loadable) << part;
    EXPECT_THAT(inspection.reason, testing::AnyOf(HasSubstr("truncated"), HasSubstr("empty"))) << part;
  }
}

}  // namespace
}  // namespace backplane::host
