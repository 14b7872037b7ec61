#include <gtest/gtest.h>

#include <backplane/testing/fake_host.hpp>

#include "sdk/abi_as_c11.h"

namespace backplane {
namespace {

TEST(Abi, HasTheSameLayoutInCAndCxx) {
  const std::vector<std::size_t> cxx = {sizeof(bp_text),        sizeof(bp_envelope),   sizeof(bp_message),
                                        sizeof(bp_error),       sizeof(bp_option),     sizeof(bp_value),
                                        sizeof(bp_parameter),   sizeof(bp_function),   sizeof(bp_kind),
                                        sizeof(bp_plugin),      sizeof(bp_host),       sizeof(bp_caller),
                                        sizeof(bp_client_call), sizeof(bp_result),     sizeof(bp_client_job),
                                        sizeof(bp_client),      sizeof(bp_functions_1)};
  EXPECT_EQ(std::vector<std::size_t>(c_sizes, c_sizes + c_size_count), cxx);
}

TEST(Abi, LetsAComponentBeWrittenInC) {
  FakeHost host(c_kind);
  host.start();
  EXPECT_EQ(host.deliver(host.message({"x"})), BP_BUSY);
  EXPECT_EQ(host.busy_messages(), 1u);
}

TEST(Abi, AnOptionOfTheSdkIsAnOptionOfTheAbi) {
  static_assert(sizeof(Option) == sizeof(bp_option));
  static constexpr Option option{"bind", endpoint, required, "endpoint to bind"};
  const bp_option& plain = option;
  EXPECT_STREQ(plain.name, "bind");
  EXPECT_EQ(plain.type, BP_ENDPOINT);
  EXPECT_EQ(plain.required, 1u);
  EXPECT_EQ(plain.default_text, nullptr);
}

}  // namespace
}  // namespace backplane
