#include "etcd.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace backplane::palm {

namespace {

using Json = nlohmann::ordered_json;

constexpr int deepest_json = 200;
constexpr std::string_view poller_name = "EtcdPoller";
constexpr std::string_view keys_path = "/v2/keys";
constexpr unsigned not_found = 404;
constexpr int index_cleared = 401;  // errorCode: changes that long ago are forgotten
constexpr int missing_key_retries = 5;
constexpr std::chrono::nanoseconds missing_key_pause = std::chrono::milliseconds(250);

Json parse_json(std::string_view text) {
  auto json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) throw Malformed("etcd's answer is not JSON");
  return json;
}

void check_depth(int depth) {
  if (depth > deepest_json) throw Malformed("etcd's answer is nested too deeply");
}

// ---- JSON as Python writes it ----

void write_unit(std::uint32_t unit, std::string& into) {
  std::array<char, 7> escape{};
  std::snprintf(escape.data(), escape.size(), "\\u%04x", unit);
  into += escape.data();
}

// One character of well-formed UTF-8; returns how many bytes it has.
std::size_t write_other(std::string_view text, std::string& into) {
  const auto byte = [&](std::size_t at) { return std::uint32_t{static_cast<unsigned char>(text[at])}; };
  const auto first = byte(0);
  if (first < 0x80) {
    write_unit(first, into);
    return 1;
  }
  const std::size_t size = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  std::uint32_t character = first & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) character = character << 6 | (byte(i) & 0x3F);
  if (character < 0x10000) {
    write_unit(character, into);
  } else {
    write_unit(0xD800 + ((character - 0x10000) >> 10), into);
    write_unit(0xDC00 + ((character - 0x10000) & 0x3FF), into);
  }
  return size;
}

void write_text(std::string_view text, std::string& into) {
  constexpr std::string_view special = "\"\\\b\f\n\r\t";
  constexpr std::string_view letters = "\"\\bfnrt";
  into += '"';
  for (std::size_t at = 0; at < text.size();) {
    const char next = text[at];
    if (const auto which = special.find(next); which != std::string_view::npos) {
      into += '\\';
      into += letters[which];
      ++at;
    } else if (next >= ' ' && next <= '~') {
      into += next;
      ++at;
    } else {
      at += write_other(text.substr(at), into);
    }
  }
  into += '"';
}

void write_json(const Json& json, std::string& into, int depth) {
  check_depth(depth);
  if (json.is_string()) return write_text(json.get_ref<const std::string&>(), into);
  if (!json.is_structured()) {
    into += json.dump();
    return;
  }
  const bool is_object = json.is_object();
  into += is_object ? '{' : '[';
  bool first = true;
  for (const auto& [key, value] : json.items()) {
    if (!std::exchange(first, false)) into += ", ";
    if (is_object) {
      write_text(key, into);
      into += ": ";
    }
    write_json(value, into, depth + 1);
  }
  into += is_object ? '}' : ']';
}

Value value_of_json(const Json& json, int depth) {
  check_depth(depth);
  switch (json.type()) {
    case Json::value_t::boolean:
      return json.get<bool>();
    case Json::value_t::number_integer:
      return json.get<std::int64_t>();
    case Json::value_t::number_unsigned:
      return json.get<std::uint64_t>();
    case Json::value_t::number_float:
      return json.get<double>();
    case Json::value_t::string:
      return json.get<std::string>();
    case Json::value_t::array: {
      Array array;
      for (const auto& item : json) array.push_back(value_of_json(item, depth + 1));
      return array;
    }
    case Json::value_t::object: {
      Map map;
      for (const auto& [key, item] : json.items()) map.push_back({key, value_of_json(item, depth + 1)});
      return map;
    }
    default:
      return {};
  }
}

// ---- requests and answers ----

std::string percent_encode(std::string_view text, std::string_view kept) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string encoded;
  for (const char each : text) {
    const auto byte = static_cast<unsigned char>(each);
    const bool is_plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                          (byte >= 'a' && byte <= 'z') || kept.find(each) != std::string_view::npos;
    if (is_plain) {
      encoded += each;
    } else {
      encoded += {'%', digits[byte >> 4], digits[byte & 15U]};
    }
  }
  return encoded;
}

std::string wait_target(const std::string& path, std::optional<std::uint64_t> index) {
  std::string target = path + "?recursive=true&wait=true";
  if (index) target += "&waitIndex=" + std::to_string(*index);
  return target;
}

bool is_success(const http::Result& result) { return result.status >= 200 && result.status <= 299; }

// What etcd says about a request that it refuses: {"errorCode": 100, "message": "...", "cause": "..."}.
struct Refusal {
  int code = 0;
  std::string says;
};

