#include "command_line/console.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <sstream>

namespace backplane::host {

namespace {

bool colours_wanted() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return (no_color == nullptr || *no_color == '\0') && (term == nullptr || std::string_view(term) != "dumb");
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

// 1234567 as "1.2M": three digits are enough for a rate.
std::string short_number(double value) {
  const char* suffixes[] = {"", "k", "M", "G", "T"};
  std::size_t step = 0;
  for (; value >= 1000 && step + 1 < std::size(suffixes); ++step) value /= 1000;
  std::ostringstream text;
  text << std::fixed << std::setprecision(step == 0 || value >= 100 ? 0 : 1) << value << suffixes[step];
  return text.str();
}

}  // namespace

Console standard_console() {
  std::ios::sync_with_stdio(false);
  std::cin.tie(nullptr);
  const bool out_is_terminal = ::isatty(STDOUT_FILENO) != 0;
  return {std::cin,        std::cout,
          std::cerr,       out_is_terminal && colours_wanted(),
          out_is_terminal, ::isatty(STDERR_FILENO) != 0};
}

std::string bold(const Console& console, std::string_view text) {
  return console.colour ? "\033[1m" + std::string(text) + "\033[0m" : std::string(text);
}

std::string quantity(std::size_t count, std::string_view what) {
  return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
}

std::string aligned(const std::vector<std::vector<std::string>>& rows, std::string_view indent) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], characters(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line(indent);
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - characters(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

Progress::Progress(Console& console, std::string verb, std::uint64_t total, Unit unit)
    : console_(console),
      verb_(std::move(verb)),
      total_(total),
      unit_(unit),
      shown_(console.err_is_terminal && !console.out_is_terminal) {}

Progress::~Progress() {
  if (!shown_ || messages_ == 0) return;
  draw(Clock::now());
  console_.err << '\n' << std::flush;
}

void Progress::add(std::uint64_t bytes) {
  ++messages_;
  bytes_ += bytes;
  if (!shown_) return;
  const auto now = Clock::now();
  if (now - drawn_ >= std::chrono::milliseconds(100)) draw(now);
}

void Progress::draw(Clock::time_point now) {
  drawn_ = now;
  std::ostringstream line;
  if (total_ > 0) {
    const auto done = std::min(unit_ == Unit::bytes ? bytes_ : messages_, total_);
    const double share = static_cast<double>(done) / static_cast<double>(total_);
    const auto filled = static_cast<std::size_t>(share * 24);
    line << '[' << std::string(filled, '#') << std::string(24 - filled, '.') << "] " << std::setw(3)
         << static_cast<int>(share * 100) << " %  ";
  }
  const double seconds = std::max(1e-3, std::chrono::duration<double>(now - begin_).count());
  line << verb_ << ' ' << messages_ << " messages  " << short_number(static_cast<double>(messages_) / seconds)
       << "/s  " << short_number(static_cast<double>(bytes_) / seconds) << "B/s";
  auto text = line.str();
  const auto width = text.size();
  if (width < width_) text.append(width_ - width, ' ');
  width_ = width;
  console_.err << '\r' << text << std::flush;
}

}  // namespace backplane::host
