// Cuts a stream of bytes into lines. Pure: no files, no host. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace backplane::basic {

// The same bytes give the same lines however the reads cut them.
class LineCutter {
 public:
  // What happens to a line longer than `max_line` bytes.
  enum class TooLong {
    split,   // it becomes several; a piece ends behind a byte that is part of no word
    refuse,  // it is left out and counted
  };
  struct Limits {
    std::size_t max_line = std::size_t{1} << 20;
    // A piece without a word boundary in its first `max_line` bytes grows to its next one, but not beyond
    // `max_word` bytes: there it is cut in any case.
    std::size_t max_word = std::size_t{64} << 20;
    TooLong too_long = TooLong::split;
    bool strip_carriage_return = false;  // before the line break
  };

  explicit LineCutter(Limits limits);

  // Room for the next read, at least `wanted` bytes. Ends the life of lines returned before.
  std::span<char> room(std::size_t wanted);
  // The first `count` bytes of the last room() were filled.
  void filled(std::size_t count);

  // The next line without its line break, or nothing: more bytes are needed. Valid until room() or reset().
  std::optional<std::string_view> next();
  // The end of input: what came after the last line break, if anything. REQUIRES: next() has said nothing.
  std::optional<std::string_view> rest();
  // Forgets unfinished input.
  void reset();

  std::size_t unfinished() const { return end_ - begin_; }  // bytes held
  std::uint64_t split() const { return split_; }            // cuts made in lines that were too long
  std::uint64_t refused() const { return refused_; }        // lines left out because they were too long

 private:
  std::optional<std::size_t> piece(std::size_t length);
  std::string_view take(std::size_t length, std::size_t with_end);

  Limits limits_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;     // of the current line
  std::size_t end_ = 0;       // of the bytes read
  std::size_t scanned_ = 0;   // no line break before this position
  std::size_t unbroken_ = 0;  // bytes of the current line known to hold no word boundary to cut at
  bool skipping_ = false;     // inside a refused line
  std::uint64_t split_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace backplane::basic
