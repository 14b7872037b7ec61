#include "kinds.hpp"

BACKPLANE_PLUGIN("words", "1.0.0", words::Count, words::Top)
