// Every header of the SDK and a plugin that uses much of it, for compilers other than the project's own.
#include <backplane/abi.h>
#include <backplane/baggage.hpp>
#include <backplane/binding.hpp>
#include <backplane/caller.hpp>
#include <backplane/context.hpp>
#include <backplane/function_server.hpp>
#include <backplane/functions.hpp>
#include <backplane/host.hpp>
#include <backplane/message.hpp>
#include <backplane/options.hpp>
#include <backplane/palm/client.hpp>
#include <backplane/plugin.hpp>
#include <backplane/published.hpp>
#include <backplane/rpc/channels.hpp>
#include <backplane/rpc/client.hpp>
#include <backplane/rpc/event.hpp>
#include <backplane/rpc/infi_client.hpp>
#include <backplane/rpc/one_way.hpp>
#include <backplane/sockets.hpp>
#include <backplane/task.hpp>
#include <backplane/testing/fake_host.hpp>
#include <backplane/value.hpp>

namespace {

using namespace std::chrono_literals;

struct Everything {
  static constexpr auto kind = "every.thing";
  static constexpr auto says = "Uses much of the SDK.";
  static constexpr backplane::Option options[] = {
      {"bind", backplane::endpoint, backplane::required, "endpoint to bind"},
      {"wait", backplane::duration, "5ms", "a time"},
      {"level", backplane::choice("low|high"), "low", "a word"},
      {"topics", backplane::text_list, backplane::optional, "topics"},
      {"limit", backplane::size.between(1, 1 << 20), "64KiB", "bytes"},
  };
  static constexpr auto properties = backplane::inbound | backplane::outbound | backplane::service;

  explicit Everything(backplane::Host host)
      : host_(host),
        bind_(host.option("bind")),
        wait_(host.option("wait")),
        topics_(host.option("topics").list()) {}
  void start() {
    timer_ = host_.every(wait_, [this] { host_.send(host_.message({bind_})); });
  }
  backplane::Taken on_message(backplane::Message&) { return backplane::Taken::busy; }
  void on_reply(backplane::Message) {}
  void on_resume() {}
  void drain() { timer_.end(); }
  void stop() {}

  double half(int n) const { return n / 2.0; }
  backplane::Task<std::string> slow(std::string word, std::chrono::milliseconds::rep wait) {
    co_await backplane::sleep(std::chrono::milliseconds(wait));
    co_return word + co_await backplane::call<std::string>("other", 1, "x", true);
  }
  backplane::Stream<std::map<std::string, int>> count(int n) {
    for (int i = 0; i < n; ++i) co_yield {{"n", i}};
  }
  void later(backplane::Call<std::vector<double>> call) { call.answer(std::vector<double>{1, 2}); }

  void publish(backplane::Functions& functions) {
    functions.add("half", &Everything::half, "Half of it.", {"n"})
        .add("slow", &Everything::slow, "Slow.", {"word", {"wait", 5}},
             {.manner = backplane::Manner::deferred})
        .add("count", &Everything::count, "Counts.", {"n"})
        .add("later", &Everything::later)
        .add("wait", [] { std::this_thread::sleep_for(1ms); }, "Blocks.", {}, {.blocking = true});
  }

 private:
  backplane::Host host_;
  std::string bind_;
  std::chrono::milliseconds wait_;
  std::vector<std::string> topics_;
  backplane::Timer timer_;
};

struct EveryClient {
  static constexpr auto scheme = "every";
  static constexpr auto says = "Uses all that a client has.";
  EveryClient(backplane::Caller caller, std::string_view) : caller_(caller) {}
  void call(const backplane::ClientCall& call, backplane::Results& results) {
    results.give_value(backplane::Value(call.arguments()));
  }
  void job(backplane::ClientJob& job, backplane::Results& results) {
    std::string_view item;
    for (std::uint64_t index = 0; job.next(item) == backplane::ClientJob::Next::item; ++index)
      if (caller_.interrupted() || !results.give_bytes(item, index)) return;
  }
  void functions(const backplane::TellFunction& tell) {
    tell({sizeof(bp_function), BP_ORDINARY, "echo", "Echoes.", "any", "", nullptr, 0, 0});
  }
  backplane::Caller caller_;
};

}  // namespace

BACKPLANE_PLUGIN("every", "1.0.0", Everything, EveryClient)

template class backplane::FakeComponent<Everything>;
