// Asks the oven of oven.yaml from a program of its own: by ZeroRPC, and by infi.rpc.
//
//   oven_client tcp://127.0.0.1:4242 tcp://127.0.0.1:4245
#include <backplane/rpc/client.hpp>
#include <backplane/rpc/infi_client.hpp>

#include <cstdio>

namespace {

using namespace std::chrono_literals;
using backplane::rpc::Named;

void ask_by_zerorpc(const char* endpoint) {
  backplane::rpc::Client oven(endpoint, {.timeout = 5s, .context = {{"trace_id", "4711"}}});
  std::printf("%.0f degrees\n", oven.call<double>("celsius"));
  for (const double celsius : oven.stream<double>("readings", 3, 0.01)) std::printf("%.0f\n", celsius);
  try {
    oven.call("set", 1000);
  } catch (const backplane::rpc::RemoteError& error) {
    std::printf("%s: %s\n", error.type().c_str(), error.what());
  }
}

void ask_by_infi_rpc(const char* endpoint) {
  backplane::rpc::InfiClient oven(endpoint);
  std::printf("%.0f seconds\n", oven.call<double>("set", 120, Named{{"speed", 50}}));
  auto test = oven.start<bool>("self_test");
  while (!test.wait_for(300ms)) std::puts("testing");
  std::puts(test.get() ? "in order" : "out of order");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fputs("Usage: oven_client ZERORPC-ENDPOINT INFI-ENDPOINT\n", stderr);
    return 2;
  }
  ask_by_zerorpc(arguments[1]);
  ask_by_infi_rpc(arguments[2]);
}
