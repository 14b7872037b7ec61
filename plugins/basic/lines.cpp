#include "lines.hpp"

#include <algorithm>
#include <cstring>

namespace backplane::basic {

namespace {

// Bytes from 0x80 on belong to words, so that no UTF-8 sequence is cut in two.
bool is_boundary(char byte) {
  const auto value = static_cast<unsigned char>(byte);
  const bool word = value >= 0x80 || (value >= '0' && value <= '9') || (value >= 'A' && value <= 'Z') ||
                    (value >= 'a' && value <= 'z');
  return !word;
}

}  // namespace

LineCutter::LineCutter(Limits limits) : limits_(limits) {
  limits_.max_line = std::max<std::size_t>(limits_.max_line, 1);
  limits_.max_word = std::max(limits_.max_word, limits_.max_line);
}

std::span<char> LineCutter::room(std::size_t wanted) {
  if (begin_ > 0 && buffer_.size() - end_ < wanted) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    scanned_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < wanted) buffer_.resize(std::max(end_ + wanted, 2 * buffer_.size()));
  return {buffer_.data() + end_, wanted};
}

void LineCutter::filled(std::size_t count) { end_ += count; }

std::optional<std::string_view> LineCutter::next() {
  for (;;) {
    if (scanned_ == end_ && begin_ == end_) return std::nullopt;
    const char* from = buffer_.data() + scanned_;
    const auto* line_break = static_cast<const char*>(std::memchr(from, '\n', end_ - scanned_));
    const bool complete = line_break != nullptr;
    scanned_ = complete ? static_cast<std::size_t>(line_break - buffer_.data()) : end_;
    const auto length = scanned_ - begin_;

    if (!skipping_ && length > limits_.max_line && limits_.too_long == TooLong::refuse) {
      ++refused_;
      skipping_ = true;
    }
    if (skipping_) {
      take(length, complete ? 1 : 0);
      if (!complete) return std::nullopt;
      skipping_ = false;
      continue;
    }
    if (length > limits_.max_line) {
      if (const auto cut = piece(length)) {
        ++split_;
        return take(*cut, 0);
      }
    }
    if (!complete) return std::nullopt;
    auto line = take(length, 1);
    if (limits_.strip_carriage_return && line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }
}

std::optional<std::string_view> LineCutter::rest() {
  const bool nothing = skipping_ || begin_ == end_;
  skipping_ = false;
  if (nothing) return std::nullopt;
  return take(end_ - begin_, 0);
}

void LineCutter::reset() {
  begin_ = end_ = scanned_ = unbroken_ = 0;
  skipping_ = false;
}

// Where to cut a line that is too long and has `length` bytes so far; nothing: not yet, or not at all.
std::optional<std::size_t> LineCutter::piece(std::size_t length) {
  const char* line = buffer_.data() + begin_;
  if (unbroken_ < limits_.max_line) {
    for (auto at = limits_.max_line; at > unbroken_; --at)
      if (is_boundary(line[at - 1])) return at;
    unbroken_ = limits_.max_line;
  }
  const auto limit = std::min(length, limits_.max_word);
  const auto* boundary = std::find_if(line + unbroken_, line + limit, is_boundary);
  if (boundary != line + limit) {
    const auto cut = static_cast<std::size_t>(boundary - line) + 1;
    if (cut < length) return cut;
    return std::nullopt;  // the line may end right here: a cut would leave an empty one behind it
  }
  unbroken_ = limit;
  if (length > limits_.max_word) return limits_.max_word;
  return std::nullopt;
}

// Removes the first `length` bytes and `with_end` bytes behind them from the input.
std::string_view LineCutter::take(std::size_t length, std::size_t with_end) {
  const std::string_view taken(buffer_.data() + begin_, length);
  begin_ += length + with_end;
  scanned_ = std::max(scanned_, begin_);
  unbroken_ = 0;
  return taken;
}

}  // namespace backplane::basic
