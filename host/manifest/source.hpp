// Where things in a manifest stand: files, places in them, and what is wrong there. Inner header of this
// folder.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "manifest/reader.hpp"

namespace backplane::host {

struct Source;

// Lines and columns from 1; columns count bytes. A Place is small and copied freely; its source outlives it.
struct Place {
  const Source* source = nullptr;
  int line = 1;
  int column = 1;
};

// One reading of a file: a file that is included twice is two sources.
struct Source {
  std::filesystem::path file;  // as shown
  std::size_t rank = 0;        // in the order of reading
  const Source* includer = nullptr;
  Place included_at;      // in the includer
  std::string prefix;     // of the component names it declares: "palm." after `as: palm`
  std::size_t depth = 0;  // of includes

  std::filesystem::path folder() const { return file.parent_path(); }
  bool is_includer_of(const Source& other) const {
    for (const auto* above = other.includer; above != nullptr; above = above->includer)
      if (above == this) return true;
    return false;
  }
};

// "FILE:LINE:COL"
std::string to_text(const Place& place);

// Collects what is wrong, in any order.
class Problems {
 public:
  void error(const Place& place, std::string text);
  void warning(const Place& place, std::string text);
  bool any_errors() const { return !errors_.empty(); }
  // Moves all into `result`, sorted by place.
  void deliver(ReadResult& result);

 private:
  struct Entry {
    Place place;
    std::string text;
  };
  static std::vector<Problem> sorted(std::vector<Entry>& entries);

  std::vector<Entry> errors_;
  std::vector<Entry> warnings_;
  std::size_t more_errors_ = 0;
};

// What all files together may still use of the limits in reader.hpp.
struct Budget {
  std::size_t values = manifest_value_limit;
  std::size_t bytes = manifest_text_limit;
  std::size_t includes = include_count_limit;

  // Takes a value with a text of `size` bytes; false when that is too much.
  bool take(std::size_t size) {
    if (values == 0 || bytes < size) return false;
    --values;
    bytes -= size;
    return true;
  }
};

}  // namespace backplane::host
