// Counts of words: as the host prints them, and as the shell's own tools find them.
#pragma once

#include <filesystem>
#include <sstream>
#include <string>

#include "examples/tool.hpp"

namespace backplane::test {

// "count word" lines of the `limit` most frequent words of a text, equal counts by the alphabet.
inline std::string words_counted_by_the_shell(const std::filesystem::path& text, int limit = 1'000'000) {
  return must_run({"sh", "-c",
                   "export LC_ALL=C; tr -cs A-Za-z '\\n' <\"$0\" | tr A-Z a-z | grep . | sort | uniq -c |"
                   " sort -k1,1nr -k2,2 | awk -v limit=\"$1\" 'NR <= limit { print $1, $2 }'",
                   text.string(), std::to_string(limit)});
}

// The lines of `output` that are a number and a word, without the blanks around them.
inline std::string word_table(const std::string& output) {
  std::istringstream lines(output);
  std::string table;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string count;
    std::string word;
    std::string more;
    const bool two = fields >> count >> word && !(fields >> more);
    if (two && count.find_first_not_of("0123456789") == std::string::npos) table += count + " " + word + "\n";
  }
  return table;
}

}  // namespace backplane::test
