#include <backplane/plugin.hpp>

#include "caller.hpp"

BACKPLANE_PLUGIN("palm", "1.0.0", backplane::palm::CallingClient)
