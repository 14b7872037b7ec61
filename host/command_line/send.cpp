#include <zmq.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <istream>
#include <iterator>
#include <memory>
#include <ostream>

#include "command_line/commands.hpp"
#include "command_line/wire.hpp"
#include "manifest/units.hpp"

namespace backplane::host {

namespace {

// Where messages come from: one file or standard input.
struct Source {
  std::string name;
  std::unique_ptr<std::ifstream> file;  // none: standard input
  std::uint64_t size = 0;               // of a regular file
};

Source open_source(const std::filesystem::path& path) {
  if (path == "-") return {"standard input", nullptr, 0};
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    throw UsageError(path.string() + " is a folder, not a file");
  Source source{path.string(), std::make_unique<std::ifstream>(path, std::ios::binary), 0};
  if (!*source.file) throw UsageError("cannot open " + path.string() + ": " + std::strerror(errno));
  const auto size = std::filesystem::file_size(path, error);
  if (!error) source.size = size;
  return source;
}

std::vector<Source> open_sources(const std::vector<std::filesystem::path>& files) {
  std::vector<Source> sources;
  for (const auto& file : files) sources.push_back(open_source(file));
  return sources;
}

// What the progress bar ends at: known when all sources are files.
std::uint64_t total_size(const std::vector<Source>& sources) {
  std::uint64_t total = 0;
  for (const auto& source : sources) {
    if (source.size == 0) return 0;
    total += source.size;
  }
  return total;
}

class Sender {
 public:
  Sender(const SendArguments& arguments, Console& console)
      : arguments_(arguments),
        wire_(arguments.wire),
        console_(console),
        sources_(open_sources(arguments.files)),
        socket_(arguments.wire.socket),
        wants_replies_(arguments.replies || wire_.socket == "req"),
        in_step_(wire_.socket == "req"),
        subscribed_(wire_.socket == "pub"),
        progress_(console, "sent", wire_.count > 0 ? wire_.count : total_size(sources_),
                  wire_.count > 0 ? Progress::Unit::messages : Progress::Unit::bytes) {
    if (arguments.replies && (wire_.socket == "push" || wire_.socket == "pub"))
      throw UsageError("--replies: a " + wire_.socket + " socket gets none; use --socket dealer or req");
  }

  void run() {
    const auto endpoint = socket_.open(wire_.endpoint, wire_.bind);
    if (wire_.bind) console_.err << "bound to " << endpoint << '\n' << std::flush;
    if (subscribed_) wait_for_subscriber();
    for (auto& source : sources_) {
      if (!wants_more()) break;
      read(source);
    }
    while (wants_replies_ && replies_ < progress_.messages()) receive_replies(1);
    if (!socket_.close(wire_.timeout)) fail("the last messages were not taken");
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error(wire_.endpoint + ": " + what + " within " + duration_text(wire_.timeout) + "; " +
                             std::to_string(progress_.messages()) + " messages sent" +
                             (wants_replies_ ? ", " + std::to_string(replies_) + " answers" : ""));
  }

  bool wants_more() const { return wire_.count == 0 || progress_.messages() < wire_.count; }

  // What a pub socket sends before anyone subscribed would be lost.
  void wait_for_subscriber() {
    if (socket_.wait(ZMQ_POLLIN, wire_.timeout) == WireSocket::Waited::timeout) fail("nobody subscribed");
  }

  void read(Source& source) {
    std::istream& in = source.file ? *source.file : console_.in;
    if (arguments_.whole) {
      std::string all(std::istreambuf_iterator<char>(in), {});
      const auto size = all.size();
      deliver({std::move(all)}, size);
    } else {
      std::uint64_t number = 0;
      for (std::string line; wants_more() && std::getline(in, line);) {
        ++number;
        deliver(arguments_.frames ? parsed(source, number, line) : Frames{line}, line.size() + 1);
      }
    }
    if (in.bad()) throw std::runtime_error("cannot read " + source.name + ": " + std::strerror(errno));
  }

  Frames parsed(const Source& source, std::uint64_t number, const std::string& line) {
    try {
      return frames_from_json(line);
    } catch (const std::exception& error) {
      socket_.close(wire_.timeout);
      throw std::runtime_error(source.name + ":" + std::to_string(number) + ": " + error.what() + "; " +
                               std::to_string(progress_.messages()) + " messages were sent before it");
    }
  }

  // `size`: bytes of the input that became this message.
  void deliver(Frames frames, std::uint64_t size) {
    if (!wire_.topics.empty()) frames.insert(frames.begin(), wire_.topics.front());
    while (!socket_.try_send(frames)) make_room();
    progress_.add(size);
    if (in_step_) receive_replies(1);
    if (wants_replies_) receive_replies(0);
  }

  void make_room() {
    const short events = wants_replies_ && !in_step_ ? ZMQ_POLLIN | ZMQ_POLLOUT : ZMQ_POLLOUT;
    if (socket_.wait(events, wire_.timeout) == WireSocket::Waited::timeout) fail("no peer took a message");
    if (wants_replies_) receive_replies(0);
  }

  // Prints the answers that are there, and waits until there are `at_least` so many.
  void receive_replies(std::uint64_t at_least) {
    const auto wanted = replies_ + at_least;
    for (;;) {
      while (replies_ < progress_.messages() && socket_.try_receive(reply_)) print_reply();
      console_.out.flush();
      if (replies_ >= wanted) return;
      if (socket_.wait(ZMQ_POLLIN, wire_.timeout) == WireSocket::Waited::timeout) fail("no answer came");
    }
  }

  void print_reply() {
    ++replies_;
    console_.out << (wire_.json ? frames_to_json(reply_) : frames_to_text(reply_, console_.out_is_terminal))
                 << '\n';
  }

  const SendArguments& arguments_;
  const WireArguments& wire_;
  Console& console_;
  std::vector<Source> sources_;
  WireSocket socket_;
  bool wants_replies_;
  bool in_step_;  // a req socket sends again only after an answer
  bool subscribed_;
  Progress progress_;
  std::uint64_t replies_ = 0;
  Frames reply_;
};

}  // namespace

int send(const SendArguments& arguments, Console& console) {
  Sender(arguments, console).run();
  return kDone;
}

}  // namespace backplane::host
