#include "functions_service.hpp"

BACKPLANE_PLUGIN("http", "1.0.0", backplane::http::FunctionsService)
