#include "http_connection.hpp"

#include <utility>

namespace backplane::palm {

namespace {

http::ClientLimits client_limits(const Host& host) {
  http::ClientLimits limits;
  limits.max_connections = host.option("max_workers");
  limits.timeout = host.option("timeout");
  limits.max_body = host.option("max_body");
  return limits;
}

// Why a result is no feedback; empty: it is one.
std::string failure_in(const http::Result& result) {
  if (!result.answered()) return result.error;
  if (result.status < 200 || result.status > 299)
    return "the worker answered " + std::to_string(result.status) + ' ' +
           std::string(http::reason_of(result.status));
  if (result.body.empty()) return "the worker answered nothing";
  try {
    read(result.body);
  } catch (const Malformed& error) {
    return std::string("the worker's answer is ") + error.what();
  }
  return {};
}

}  // namespace

HttpConnection::HttpConnection(Host host)
    : host_(host),
      max_workers_(host.option("max_workers")),
      error_payload_(host.option("error_payload")),
      posted_(host.counter("posted", "messages posted")),
      failures_(host, "failures", "messages that failed"),
      client_(host, host.option("url"), client_limits(host)) {}

Taken HttpConnection::on_message(Message& message) {
  if (paused_ || under_way_.size() >= max_workers_) {
    busy_ = true;
    return Taken::busy;
  }
  const bool failed = read_message(message).failed();
  keep_last_frame(message);
  if (failed) {
    send(std::move(message));
  } else {
    post(std::move(message));
  }
  return Taken::yes;
}

void HttpConnection::post(Message message) {
  const auto number = ++last_number_;
  std::string body(message[0]);
  under_way_.emplace(number, std::move(message));
  posted_.add();
  tell();
  client_.request(
      "POST", {}, {{"Accept-Encoding", "identity"}, {"Content-Type", "application/x-www-form-urlencoded"}},
      std::move(body), [this, number](http::Result result) { take_result(number, std::move(result)); });
}

void HttpConnection::take_result(std::uint64_t number, http::Result result) {
  Message message = std::move(under_way_.extract(number).mapped());
  const auto why = failure_in(result);
  if (why.empty()) {
    Message answer = host_.message_after(message);
    answer.append_moved(std::move(result.body));
    send(std::move(answer));
  } else {
    fail(std::move(message), why);
  }
  tell();
  if (!paused_ && std::exchange(busy_, false)) host_.resume();
}

void HttpConnection::fail(Message message, std::string_view why) {
  failures_.happened("a message failed: " + std::string(why));
  make_error(message, read_message(message), error_payload_, http_failed, why);
  send(std::move(message));
}

void HttpConnection::send(Message message) {
  if (pass_on(host_, std::move(message)) == Sent::pause) paused_ = true;
}

void HttpConnection::on_resume() {
  paused_ = false;
  if (under_way_.size() < max_workers_ && std::exchange(busy_, false)) host_.resume();
}

void HttpConnection::stop() {
  client_.stop();
  for (const auto& [number, message] : under_way_)
    if (message.wants_reply())
      host_.reply_error(message.envelope(), "Stopped", "the component stopped before the answer came");
  under_way_.clear();
}

void HttpConnection::tell() { host_.holding(under_way_.size()); }

}  // namespace backplane::palm
