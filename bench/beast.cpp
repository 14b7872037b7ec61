// The peer of the HTTP benchmarks: a plain server of Boost.Asio and Boost.Beast, asynchronous, one thread,
// that answers every request at once with its body. Ends on SIGTERM and SIGINT; tells NOTIFY_SOCKET when it
// is ready, as the host does.
#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "device.hpp"
#include "program.hpp"

namespace backplane::bench {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

class Session : public std::enable_shared_from_this<Session> {
 public:
  explicit Session(tcp::socket socket) : socket_(std::move(socket)) {
    socket_.set_option(tcp::no_delay(true));
  }

  void read() {
    request_ = {};
    http::async_read(socket_, buffer_, request_, [self = shared_from_this()](error_code error, std::size_t) {
      if (!error) self->answer();
    });
  }

 private:
  void answer() {
    response_ = {http::status::ok, request_.version()};
    response_.keep_alive(request_.keep_alive());
    response_.set(http::field::content_type, "application/octet-stream");
    response_.body() = std::move(request_.body());
    response_.prepare_payload();
    http::async_write(socket_, response_, [self = shared_from_this()](error_code error, std::size_t) {
      if (!error && self->response_.keep_alive()) self->read();
    });
  }

  tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response<http::string_body> response_;
};

void accept(tcp::acceptor& acceptor) {
  acceptor.async_accept([&acceptor](error_code error, tcp::socket socket) {
    if (error) return;
    std::make_shared<Session>(std::move(socket))->read();
    accept(acceptor);
  });
}

int run(int argc, char** argv) {
  std::string bind;
  CLI::App app("An HTTP server that answers with the body of the request.");
  app.add_option("bind", bind, "ADDRESS:PORT")->required();
  CLI11_PARSE(app, argc, argv);

  asio::io_context context(1);
  asio::signal_set ends(context, SIGTERM, SIGINT);
  ends.async_wait([&](error_code, int) { context.stop(); });
  const auto colon = bind.rfind(':');
  const tcp::endpoint endpoint(asio::ip::make_address(bind.substr(0, colon)),
                               static_cast<unsigned short>(std::stoul(bind.substr(colon + 1))));
  tcp::acceptor acceptor(context, endpoint);
  accept(acceptor);
  notify_ready();
  context.run();
  return 0;
}

}  // namespace
}  // namespace backplane::bench

int main(int argc, char** argv) {
  return backplane::bench::run_program("bench_beast", backplane::bench::run, argc, argv);
}
