// The folder that holds the copies of loaded plugins.
#include "loader/private_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "support/temporary_folder.hpp"

namespace backplane::host {
namespace {

namespace fs = std::filesystem;

class PrivateFolderIn : public testing::Test {
 protected:
  PrivateFolderIn() { ::setenv("TMPDIR", place_.path().c_str(), 1); }
  ~PrivateFolderIn() override { ::unsetenv("TMPDIR"); }

  test::TemporaryFolder place_;
};

TEST_F(PrivateFolderIn, IsForItsOwnerAlone) {
  const PrivateFolder folder;
  EXPECT_EQ(folder.path().parent_path(), place_.path());
  EXPECT_EQ(fs::status(folder.path()).permissions(), fs::perms::owner_all);
}

TEST_F(PrivateFolderIn, KeepsTheNamesOfFilesAndThemApart) {
  PrivateFolder folder;
  const auto file = place_.file("mine.so", "one");
  const auto first = folder.copy(file);
  test::write_file(file, "two");
  const auto second = folder.copy(file);
  EXPECT_EQ(first.filename(), "mine.so");
  EXPECT_EQ(second.filename(), "mine.so");
  EXPECT_EQ(test::read_file(first), "one");
  EXPECT_EQ(test::read_file(second), "two");
}

TEST_F(PrivateFolderIn, IsGoneWithItsObject) {
  fs::path path;
  {
    PrivateFolder folder;
    path = folder.path();
    folder.copy(place_.file("mine.so", "content"));
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(PrivateFolderIn, OutlivesAForkedChild) {
  auto* folder = new PrivateFolder;
  const auto child = ::fork();
  if (child == 0) {
    delete folder;
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(fs::exists(folder->path()));
  delete folder;
}

TEST_F(PrivateFolderIn, RemovesWhatAKilledProcessLeft) {
  const auto abandoned = place_.path() / "backplane-plugins-Abcdef";
  fs::create_directories(abandoned / "1");
  test::write_file(abandoned / "1/zmq.so", "old");
  const auto foreign = place_.path() / "somebody-elses";
  fs::create_directory(foreign);
  const PrivateFolder folder;
  EXPECT_FALSE(fs::exists(abandoned));
  EXPECT_TRUE(fs::exists(foreign));
}

TEST_F(PrivateFolderIn, LeavesTheFolderOfALivingProcess) {
  const PrivateFolder first;
  const PrivateFolder second;
  EXPECT_TRUE(fs::exists(first.path()));
  EXPECT_NE(first.path(), second.path());
}

TEST_F(PrivateFolderIn, SaysWhatCouldNotBeCopied) {
  PrivateFolder folder;
  try {
    folder.copy(place_.file("absent.so"));
    FAIL() << "copied";
  } catch (const std::runtime_error& failure) {
    EXPECT_THAT(failure.what(), testing::HasSubstr("No such file"));
  }
}

}  // namespace
}  // namespace backplane::host
