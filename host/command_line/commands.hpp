// The commands. Each takes plain arguments, writes to the console and returns the exit code; `UsageError`
// means exit code 2, any other exception 1. Main thread.
#pragma once

#include "command_line/arguments.hpp"
#include "command_line/console.hpp"

namespace backplane::host {

// Reads manifests and tells every mistake of all of them; starts nothing.
int check(const CheckArguments& arguments, Console& console);
// Draws a manifest that has no mistakes.
int graph(const GraphArguments& arguments, Console& console);
// Lists the plugins of the search path, those that cannot be loaded with the reason.
int plugins(const PluginsArguments& arguments, Console& console);
// Lists the kinds of the installed plugins, or tells all about one.
int kinds(const KindsArguments& arguments, Console& console);
// Tells what a plugin file contains, or why it cannot be loaded.
int inspect(const InspectArguments& arguments, Console& console);
// Writes a folder with a plugin that builds, its test and a manifest. Leaves nothing behind on failure.
int new_plugin(const NewPluginArguments& arguments, Console& console);
// Sends raw messages and returns when the peer has them.
int send(const SendArguments& arguments, Console& console);
// Prints raw messages until a count, a timeout or a signal.
int listen(const ListenArguments& arguments, Console& console);
// Calls a function through the client of a plugin and prints its results.
int call(const CallArguments& arguments, Console& console);
// Calls a function for every line and prints the results as they come.
int job(const JobArguments& arguments, Console& console);
int version(const VersionArguments& arguments, Console& console);
// Prints a script that teaches a shell the commands and options.
int completion(const CompletionArguments& arguments, Console& console);

}  // namespace backplane::host
