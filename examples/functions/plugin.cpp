#include "hooks.hpp"
#include "oven.hpp"

BACKPLANE_PLUGIN("oven", "1.0.0", oven::Oven, oven::Journal, oven::Guard, oven::Caretaker)
