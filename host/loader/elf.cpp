#include "loader/elf.hpp"

#include <backplane/abi.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

namespace backplane::host {

namespace {

using Header = ElfW(Ehdr);
using Segment = ElfW(Phdr);
using Section = ElfW(Shdr);
using Symbol = ElfW(Sym);
using Dynamic = ElfW(Dyn);

// No plugin comes near; a file that claims more is not read further.
constexpr std::size_t largest_section = std::size_t{256} << 20;
constexpr std::size_t largest_name = 4096;

// Reads pieces of a file. Owns the descriptor.
class File {
 public:
  explicit File(const std::filesystem::path& file) : descriptor_(::open(file.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0) return;
    const auto end = ::lseek(descriptor_, 0, SEEK_END);
    size_ = end < 0 ? 0 : static_cast<std::uint64_t>(end);
  }
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool is_open() const { return descriptor_ >= 0; }
  std::uint64_t size() const { return size_; }

  // Fills `to` from `offset`. False when the file does not have that many bytes there.
  bool read(std::uint64_t offset, void* to, std::size_t count) const {
    if (offset > size_ || count > size_ - offset) return false;
    auto* next = static_cast<char*>(to);
    while (count > 0) {
      const auto got = ::pread(descriptor_, next, count, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      next += got;
      offset += static_cast<std::uint64_t>(got);
      count -= static_cast<std::size_t>(got);
    }
    return true;
  }

  // `count` values of a plain type at `offset`; empty when they are not there.
  template <typename T>
  std::vector<T> read_all(std::uint64_t offset, std::uint64_t count) const {
    if (count > largest_section / sizeof(T) || offset > size_ || count * sizeof(T) > size_ - offset)
      return {};
    std::vector<T> all(static_cast<std::size_t>(count));
    if (!read(offset, all.data(), all.size() * sizeof(T))) all.clear();
    return all;
  }

 private:
  int descriptor_;
  std::uint64_t size_ = 0;
};

std::string machine_name(unsigned machine) {
  switch (machine) {
    case EM_386:
      return "x86";
    case EM_X86_64:
      return "x86-64";
    case EM_ARM:
      return "ARM";
    case EM_AARCH64:
      return "AArch64";
    case EM_PPC64:
      return "PowerPC 64";
    case EM_RISCV:
      return "RISC-V";
    case EM_S390:
      return "S/390";
    case EM_MIPS:
      return "MIPS";
    default:
      return "machine " + std::to_string(machine);
  }
}

std::string type_name(unsigned type) {
  switch (type) {
    case ET_REL:
      return "relocatable object";
    case ET_EXEC:
      return "executable";
    case ET_DYN:
      return "shared object";
    case ET_CORE:
      return "core dump";
    default:
      return "type " + std::to_string(type);
  }
}

std::string described(unsigned bits, std::string_view machine) {
  return std::to_string(bits) + "-bit " + std::string(machine);
}

// The header of this program: what it can load looks the same.
std::optional<Header> own_header() {
  Header header{};
  const File self("/proc/self/exe");
  if (!self.is_open() || !self.read(0, &header, sizeof header)) return std::nullopt;
  return header;
}

std::string name_at(const std::vector<char>& names, std::uint64_t offset) {
  if (offset >= names.size()) return {};
  const auto room = std::min<std::size_t>(names.size() - static_cast<std::size_t>(offset), largest_name);
  const char* begin = names.data() + offset;
  return {begin, ::strnlen(begin, room)};
}

// The end of the last byte that the headers promise.
std::uint64_t promised_size(const File& file, const Header& header) {
  std::uint64_t end = sizeof header;
  const auto reach = [&end](std::uint64_t offset, std::uint64_t count) {
    if (offset <= UINT64_MAX - count) end = std::max(end, offset + count);
  };
  reach(header.e_phoff, std::uint64_t{header.e_phnum} * sizeof(Segment));
  if (header.e_shoff != 0) reach(header.e_shoff, std::uint64_t{header.e_shnum} * sizeof(Section));
  for (const auto& segment : file.read_all<Segment>(header.e_phoff, header.e_phnum))
    if (segment.p_type != PT_NULL) reach(segment.p_offset, segment.p_filesz);
  return end;
}

void read_symbols(const File& file, const Section& section, const std::vector<char>& names, ElfFacts& facts) {
  const auto symbols = file.read_all<Symbol>(section.sh_offset, section.sh_size / sizeof(Symbol));
  if (symbols.empty()) return;
  facts.symbols_known = true;
  for (const auto& symbol : symbols) {
    auto name = name_at(names, symbol.st_name);
    if (name.empty()) continue;
    if (symbol.st_shndx != SHN_UNDEF) {
      if (name == BP_PLUGIN_SYMBOL) facts.exports_table = true;
    } else if (ELF64_ST_BIND(symbol.st_info) == STB_GLOBAL) {
      facts.undefined.push_back(std::move(name));
    }
  }
}

void add_folders(std::vector<std::string>& to, std::string_view list) {
  while (!list.empty()) {
    const auto folder = list.substr(0, list.find(':'));
    if (!folder.empty()) to.emplace_back(folder);
    list.remove_prefix(std::min(list.size(), folder.size() + 1));
  }
}

void read_dynamic(const File& file, const Section& section, const std::vector<char>& names, ElfFacts& facts) {
  for (const auto& entry : file.read_all<Dynamic>(section.sh_offset, section.sh_size / sizeof(Dynamic))) {
    if (entry.d_tag == DT_NULL) break;
    if (entry.d_tag == DT_NEEDED) facts.needed.push_back(name_at(names, entry.d_un.d_val));
    if (entry.d_tag == DT_RUNPATH || entry.d_tag == DT_RPATH)
      add_folders(facts.run_path, name_at(names, entry.d_un.d_val));
  }
}

void read_sections(const File& file, const Header& header, ElfFacts& facts) {
  const auto sections = file.read_all<Section>(header.e_shoff, header.e_shnum);
  for (const auto& section : sections) {
    if (section.sh_type != SHT_DYNSYM && section.sh_type != SHT_DYNAMIC) continue;
    if (section.sh_link >= sections.size()) continue;
    const auto& strings = sections[section.sh_link];
    const auto names = file.read_all<char>(strings.sh_offset, strings.sh_size);
    if (section.sh_type == SHT_DYNSYM)
      read_symbols(file, section, names, facts);
    else
      read_dynamic(file, section, names, facts);
  }
}

std::string truncated(std::uint64_t promised, std::uint64_t present) {
  return "truncated: its headers speak of " + std::to_string(promised) + " bytes, the file has " +
         std::to_string(present) + "; build or copy it again";
}

// What of an ELF file does not fit this program, from the part of the header that all ELF files share.
std::string foreign(const Header& header, const ElfFacts& facts) {
  const auto own = own_header();
  if (!own) return {};
  if (header.e_ident[EI_DATA] != own->e_ident[EI_DATA])
    return "built for a machine of the other byte order (" + described(facts.bits, facts.machine) + ")";
  if (header.e_ident[EI_CLASS] != own->e_ident[EI_CLASS] || header.e_machine != own->e_machine) {
    const unsigned bits = own->e_ident[EI_CLASS] == ELFCLASS64 ? 64 : 32;
    return "built for " + described(facts.bits, facts.machine) + ", this host is " +
           described(bits, machine_name(own->e_machine));
  }
  if (header.e_type != ET_DYN) return "not a shared object but of ELF type \"" + facts.type + "\"";
  return {};
}

ElfFacts read_open_file(const File& file) {
  ElfFacts facts;
  facts.size = file.size();
  if (facts.size == 0) {
    facts.fault = "the file is empty";
    return facts;
  }
  Header header{};
  file.read(0, &header, static_cast<std::size_t>(std::min<std::uint64_t>(sizeof header, facts.size)));
  if (std::memcmp(header.e_ident, ELFMAG, std::min<std::size_t>(SELFMAG, facts.size)) != 0) {
    facts.fault = "not a shared object (no ELF file)";
    return facts;
  }
  // Class, machine and type have the same place in files of all machines.
  constexpr auto shared_part = offsetof(Header, e_version);
  if (facts.size < shared_part) {
    facts.fault = truncated(sizeof header, facts.size);
    return facts;
  }
  facts.elf = true;
  facts.bits = header.e_ident[EI_CLASS] == ELFCLASS64 ? 64 : 32;
  facts.machine = machine_name(header.e_machine);
  facts.type = type_name(header.e_type);
  facts.fault = foreign(header, facts);
  if (!facts.fault.empty()) return facts;
  if (const auto promised = promised_size(file, header); promised > facts.size) {
    facts.fault = truncated(promised, facts.size);
    return facts;
  }
  read_sections(file, header, facts);
  return facts;
}

}  // namespace

ElfFacts read_elf(const std::filesystem::path& file) {
  std::error_code failure;
  const auto status = std::filesystem::status(file, failure);
  ElfFacts facts;
  if (status.type() == std::filesystem::file_type::not_found) {
    facts.fault = "there is no such file";
  } else if (failure) {
    facts.fault = "cannot be read: " + failure.message();
  } else if (status.type() == std::filesystem::file_type::directory) {
    facts.fault = "is a folder; a plugin is a file";
  } else if (status.type() != std::filesystem::file_type::regular) {
    facts.fault = "is not a regular file";
  } else if (const File opened(file); !opened.is_open()) {
    facts.fault = std::string("cannot be read: ") + std::strerror(errno);
  } else {
    facts = read_open_file(opened);
  }
  return facts;
}

}  // namespace backplane::host
