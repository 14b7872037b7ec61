// What the loader tells of a file without loading it.
#include "loader/elf.hpp"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "support/temporary_folder.hpp"

namespace backplane::host {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

class ElfFile : public testing::Test {
 protected:
  static std::string plugin(const std::string& name) {
    return std::string(LOADER_PLUGINS) + "/" + name + ".so";
  }
  std::string fault_of(std::string_view content) { return read_elf(folder_.file("file.so", content)).fault; }
  // The plain plugin with one byte changed.
  std::string with_byte(std::size_t at, int value) {
    auto bytes = test::read_file(plugin("plain"));
    bytes.at(at) = static_cast<char>(value);
    return bytes;
  }

  test::TemporaryFolder folder_;
};

TEST_F(ElfFile, ThatIsAPluginTellsItsFacts) {
  const auto facts = read_elf(plugin("plain"));
  EXPECT_EQ(facts.fault, "");
  EXPECT_TRUE(facts.elf);
  EXPECT_EQ(facts.size, std::filesystem::file_size(plugin("plain")));
  EXPECT_EQ(facts.bits, sizeof(void*) * 8);
  EXPECT_EQ(facts.type, "shared object");
  EXPECT_TRUE(facts.symbols_known);
  EXPECT_TRUE(facts.exports_table);
}

TEST_F(ElfFile, TellsTheLibrariesAndSymbolsItNeeds) {
  EXPECT_THAT(read_elf(plugin("dependent")).needed, Contains("libloader_test_beside.so"));
  EXPECT_THAT(read_elf(plugin("dependent")).run_path, Contains("$ORIGIN"));
  EXPECT_THAT(read_elf(plugin("missing_symbols")).undefined, Contains("loader_test_first"));
}

TEST_F(ElfFile, WithoutATableSaysSo) {
  const auto facts = read_elf(plugin("no_table"));
  EXPECT_TRUE(facts.symbols_known);
  EXPECT_FALSE(facts.exports_table);
}

TEST_F(ElfFile, ThatIsEmptyIsRefused) { EXPECT_EQ(fault_of(""), "the file is empty"); }

TEST_F(ElfFile, ThatIsTextIsRefused) {
  EXPECT_EQ(fault_of("host: {name: mistaken}\n"), "not a shared object (no ELF file)");
  EXPECT_EQ(fault_of("x"), "not a shared object (no ELF file)");
}

TEST_F(ElfFile, ThatIsMissingIsRefused) {
  EXPECT_EQ(read_elf(folder_.file("absent.so")).fault, "there is no such file");
}

TEST_F(ElfFile, ThatIsAFolderIsRefused) {
  EXPECT_THAT(read_elf(folder_.path()).fault, HasSubstr("is a folder"));
}

TEST_F(ElfFile, ThatIsADeviceIsRefused) { EXPECT_EQ(read_elf("/dev/zero").fault, "is not a regular file"); }

TEST_F(ElfFile, ThatMayNotBeReadIsRefused) {
  const auto file = folder_.file("secret.so", test::read_file(plugin("plain")));
  std::filesystem::permissions(file, std::filesystem::perms::none);
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
  // Root may read everything, so it becomes somebody else for a moment.
  constexpr uid_t nobody = 65534;
  const auto user = ::geteuid();
  ASSERT_EQ(::seteuid(user == 0 ? nobody : user), 0);
  const auto facts = read_elf(file);
  ASSERT_EQ(::seteuid(user), 0);
  EXPECT_EQ(facts.fault, "cannot be read: Permission denied");
}

TEST_F(ElfFile, OfAnotherMachineIsRefusedNamingBoth) {
  EXPECT_THAT(fault_of(with_byte(offsetof(Elf64_Ehdr, e_machine), EM_S390)),
              StartsWith("built for 64-bit S/390, this host is "));
}

TEST_F(ElfFile, Of32BitIsRefused) {
  auto bytes = with_byte(EI_CLASS, ELFCLASS32);
  bytes[offsetof(Elf64_Ehdr, e_machine)] = EM_386;
  EXPECT_THAT(fault_of(bytes), StartsWith("built for 32-bit x86, this host is "));
  EXPECT_THAT(fault_of(bytes.substr(0, sizeof(Elf32_Ehdr))),
              StartsWith("built for 32-bit x86, this host is "));
}

TEST_F(ElfFile, OfTheOtherByteOrderIsRefused) {
  EXPECT_THAT(fault_of(with_byte(EI_DATA, ELFDATA2MSB)), HasSubstr("other byte order"));
}

TEST_F(ElfFile, ThatIsAnObjectFileIsRefused) {
  EXPECT_EQ(fault_of(with_byte(offsetof(Elf64_Ehdr, e_type), ET_REL)),
            "not a shared object but of ELF type \"relocatable object\"");
}

TEST_F(ElfFile, CutAnywhereIsRefused) {
  const auto whole = test::read_file(plugin("plain"));
  for (const std::size_t parts : {2, 3, 5, 7, 50, 500}) {
    EXPECT_THAT(fault_of(whole.substr(0, whole.size() / parts)), StartsWith("truncated")) << "1/" << parts;
  }
  for (const std::size_t size : {4, 5, 17, 19, 20, 63, 64}) {
    EXPECT_THAT(fault_of(whole.substr(0, size)), StartsWith("truncated")) << size;
  }
  EXPECT_THAT(fault_of(whole.substr(0, whole.size() - 1)), StartsWith("truncated"));
}

// Each byte of the headers in turn, with extreme values: reading stays within bounds.
TEST_F(ElfFile, DamagedInItsHeadersIsReadWithoutHarm) {
  const auto whole = test::read_file(plugin("plain"));
  const auto file = folder_.file("damaged.so", whole);
  std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
  const auto put = [&](std::size_t at, char value) {
    bytes.seekp(static_cast<std::streamoff>(at)).put(value).flush();
  };
  const auto damage = [&](std::size_t from, std::size_t to) {
    for (auto at = from; at < to; ++at) {
      for (const char value : {'\xff', '\x7f', '\0'}) {
        put(at, value);
        read_elf(file);
      }
      put(at, whole[at]);
    }
  };
  damage(EI_NIDENT, 512);                     // header and segments
  damage(whole.size() - 2048, whole.size());  // sections
  EXPECT_EQ(read_elf(file).fault, "");
}

}  // namespace
}  // namespace backplane::host
