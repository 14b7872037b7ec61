#include "command_line/command_line.hpp"

#include <exception>
#include <ostream>

#include "command_line/commands.hpp"
#include "command_line/parser.hpp"

namespace backplane::host {

namespace {

struct Runner {
  Console& console;

  int operator()(const RunArguments& arguments) const { return run(arguments); }
  int operator()(const CheckArguments& arguments) const { return check(arguments, console); }
  int operator()(const GraphArguments& arguments) const { return graph(arguments, console); }
  int operator()(const PluginsArguments& arguments) const { return plugins(arguments, console); }
  int operator()(const KindsArguments& arguments) const { return kinds(arguments, console); }
  int operator()(const InspectArguments& arguments) const { return inspect(arguments, console); }
  int operator()(const NewPluginArguments& arguments) const { return new_plugin(arguments, console); }
  int operator()(const SendArguments& arguments) const { return send(arguments, console); }
  int operator()(const ListenArguments& arguments) const { return listen(arguments, console); }
  int operator()(const CallArguments& arguments) const { return call(arguments, console); }
  int operator()(const JobArguments& arguments) const { return job(arguments, console); }
  int operator()(const VersionArguments& arguments) const { return version(arguments, console); }
  int operator()(const CompletionArguments& arguments) const { return completion(arguments, console); }
};

int run_command(const std::vector<std::string>& arguments, Console& console) {
  const auto parsed = parse(arguments);
  if (const auto* answer = std::get_if<Answer>(&parsed)) {
    (answer->exit_code == kDone ? console.out : console.err) << answer->text;
    return answer->exit_code;
  }
  return std::visit(Runner{console}, std::get<Command>(parsed));
}

int tell(Console& console, const char* what, int exit_code) {
  console.out.flush();
  console.err << "backplane: " << what << '\n' << std::flush;
  return exit_code;
}

}  // namespace

int command_line(const std::vector<std::string>& arguments, Console& console) noexcept {
  try {
    const int exit_code = run_command(arguments, console);
    if (!console.out.flush()) return tell(console, "cannot write to standard output", kFailed);
    return exit_code;
  } catch (const UsageError& error) {
    return tell(console, error.what(), kRefused);
  } catch (const std::exception& failure) {
    return tell(console, failure.what(), kFailed);
  }
}

}  // namespace backplane::host
