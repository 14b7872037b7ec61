#include <zmq.h>

#include <ostream>

#include "command_line/commands.hpp"
#include "command_line/interrupt.hpp"
#include "command_line/wire.hpp"
#include "manifest/units.hpp"

namespace backplane::host {

namespace {

class Listener {
 public:
  Listener(const ListenArguments& arguments, Console& console)
      : arguments_(arguments),
        wire_(arguments.wire),
        console_(console),
        socket_(wire_.socket),
        progress_(console, "received", wire_.count, Progress::Unit::messages) {
    if (!wire_.topics.empty() && wire_.socket != "sub")
      throw UsageError("--topic: a " + wire_.socket + " socket has no subscriptions; use --socket sub");
    if (arguments.max_frame > 0) socket_.set(ZMQ_MAXMSGSIZE, static_cast<std::int64_t>(arguments.max_frame));
    for (const auto& topic : wire_.topics) socket_.set(ZMQ_SUBSCRIBE, std::string_view(topic));
    if (wire_.socket == "sub" && wire_.topics.empty()) socket_.set(ZMQ_SUBSCRIBE, std::string_view());
  }

  int run() {
    const auto endpoint = socket_.open(wire_.endpoint, wire_.bind);
    if (wire_.bind) console_.err << "bound to " << endpoint << '\n' << std::flush;
    auto end = WireSocket::Waited::ready;
    while (end == WireSocket::Waited::ready && wants_more()) {
      print_what_is_there();
      if (!console_.out.flush()) break;  // the caller tells it
      if (wants_more()) end = socket_.wait(ZMQ_POLLIN, wire_.timeout, interrupt_.descriptor());
    }
    socket_.close(std::chrono::seconds(1));  // the last answer of a rep socket
    if (wire_.count == 0 || !wants_more()) return kDone;
    const auto reason = end == WireSocket::Waited::timeout
                            ? "nothing more came within " + duration_text(wire_.timeout)
                            : "interrupted";
    throw std::runtime_error(wire_.endpoint + ": " + reason + "; " + std::to_string(progress_.messages()) +
                             " of " + std::to_string(wire_.count) + " messages received");
  }

 private:
  bool wants_more() const { return wire_.count == 0 || progress_.messages() < wire_.count; }

  // Returns now and then under load, too, so that a signal is seen.
  void print_what_is_there() {
    for (int i = 0; i < 10'000 && wants_more() && socket_.try_receive(frames_); ++i) {
      console_.out << (wire_.json ? frames_to_json(frames_)
                                  : frames_to_text(frames_, console_.out_is_terminal))
                   << '\n';
      std::uint64_t size = 0;
      for (const auto& frame : frames_) size += frame.size();
      progress_.add(size);
      if (wire_.socket == "rep") answer();
    }
  }

  // The asker may have gone: then libzmq drops the answer.
  void answer() { socket_.try_send({arguments_.reply}); }

  const ListenArguments& arguments_;
  const WireArguments& wire_;
  Console& console_;
  Interrupt interrupt_;
  WireSocket socket_;
  Progress progress_;
  Frames frames_;
};

}  // namespace

int listen(const ListenArguments& arguments, Console& console) { return Listener(arguments, console).run(); }

}  // namespace backplane::host