std::string text_in(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Refusal refusal_in(const http::Result& result) {
  Refusal refusal;
  refusal.says =
      "etcd answered " + std::to_string(result.status) + ' ' + std::string(http::reason_of(result.status));
  const auto json = Json::parse(result.body, nullptr, false);
  if (!json.is_object()) return refusal;
  const auto code = json.find("errorCode");
  if (code != json.end() && code->is_number_integer()) refusal.code = code->get<int>();
  for (const char* part : {"message", "cause"})
    if (const auto words = text_in(json, part); !words.empty()) refusal.says += ": " + words;
  return refusal;
}

http::ClientLimits etcd_limits(std::size_t connections, std::chrono::nanoseconds timeout) {
  http::ClientLimits limits;
  limits.max_connections = connections;
  limits.timeout = timeout;
  if (timeout.count() > 0) limits.connect_timeout = std::min(limits.connect_timeout, timeout);
  return limits;
}

std::string base_of(const Host& host) {
  std::string url(host.option("url"));
  while (url.ends_with('/')) url.pop_back();
  return url.append(keys_path);
}

}  // namespace

std::string etcd_text(std::string_view answer) {
  std::string text;
  write_json(parse_json(answer), text, 0);
  return text;
}

Value etcd_value(std::string_view answer) { return value_of_json(parse_json(answer), 0); }

std::string etcd_path(std::string_view key) {
  return (key.starts_with('/') ? "" : "/") + percent_encode(key, "-._~/");
}

std::chrono::nanoseconds BackOff::next() {
  const auto pause = pause_;
  pause_ = std::min(pause_ * 2, longest);
  return pause;
}

// ---- the poller ---------------------------------------------------------------------------------------

EtcdPoller::EtcdPoller(Host host)
    : host_(host),
      path_(etcd_path(host.option("key").view())),
      function_(host.option("function")),
      poll_timeout_(host.option("poll_timeout")),
      changes_(host.counter("changes", "changes that became messages")),
      failures_(host, "failures", "times that etcd could not be asked"),
      client_(host, base_of(host), etcd_limits(1, poll_timeout_)) {}

void EtcdPoller::start() {
  client_.start();
  poll();
}

void EtcdPoller::poll() {
  if (ended_ || paused_ || request_ != 0) return;
  request_ = client_.request("GET", wait_target(path_, next_index_), {}, {}, [this](http::Result result) {
    request_ = 0;
    take(result);
  });
}

void EtcdPoller::take(const http::Result& result) {
  if (result.failure == http::Failure::timeout) return poll();
  if (!result.answered()) return try_later(result.error);
  if (result.status != 200) {
    const auto refusal = refusal_in(result);
    if (refusal.code == index_cleared) next_index_.reset();
    return try_later(refusal.says);
  }
  if (result.body.empty()) return try_later("etcd ended a wait without an answer");
  try {
    take_change(result.body);
  } catch (const Malformed& error) {
    return try_later(error.what());
  }
  back_off_.reset();
  poll();
}

void EtcdPoller::take_change(const std::string& answer) {
  const auto json = parse_json(answer);
  const auto node = json.is_object() ? json.find("node") : json.end();
  if (node == json.end() || !node->is_object() || !node->contains("modifiedIndex") ||
      !(*node)["modifiedIndex"].is_number_unsigned())
    throw Malformed("etcd's answer has no node.modifiedIndex");
  std::string payload;
  write_json(json, payload, 0);
  next_index_ = (*node)["modifiedIndex"].get<std::uint64_t>() + 1;
  Fields fields;
  fields.client = poller_name;
  fields.function = function_;
  fields.payload = payload;
  Message message = host_.message();
  write_frame(fields, *message.add_empty());
  changes_.add();
  paused_ = host_.send(std::move(message)) == Sent::pause;
}

void EtcdPoller::try_later(const std::string& why) {
  const auto pause = back_off_.next();
  failures_.happened(why + "; trying on");
  retry_ = host_.after(pause, [this] {
    retry_.end();
    poll();
  });
}

void EtcdPoller::on_resume() {
  paused_ = false;
  if (!retry_.active()) poll();
}

void EtcdPoller::end() {
  ended_ = true;
  retry_.end();
  if (const auto request = std::exchange(request_, 0); request != 0) client_.cancel(request);
}

void EtcdPoller::stop() {
  end();
  client_.stop();
}

// ---- functions ----------------------------------------------------------------------------------------

Etcd::Etcd(Host host)
    : host_(host),
      as_text_(host.option("answers") == "text"),
      timeout_(host.option("timeout")),
      client_(host, base_of(host), etcd_limits(host.option("max_connections"), timeout_)),
      waits_(host, base_of(host), etcd_limits(host.option("max_waits"), {})) {}

