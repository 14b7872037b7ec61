// The ZAP handler (RFC 27): libzmq asks it, at inproc://zeromq.zap.01, about every peer that wants to
// connect to a socket with an allow-list. One per ZeroMQ context and plugin, with a thread of its own that
// runs while there is at least one Admission.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "security.hpp"

namespace backplane::zmq {

class ZapHandler;

// An allow-list in force, from construction to destruction. Any thread.
class Admission {
 public:
  // Called on the handler's thread for every peer that is refused; never after the Admission has gone.
  using Refused = std::function<void(std::string_view address, std::string_view why)>;

  // Throws Error "ZapFailed" when the context already has a ZAP handler of somebody else.
  Admission(void* zmq_context, AllowList list, Refused refused);
  ~Admission();
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  // What the socket must have as ZMQ_ZAP_DOMAIN; no two admissions share one.
  const std::string& domain() const { return domain_; }

 private:
  void* zmq_context_;
  ZapHandler* handler_;
  std::string domain_;
};

}  // namespace backplane::zmq
