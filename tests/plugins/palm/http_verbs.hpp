// What the tests of PALM over HTTP say: a component in a fake host on one side, HTTP clients and servers made
// of raw connections on the other.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <backplane/palm/message.hpp>
#include <backplane/testing/fake_host.hpp>
#include <nlohmann/json.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/eventually.hpp"
#include "support/tcp_peer.hpp"
#include "support/temporary_folder.hpp"
#include "support/vectors.hpp"

namespace backplane::palm {

using test::kPatience;
using test::TcpListener;
using test::TcpPeer;
using namespace std::chrono_literals;

// A file of recorded bytes.
inline nlohmann::json vectors(const std::string& name) {
  return nlohmann::json::parse(
      test::read_file(std::string(BACKPLANE_SOURCE_DIR) + "/tests/vectors/palm/" + name + ".json"));
}

inline std::string bytes_of(const nlohmann::json& hexadecimal) {
  return test::from_hex(hexadecimal.get<std::string>());
}

inline PalmMessage palm(std::string_view bytes) { return PalmMessage(read(bytes)); }

// A message for server.foo as bytes.
inline std::string message_bytes(std::string_view payload = "hi", std::string_view cache = "k1",
                                 std::optional<std::string_view> error = std::nullopt) {
  Fields fields;
  fields.pipeline = "p1";
  fields.client = "c1";
  fields.function = "server.foo";
  fields.cache = cache;
  fields.payload = payload;
  fields.error = error;
  return encode(fields);
}

inline std::string http_request(const std::string& method, const std::string& target,
                                const std::string& body = {}) {
  return method + ' ' + target +
         " HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

// "200 body" of a whole answer.
inline std::string short_form(const std::string& answer) {
  if (answer.size() < 12) return "<" + answer + ">";
  return answer.substr(9, 3) + ' ' + answer.substr(answer.find("\r\n\r\n") + 4);
}

// The HTTP server of a kind, and its clients.
template <typename T>
class HttpServerTest : public testing::Test {
 protected:
  FakeComponent<T>& start(OptionTexts options = {}) {
    options.all.emplace_back("bind", "127.0.0.1:*");
    host_ = std::make_unique<FakeComponent<T>>(options);
    host_->start();
    return *host_;
  }
  FakeComponent<T>& host() { return *host_; }
  bool until(const FakeHost::Condition& condition) { return host_->run_until(condition, kPatience); }
  TcpPeer peer() {
    constexpr std::string_view mark = "listening on ";
    for (const auto& entry : host_->log_lines())
      if (entry.line.starts_with(mark)) return TcpPeer(entry.line.substr(mark.size()));
    throw std::runtime_error("it does not listen");
  }
  // A client that has sent `bytes`, once they have become a message, which is returned too.
  std::pair<TcpPeer, Message> asks(const std::string& bytes) {
    TcpPeer client = peer();
    client.send(bytes);
    if (!until([&] { return !host_->sent().empty(); })) return {std::move(client), host_->message({"none"})};
    return {std::move(client), host_->take_sent()};
  }
  // What the client gets: status and body.
  std::string answer_to(TcpPeer& client) {
    EXPECT_TRUE(until([&] { return client.closed(); }));
    return short_form(client.take());
  }
  // What a request gets that becomes no message.
  std::string refused(const std::string& bytes) {
    TcpPeer client = peer();
    client.send(bytes);
    const auto answer = answer_to(client);
    EXPECT_TRUE(host_->sent().empty());
    return answer;
  }
  // What a request gets when its outcome is the error.
  std::string failed(const std::string& bytes, std::string_view type) {
    auto [client, message] = asks(bytes);
    host_->answer_error(message.envelope(), type, "why");
    return answer_to(client);
  }

  std::unique_ptr<FakeComponent<T>> host_;
};

}  // namespace backplane::palm
