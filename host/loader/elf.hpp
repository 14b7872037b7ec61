// What the bytes of a shared object say without loading it. Reads only the ELF headers and the dynamic
// sections, within the file's bounds and stated limits, so any file may be given. Any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace backplane::host {

struct ElfFacts {
  std::uint64_t size = 0;              // bytes of the file
  bool elf = false;                    // begins as an ELF file does; otherwise all below is empty
  unsigned bits = 0;                   // 32 or 64
  std::string machine;                 // "x86-64"
  std::string type;                    // "shared object"
  std::vector<std::string> needed;     // libraries it asks for
  std::vector<std::string> run_path;   // folders it searches for them, as written: with $ORIGIN
  std::vector<std::string> undefined;  // symbols it cannot do without and expects from others
  bool symbols_known = false;          // the symbol table could be read: `undefined`, `exports_table` hold
  bool exports_table = false;          // it offers `backplane_plugin`
  std::string fault;  // why it cannot be loaded here, a sentence's end; empty: no reason seen
};

// Reads the facts of `file`. A file that cannot be opened or read has its reason in `fault`.
ElfFacts read_elf(const std::filesystem::path& file);

}  // namespace backplane::host
