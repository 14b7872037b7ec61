// What the tests of HTTP say: a small component with a server on one side, raw connections on the other.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <backplane/testing/fake_host.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server.hpp"
#include "support/eventually.hpp"
#include "support/tcp_peer.hpp"

namespace backplane::http {

using test::kPatience;
using test::TcpListener;
using test::TcpPeer;
using namespace std::chrono_literals;

// Answers each request with what it was asked, or as the test says.
struct Probe {
  static constexpr auto kind = "test.http";
  static constexpr auto says = "Answers HTTP requests with what they ask.";
  static constexpr std::uint32_t properties = inbound | service;
  static constexpr auto options = http_server_options;

  explicit Probe(Host host)
      : server(host, read_server_settings(host), [this](Request request, Reply reply) {
          seen.push_back(request);
          handle(std::move(request), std::move(reply));
        }) {}
  void start() { server.start(); }
  void drain() { server.drain(); }
  void stop() { server.stop(); }

  static void echo(Request request, Reply reply) {
    Response response;
    response.body = request.method + ' ' + request.path + '|' + request.query + '|' + request.body;
    reply.send(std::move(response));
  }

  std::vector<Request> seen;
  Server::Handler handle = echo;
  Server server;
};

class ServerTest : public testing::Test {
 protected:
  // Starts the server; options that are not given have their defaults.
  Probe& start(OptionTexts options = {}) {
    options.all.emplace_back("bind", "127.0.0.1:*");
    host_ = std::make_unique<FakeComponent<Probe>>(options);
    host_->start();
    return probe();
  }
  FakeComponent<Probe>& host() { return *host_; }
  Probe& probe() { return **host_; }
  TcpPeer peer() { return TcpPeer(probe().server.endpoint()); }
  bool until(const FakeHost::Condition& condition, std::chrono::nanoseconds limit = kPatience) {
    return host_->run_until(condition, limit);
  }
  // Sends `bytes`, and returns what comes back up to the close; the client waits with its own.
  std::string exchange(std::string_view bytes) {
    TcpPeer client = peer();
    client.send(bytes);
    return until([&] { return client.closed(); }) ? client.take() : client.take() + "<still open>";
  }
  // Holds back the answers to all requests from now on.
  void hold_replies() {
    probe().handle = [this](Request, Reply reply) { held_.push_back(std::move(reply)); };
  }
  std::vector<Reply>& held() { return held_; }

 private:
  std::unique_ptr<FakeComponent<Probe>> host_;
  std::vector<Reply> held_;
};

// A whole answer as the server writes it.
inline std::string answer(const std::string& status, const std::string& body, const std::string& more = {}) {
  return "HTTP/1.1 " + status +
         "\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more +
         "\r\n" + body;
}
inline const std::string closing = "Connection: close\r\n";

}  // namespace backplane::http
