// What a PALM server, pipeline and worker are made of: functions, bytes in and bytes out.
#pragma once

#include <backplane/palm/context.hpp>
#include <backplane/plugin.hpp>

#include <stdexcept>
#include <string>
#include <vector>

namespace palm_tour {

using backplane::Bytes;

// The functions of a server.
struct Server {
  static constexpr auto kind = "palm_tour.server";
  static constexpr auto says = "foo says what was sent; boom fails.";

  Bytes foo(const Bytes& payload) { return {"you sent me " + payload.content}; }
  Bytes boom(const Bytes&) { throw std::runtime_error("boom was called"); }

  void publish(backplane::Functions& functions) {
    functions.add("foo", &Server::foo, "Says what was sent.", {"payload"});
    functions.add("boom", &Server::boom, "Fails.", {"payload"});
  }
};

// A server whose function fails.
struct Failing {
  static constexpr auto kind = "palm_tour.failing";
  static constexpr auto says = "foo fails.";

  Bytes foo(const Bytes&) { throw std::runtime_error("foo fails here"); }

  void publish(backplane::Functions& functions) {
    functions.add("foo", &Failing::foo, "Fails.", {"payload"});
  }
};

// The functions of a pipeline or a sink.
struct Stage {
  static constexpr auto kind = "palm_tour.stage";
  static constexpr auto says = "foo puts its words before the payload; nothing returns nothing.";
  static constexpr backplane::Option options[] = {
      {"words", backplane::text, "and I pipelined ", "what foo puts before the payload"},
  };

  explicit Stage(backplane::Host host) : words_(host.option("words").view()) {}

  Bytes foo(const Bytes& payload) { return {words_ + payload.content}; }
  void nothing(const Bytes&) {}

  static void publish(backplane::Functions& functions) {
    functions.add("foo", &Stage::foo, "Puts words before the payload.", {"payload"});
    functions.add("nothing", &Stage::nothing, "Returns nothing: a pipeline sends no message then.",
                  {"payload"});
  }

 private:
  std::string words_;
};

// The functions of a pipeline that says nothing.
struct Silent {
  static constexpr auto kind = "palm_tour.silent";
  static constexpr auto says = "foo returns nothing.";

  void foo(const Bytes&) {}

  void publish(backplane::Functions& functions) {
    functions.add("foo", &Silent::foo, "Returns nothing.", {"payload"});
  }
};

// The functions of a worker.
struct Worker {
  static constexpr auto kind = "palm_tour.worker";
  static constexpr auto says = "foo says who processed what; echo, boom, cached and two besides.";
  static constexpr backplane::Option options[] = {
      {"name", backplane::text, "worker", "the worker's name, which its results begin with"},
  };

  explicit Worker(backplane::Host host) : name_(host.option("name").view()) {}

  Bytes foo(const Bytes& payload) { return {name_ + " processed " + payload.content}; }
  Bytes echo(const Bytes& payload) { return payload; }
  Bytes boom(const Bytes&) { throw std::runtime_error("boom was called"); }
  // Asks the master's cache, without holding a thread.
  backplane::Task<Bytes> cached(Bytes payload) {
    const auto message = backplane::palm::current_message();
    const auto value = co_await backplane::palm::cache_get(message, "cached");
    co_return Bytes{name_ + value.value_or(" nothing ") + payload.content};
  }
  // Several messages for one, for a MuxWorker.
  std::vector<Bytes> two(const Bytes& payload) {
    return {Bytes{name_ + " first " + payload.content}, Bytes{name_ + " second " + payload.content}};
  }

  static void publish(backplane::Functions& functions) {
    functions.add("foo", &Worker::foo, "Says who processed what.", {"payload"});
    functions.add("echo", &Worker::echo, "Returns the payload.", {"payload"});
    functions.add("boom", &Worker::boom, "Fails.", {"payload"});
    functions.add("cached", &Worker::cached, "Puts the cache's value of \"cached\" before the payload.",
                  {"payload"});
    functions.add("two", &Worker::two, "Two results for one payload.", {"payload"});
  }

 private:
  std::string name_;
};

// The functions of a web worker.
struct Web {
  static constexpr auto kind = "palm_tour.web";
  static constexpr auto says = "Functions of a worker that is asked by HTTP: foo, echo, boom.";

  Bytes foo(const Bytes& payload) { return {payload.content + " processed online"}; }
  Bytes echo(const Bytes& payload) { return payload; }
  Bytes boom(const Bytes&) { throw std::runtime_error("boom was called"); }

  void publish(backplane::Functions& functions) {
    functions.add("foo", &Web::foo, "Says that it was processed online.", {"payload"});
    functions.add("echo", &Web::echo, "Returns the payload.", {"payload"});
    functions.add("boom", &Web::boom, "Fails.", {"payload"});
  }
};

}  // namespace palm_tour
