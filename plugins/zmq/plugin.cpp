// ZeroMQ sockets as kinds: one per role, a service when it binds and a connection when it connects.
#include <backplane/plugin.hpp>

#include "answering.hpp"
#include "asking.hpp"
#include "bypass.hpp"
#include "inbound.hpp"
#include "outbound.hpp"

using namespace backplane::zmq;

BACKPLANE_PLUGIN("zmq", "0.1.0", Pull, Sub, Xsub, Rep, Router, Push, Pub, Xpub, Req, Dealer, PushBypass,
                 PullBypass, RepBypass)
