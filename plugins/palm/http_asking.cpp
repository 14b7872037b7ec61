#include "http_asking.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace backplane::palm {

namespace {

constexpr std::string_view busy_types[] = {"NoRoute", "Overloaded", "ShuttingDown", "Stopped"};
constexpr std::string_view late_types[] = {"TimeoutExpired", "DeadlineExceeded", "Expired"};

template <std::size_t Size>
bool is_one_of(const std::string_view (&words)[Size], std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

std::string_view frame_of(const Message& outcome, std::size_t index) {
  return index < outcome.size() ? outcome[index] : std::string_view{};
}

}  // namespace

unsigned http_status_of(std::string_view error_type) {
  if (is_one_of(busy_types, error_type)) return 503;
  return is_one_of(late_types, error_type) ? 504 : 500;
}

http::Response http_text(unsigned status, std::string body) {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  if (status == 503) response.headers.push_back({"Retry-After", "1"});
  return response;
}

HttpAsking::HttpAsking(Host host, Render render)
    : host_(host),
      render_(std::move(render)),
      timeout_(host.option("timeout")),
      failed_(host.counter("failed", "requests that were answered with an error")) {}

void HttpAsking::ask(Message message, http::Reply reply) {
  Client client;
  client.reply = std::move(reply);
  client.unsent = std::move(message);
  client.asks = true;
  begin(std::move(client));
}

void HttpAsking::give(Message message, std::string_view taken, http::Reply reply) {
  Client client;
  client.reply = std::move(reply);
  client.unsent = std::move(message);
  client.taken = taken;
  begin(std::move(client));
}

void HttpAsking::begin(Client client) {
  client.deadline = host_.now() + timeout_.count();
  const auto number = ++last_number_;
  auto& kept = clients_.emplace(number, std::move(client)).first->second;
  kept.reply.on_gone([this, number] { give_up(number); });
  if (!clients_.contains(number)) return;  // gone already
  if (!paused_) return send(number);
  waiting_.push_back(number);
  watch_first();
}

// The outcome may come before `send` returns.
void HttpAsking::send(std::uint64_t number) {
  auto& client = clients_.at(number);
  Message message = std::move(client.unsent);
  if (client.asks) {
    message.set(BP_REQUEST);
    message.envelope().cookie = number;
    message.envelope().deadline = client.deadline;
  }
  sent(number, host_.send(std::move(message)));
}

void HttpAsking::sent(std::uint64_t number, Sent how) {
  if (how == Sent::pause) paused_ = true;
  const auto client = clients_.find(number);
  if (client == clients_.end()) return;  // answered already
  if (how == Sent::rejected) return answer(number, {"Overloaded", "too many messages are waiting", {}});
  const bool needs_route = client->second.asks || host_.routed();
  if (how == Sent::no_route && needs_route)
    return answer(number, {"NoRoute", "nothing takes this message", {}});
  if (!client->second.asks) return answer(number, {{}, {}, std::string(client->second.taken)});
  client->second.correlation = host_.last_request();
}

void HttpAsking::on_reply(Message outcome) {
  if (!outcome.has(BP_REPLY)) return;
  const auto number = outcome.envelope().cookie;
  if (outcome.is_error()) {
    const auto type = frame_of(outcome, 0);
    answer(number, {type.empty() ? "Error" : type, frame_of(outcome, 1), {}});
  } else {
    answer(number, {{}, {}, frame_of(outcome, outcome.empty() ? 0 : outcome.size() - 1)});
  }
}

void HttpAsking::answer(std::uint64_t number, const HttpOutcome& outcome) {
  auto client = clients_.extract(number);
  if (client.empty()) return;
  auto response = render_(outcome);
  if (response.status >= 300) failed_.add();
  client.mapped().reply.send(std::move(response));
}

// The client has gone.
void HttpAsking::give_up(std::uint64_t number) {
  const auto client = clients_.extract(number);
  if (!client.empty() && client.mapped().correlation != 0) host_.cancel(client.mapped().correlation);
}

void HttpAsking::on_resume() {
  paused_ = false;
  send_waiting();
}

void HttpAsking::send_waiting() {
  while (!paused_ && !waiting_.empty()) {
    const auto number = waiting_.front();
    waiting_.pop_front();
    if (clients_.contains(number)) send(number);
  }
  watch_first();
}

// All wait equally long, so the first is the first to expire.
void HttpAsking::watch_first() {
  while (!waiting_.empty() && !clients_.contains(waiting_.front())) waiting_.pop_front();
  if (waiting_.empty()) return timer_.end();
  if (timer_.active()) return;
  const auto left = clients_.at(waiting_.front()).deadline - host_.now();
  timer_ = host_.after(std::chrono::nanoseconds(std::max<std::int64_t>(left, 0)), [this] { expire(); });
}

void HttpAsking::expire() {
  timer_.end();
  const auto now = host_.now();
  while (!waiting_.empty()) {
    const auto client = clients_.find(waiting_.front());
    if (client != clients_.end() && client->second.deadline > now) break;
    const auto number = waiting_.front();
    waiting_.pop_front();
    answer(number, {"TimeoutExpired", "nothing took this message in time", {}});
  }
  watch_first();
}

void HttpAsking::stop() {
  timer_.end();
  waiting_.clear();
  clients_.clear();
}

}  // namespace backplane::palm
