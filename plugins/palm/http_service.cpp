#include "http_service.hpp"

#include <string>
#include <utility>

namespace backplane::palm {

namespace {

constexpr auto message_type = "application/octet-stream";

http::Response with_message(std::string_view message) {
  http::Response response;
  response.content_type = message_type;
  response.body = message;
  return response;
}

http::Response without_body(unsigned status) {
  http::Response response;
  response.status = status;
  response.content_type = message_type;
  return response;
}

bool is_post(const http::Request& request) { return request.method == "POST"; }

}  // namespace

HttpService::HttpService(Host host)
    : host_(host),
      block_(host.option("block")),
      fill_cache_(host.option("fill_cache")),
      accepted_reply_(host.option("accepted_reply")),
      malformed_(host, "malformed", "requests whose body is no PALM message"),
      asking_(host,
              [](const HttpOutcome& outcome) {
                if (!outcome.failed()) return with_message(outcome.answer);
                return http_text(http_status_of(outcome.error_type), std::string(outcome.error_text) + '\n');
              }),
      server_(host, http::read_server_settings(host), [this](http::Request request, http::Reply reply) {
        handle(std::move(request), std::move(reply));
      }) {}

void HttpService::handle(http::Request request, http::Reply reply) {
  if (!is_post(request)) return reply.send(http_text(501, "only POST is taken here\n"));
  if (request.body.empty()) return reply.send(http_text(400, "there is no message in the request\n"));
  Message message = host_.message();
  try {
    auto fields = read(request.body);
    if (fill_cache_ && fields.cache.empty()) {
      const auto fresh = new_uuid();
      fields.cache = fresh;
      write_frame(fields, *message.add_empty());
    } else {
      message.append_moved(std::move(request.body));
    }
  } catch (const Malformed& error) {
    malformed_.happened(error.what());
    return reply.send(http_text(400, std::string(error.what()) + '\n'));
  }
  if (block_) return asking_.ask(std::move(message), std::move(reply));
  asking_.give(std::move(message), accepted_reply_, std::move(reply));
}

void HttpService::stop() {
  server_.stop();
  asking_.stop();
}

WebWorker::WebWorker(Host host)
    : host_(host),
      malformed_(host, "malformed", "requests whose body is no PALM message"),
      failures_(host, "failures", "messages that were answered with 500"),
      asking_(host, [this](const HttpOutcome& outcome) { return render(outcome); }),
      server_(host, http::read_server_settings(host), [this](http::Request request, http::Reply reply) {
        handle(std::move(request), std::move(reply));
      }) {}

void WebWorker::handle(http::Request request, http::Reply reply) {
  if (!is_post(request)) {
    auto response = without_body(405);
    response.headers.push_back({"Allow", "POST"});
    return reply.send(std::move(response));
  }
  try {
    read(request.body);
  } catch (const Malformed& error) {
    malformed_.happened(error.what());
    return reply.send(without_body(500));
  }
  Message message = host_.message();
  message.append_moved(std::move(request.body));
  asking_.ask(std::move(message), std::move(reply));
}

// Who asks cannot be told why: the log is.
http::Response WebWorker::render(const HttpOutcome& outcome) {
  std::string why;
  if (outcome.failed()) {
    why = std::string(outcome.error_type) + ": " + std::string(outcome.error_text);
  } else {
    try {
      const auto fields = read(outcome.answer);
      if (!fields.failed()) return with_message(outcome.answer);
      why = *fields.error;
    } catch (const Malformed& error) {
      why = error.what();
    }
  }
  failures_.happened("a message was answered with 500: " + why);
  return without_body(500);
}

void WebWorker::stop() {
  server_.stop();
  asking_.stop();
}

}  // namespace backplane::palm
