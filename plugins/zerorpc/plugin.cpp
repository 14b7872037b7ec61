#include "service.hpp"

BACKPLANE_PLUGIN("zerorpc", "1.0.0", backplane::zerorpc::Service)
