#include "cache.hpp"
#include "file_lines.hpp"
#include "file_writer.hpp"
#include "small.hpp"

#include <backplane/plugin.hpp>

BACKPLANE_PLUGIN("basic", "1.0.0", backplane::basic::FileLines, backplane::basic::FileWriter,
                 backplane::basic::TimerTick, backplane::basic::LogSink, backplane::basic::NullSink,
                 backplane::basic::Cache)
