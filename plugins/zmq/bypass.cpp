#include "bypass.hpp"

#include <zmq.h>

#include <array>
#include <utility>

namespace backplane::zmq {

namespace {

Severity severity_of(const OptionValue& level) {
  constexpr std::array<std::pair<const char*, Severity>, 5> all = {{{"trace", Severity::trace},
                                                                    {"debug", Severity::debug},
                                                                    {"info", Severity::info},
                                                                    {"warning", Severity::warning},
                                                                    {"error", Severity::failure}}};
  for (const auto& [name, severity] : all)
    if (level == name) return severity;
  return Severity::info;
}

std::int64_t unix_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

}  // namespace

std::string fill_in(std::string text, const Host& host, std::uint64_t count, std::int64_t unix_seconds) {
  const std::array<std::pair<std::string_view, std::string>, 4> words = {{
      {"{host}", std::string(host.host_name())},
      {"{component}", std::string(host.component())},
      {"{count}", std::to_string(count)},
      {"{time}", std::to_string(unix_seconds)},
  }};
  for (const auto& [word, value] : words)
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + value.size()))
      text.replace(at, word.size(), value);
  return text;
}

PushBypass::PushBypass(Host host)
    : host_(host),
      every_(host.option("every")),
      text_(host.option("text")),
      skipped_(host, "skipped", "texts that no peer could take when they were due"),
      outlet_(host, ZMQ_PUSH) {}

void PushBypass::start() {
  outlet_.start();
  timer_ = host_.every(every_, [this] { beat(); });
}

// A text that nobody takes now is worthless later: it is skipped.
void PushBypass::beat() {
  Message message = host_.message({fill_in(text_, host_, ++count_, unix_seconds())});
  if (!send_message(outlet_.socket(), message)) skipped_.happened("no peer can take the text now: skipped");
}

void PushBypass::stop() {
  timer_.end();
  outlet_.stop();
}

PullBypass::PullBypass(Host host)
    : host_(host),
      severity_(severity_of(host.option("level"))),
      show_(host.option("show")),
      receiver_(host),
      received_(host.counter("received", "messages written to the log")),
      outlet_(host, ZMQ_PULL) {}

void PullBypass::start() {
  outlet_.start([this] {
    receiver_.run(outlet_.socket(), [this](Message message) {
      received_.add();
      host_.log(severity_, readable(frames_of(message), show_));
      return true;
    });
  });
}

void PullBypass::stop() { outlet_.stop(); }

RepBypass::RepBypass(Host host)
    : host_(host),
      receiver_(host),
      undelivered_(host, "undelivered", "answers that could not be sent"),
      outlet_(host, ZMQ_ROUTER) {
  if (const auto reply = host.option("reply"); reply.present()) reply_ = std::string(reply);
}

void RepBypass::start() {
  const auto readable = [this] {
    receiver_.run(outlet_.socket(), [this](Message request) {
      answer(std::move(request));
      return true;
    });
  };
  outlet_.start(readable, make_mandatory);
}

void RepBypass::answer(Message request) {
  const auto envelope = envelope_frames(frames_of(request), Envelope::delimited);
  if (!envelope) {
    receiver_.malformed("a request without a delimiter, or with nothing behind it");
    return;
  }
  take_way(request, *envelope, way_);
  Message reply = reply_ ? host_.message({*reply_}) : std::move(request);
  if (send_answer(outlet_.socket(), way_, reply) != Delivered::yes)
    undelivered_.happened("an answer could not be sent: its peer has gone, or does not read");
}

void RepBypass::stop() { outlet_.stop(); }

}  // namespace backplane::zmq