void Etcd::publish(Functions& functions) {
  functions
      .add("get", &Etcd::get, "What a key has. One that is missing is asked for again for a while.", {"key"})
      .add("list", &Etcd::list, "What a key has, with all that is below it.", {"key"})
      .add(
          "wait", &Etcd::wait,
          "The next change of a key or below it, or the first from an index on. Takes as long as that takes.",
          {"key", {"index", 0}})
      .add("put", &Etcd::put, "Sets the value of a key.", {"key", "value"})
      .add("put_directory", &Etcd::put_directory, "Makes a directory.", {"key"})
      .add("delete_key", &Etcd::delete_key, "Deletes a key.", {"key"})
      .add("delete_directory", &Etcd::delete_directory, "Deletes an empty directory.", {"key"});
}

void Etcd::start() {
  client_.start();
  waits_.start();
}

void Etcd::stop() {
  client_.stop();
  waits_.stop();
  asked_.clear();
}

void Etcd::get(Call<Value> call, const std::string& key) {
  ask(std::move(call), "GET", etcd_path(key), missing_key_retries);
}
void Etcd::list(Call<Value> call, const std::string& key) {
  ask(std::move(call), "GET", etcd_path(key) + "?recursive=true");
}
void Etcd::put(Call<Value> call, const std::string& key, const std::string& value) {
  ask(std::move(call), "PUT", etcd_path(key) + "?value=" + percent_encode(value, "-._~"));
}
void Etcd::put_directory(Call<Value> call, const std::string& key) {
  ask(std::move(call), "PUT", etcd_path(key) + "?dir=true");
}
void Etcd::delete_key(Call<Value> call, const std::string& key) {
  ask(std::move(call), "DELETE", etcd_path(key));
}
void Etcd::delete_directory(Call<Value> call, const std::string& key) {
  ask(std::move(call), "DELETE", etcd_path(key) + "?dir=true");
}

void Etcd::wait(Call<Value> call, const std::string& key, std::uint64_t index) {
  Asked asked{std::move(call)};
  asked.target = wait_target(etcd_path(key), index == 0 ? std::nullopt : std::optional(index));
  asked.client = &waits_;
  begin(std::move(asked));
}

void Etcd::ask(Call<Value> call, const char* method, std::string target, int retries) {
  Asked asked{std::move(call)};
  asked.method = method;
  asked.target = std::move(target);
  asked.client = &client_;
  asked.retries = retries;
  asked.give_up_at = host_.now() + timeout_.count();
  begin(std::move(asked));
}

void Etcd::begin(Asked asked) {
  const auto number = ++last_number_;
  asked.call.context().on_cancel([this, number] { forget(number); });
  asked_.emplace(number, std::move(asked));
  send(number);
}

void Etcd::send(std::uint64_t number) {
  auto& asked = asked_.at(number);
  asked.retry.end();
  asked.request = asked.client->request(asked.method, asked.target, {}, {},
                                        [this, number](const http::Result& result) { take(number, result); });
}

// What was not sent may be sent again, whatever it is.
void Etcd::take(std::uint64_t number, const http::Result& result) {
  auto& asked = asked_.at(number);
  asked.request = 0;
  if (result.failure == http::Failure::connect) {
    const auto pause = asked.back_off.next();
    if (asked.give_up_at == 0 || host_.now() + pause.count() < asked.give_up_at)
      return send_later(number, pause);
  }
  if (result.status == not_found && asked.retries > 0) {
    --asked.retries;
    return send_later(number, missing_key_pause);
  }
  const auto done = std::move(asked_.extract(number).mapped());
  answer(done, result);
}

void Etcd::send_later(std::uint64_t number, std::chrono::nanoseconds pause) {
  asked_.at(number).retry = host_.after(pause, [this, number] { send(number); });
}

void Etcd::answer(const Asked& asked, const http::Result& result) const {
  if (!result.answered()) return asked.call.fail("Unreachable", result.error);
  if (!is_success(result))
    return asked.call.fail(result.status == not_found ? "KeyNotFound" : "EtcdError", refusal_in(result).says);
  try {
    asked.call.answer(as_text_ ? Value(etcd_text(result.body)) : etcd_value(result.body));
  } catch (const Malformed& error) {
    asked.call.fail(error.type(), error.what());
  }
}

// Nobody waits for it any more.
void Etcd::forget(std::uint64_t number) {
  const auto asked = asked_.extract(number);
  if (!asked.empty() && asked.mapped().request != 0) asked.mapped().client->cancel(asked.mapped().request);
}

}  // namespace backplane::palm
