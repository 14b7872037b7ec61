#include "functions.hpp"
#include "stages.hpp"

BACKPLANE_PLUGIN("demo", "1.0.0", backplane::demo::DemoFunctions, backplane::demo::DemoZerorpc,
                 backplane::demo::DemoInfi, backplane::demo::Upper, backplane::demo::Slow)
