#include "caller.hpp"
#include "client.hpp"
#include "one_way.hpp"
#include "service.hpp"

using namespace backplane::zerorpc;

BACKPLANE_PLUGIN("zerorpc", "1.0.0", Service, Client, Pull, Sub, Push, Pub, ZerorpcCaller, InfiCaller)
