#include "manifest/reference.hpp"

#include "manifest/convert_option.hpp"
#include "manifest/keys.hpp"
#include "manifest/reader.hpp"

namespace backplane::host {
namespace {

constexpr auto introduction =
    R"(<!-- Printed by print_manifest_reference; edit host/manifest/reference.cpp or keys.cpp instead. -->
# The manifest

A manifest is a YAML file that makes one running topology: which plugins are opened, which components exist, and
what flows where. The host reads all of it, reports every mistake with its place, and only then creates the first
object. `backplane check FILE` does just the reading.

```yaml
# quickstart.yaml
host:
  name: quickstart
  shutdown: {strategy: drain, timeout: 10s}

plugins: [zmq]                 # the kinds of basic need no plugin entry

components:
  jobs:    {kind: zmq.pull, bind: "tcp://127.0.0.1:5555"}
  report:  {kind: log.sink}
  archive: {kind: file.writer, path: jobs.txt}

routes:
  - {from: jobs, to: report, when: {topic: "urgent*"}}
  - {from: jobs, to: [archive]}
```

For each message the routes of its origin are tried in the order of the file, and the first that matches takes it.
A route without `when` takes everything; one behind it with the same `from` could never match, which is an error.
To send to several components, write `to: [a, b]`.

## Mistakes

```text
pipeline.yaml:3:32: component "jobs" (zmq.pull): unknown option "bnd"; did you mean "bind"?
pipeline.yaml:6:22: route from "jobs": no component is named "result"; did you mean "results"? known: jobs, results
2 errors; nothing was started
```

Everything is strict: an unknown key, a key given twice, a key without a value, a value of the wrong type or out
of bounds, a second document in the file and a YAML tag are errors. Lines and columns count from 1, columns in
bytes. A doubtful thing that works is a warning (`FILE:LINE:COL: warning: ...`): a component that no route touches,
a service that other machines can reach unprotected because it says `insecure: true`.

## Values

| type | written | meaning |
|---|---|---|
| duration | `250ms`, `10s`, `1.5h`, `1h30m`, `0` | units `ns us ms s m h d`, falling; only 0 needs none |
| size | `64KiB`, `1.5MiB`, `1MB`, `1500` | bytes; `KiB MiB GiB TiB` count in 1024, `kB MB GB TB` in 1000 |
| rate | `10k/s`, `100/m`, `2.5/s` | per `ms s m h d`; `k M G` are thousand, million, milliard |
| true or false | `true yes on`, `false no off` | |
| endpoint | `tcp://127.0.0.1:5555`, `tcp://*:*`, `ipc:///run/jobs`, `inproc://jobs` | `*` (any address, any free port) only where one binds |
| path | `data/jobs.txt` | starts at the folder of the file it is written in; `-` stays as it is |
| list | `[a, b]` | a single value is a list of one |
| pattern | `log.*.error`, `job-??` | `*` any run of characters, `?` one; all else is itself |

The type of a value is decided by where it stands, not by quotes: `instances: "4"` is the number 4. Inside `{ }` and
`[ ]`, YAML needs quotes around a value with `: `, `${...}`, `{` or `,` in it.

## Environment

`${NAME}` in a value is replaced by the environment variable; when it is not set, that is an error.
`${NAME:-default}` has a default for when it is not set or empty, which may contain `${...}` itself. `$${` is the text
`${`. What comes from the environment is a value, never YAML. A secret is shown in no message.

```yaml
# environment.yaml
components:
  clock: {kind: timer.tick, every: "${TICK:-250ms}", payload: "from ${USER:-nobody}"}
  out:   {kind: file.writer, path: "${OUTPUT:-${TMPDIR:-/tmp}/ticks.txt}"}
routes:
  - {from: clock, to: out}
```

## Includes and templates

`include` names a file, or is a map with `file`, `as` and `with`, or a list of these. A file is looked for beside the
including file, then among the installed manifests. Components, routes and plugins of all files are put together:
what a file includes counts as standing below its own lines, so a condition of the including file comes first. A
component declared twice is an error that names both places. A `host` key of the including file wins over that of an
included one. Files that include each other are an error that shows the circle.

A file with `parameters` is a template. `${port}` in it is the parameter, before any environment variable of that
name; a value that is nothing but `${port}` may also be a list. A parameter is `required`, or a map with `default` and
`help` (without `default` it is required too). A missing, unknown or valueless parameter is an error.

```yaml
# intake.yaml
parameters:
  port: required
  output: required
  tests: {default: "test*", help: "what only goes to the log, by its header kind"}
plugins: [zmq]
components:
  jobs: {kind: zmq.pull, bind: "tcp://127.0.0.1:${port}"}
  rest: {kind: log.sink}
routes:
  - {from: jobs, to: rest, when: {header: {kind: "${tests}"}}}
  - {from: jobs, to: "${output}"}
```

With `as: NAME` the components of the template are called `NAME.jobs`, `NAME.rest`, so that it can be included twice.
Inside the template the short names hold; a name is looked for in the template first, then in the files that include
it. A name given as a parameter is looked for where it was written: here `results` is that of `main.yaml`.

```yaml
# main.yaml
include:
  - {file: intake.yaml, as: fast, with: {port: 5561, output: results}}
  - {file: intake.yaml, as: slow, with: {port: 5562, output: results, tests: "trial*"}}
components:
  results: {kind: log.sink, level: debug}
  all:     {kind: file.writer, path: "-"}
routes:
  - {from: fast.jobs, to: all, when: {function: "audit.*"}}
```

A mistake in an included file is told with that file's place and where it was included:
`intake.yaml:8:26: component "fast.jobs" (zmq.pull): ... (included from main.yaml:3:12)`. A mistake in the value of a
parameter is told where the value was written.

## Routes that protect

```yaml
# protected.yaml
components:
  source: {kind: file.lines, path: "-"}
  disk:   {kind: file.writer, path: lines.txt, blocking: true}
  lost:   {kind: log.sink}
routes:
  - from: source
    to: disk
    balance: {hash: topic}
    overflow: spill
    window: 500
    spill_limit: 2GiB
    rate: 10k/s
    ttl: 1h30m
    dead_letters: lost
```

`window` messages are on their way to an instance at most; when all are, the destination is full and `overflow` says
what happens: `block` holds the origin back (and nobody else), `drop_oldest` and `drop_newest` drop and count, `spill`
keeps messages on disk in order, `reject` tells the origin, which tells its peer if its protocol can. What expired
(`ttl`) or was dropped goes to `dead_letters`.

## Loops

A loop is a thread that runs the callbacks of its components. Components share a pool of `host.loops` loops; those that
name the same `loop` run together on one of their own. A blocking component always has a loop of its own. So has one
that peers expect to hear from in time (property `own loop`, e.g. `zerorpc.service`), unless it names one: shared with
its functions, a call changes no thread, and a function that blocks delays heartbeats. Names of loops belong to the
whole manifest; `as` does not change them.
)";

std::string escaped(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  return text;
}

std::string shape_text(const KeyInfo& info) {
  switch (info.shape) {
    case Shape::value:
      return type_text(info);
    case Shape::balance:
      return "word or map";
    case Shape::text_map:
      return "map of patterns";
    case Shape::section:
      return "map";
    case Shape::sections:
      return "list of maps";
    case Shape::any:
      break;
  }
  return info.name == "default" ? "any value" : info.name == "include" ? "text, map or list" : "map by name";
}

std::string default_text(const KeyInfo& info) {
  if (info.required) return "**required**";
  if (info.default_text) return "`" + *info.default_text + "`";
  return info.default_help;
}

std::string table(const std::string& title, const std::vector<KeyInfo>& keys) {
  std::string text = "\n### " + title + "\n\n| key | type | default | help |\n|---|---|---|---|\n";
  for (const auto& info : keys) {
    const auto bounds = bounds_text(info);
    text += "| `" + info.name + "` | " + escaped(shape_text(info)) + (bounds.empty() ? "" : ", " + bounds) +
            " | " + escaped(default_text(info)) + " | " + escaped(info.help) + " |\n";
  }
  return text;
}

std::string limits() {
  const auto row = [](const std::string& what, const std::string& limit) {
    return "| " + what + " | " + limit + " |\n";
  };
  const auto size = [](std::size_t bytes) { return size_text(static_cast<std::int64_t>(bytes)); };
  return "\n## Limits\n\n| what | at most |\n|---|---|\n" + row("size of a file", size(manifest_size_limit)) +
         row("lists and maps inside each other", std::to_string(manifest_depth_limit)) +
         row("values of all files, with aliases written out", std::to_string(manifest_value_limit)) +
         row("text of all files, with aliases and `${}` written out", size(manifest_text_limit)) +
         row("includes inside each other", std::to_string(include_depth_limit)) +
         row("includes in all", std::to_string(include_count_limit)) +
         row("components", std::to_string(component_limit)) +
         row("instances in all", std::to_string(instance_limit)) +
         row("routes", std::to_string(route_limit)) +
         row("errors shown (all are counted)", std::to_string(problem_limit));
}

}  // namespace

std::string manifest_reference_markdown() {
  return introduction +
         std::string(
             "\n## All keys\n\nA dot stands for a map: `shutdown.timeout: 10s` is written "
             "`shutdown: {timeout: 10s}`.\n") +
         table("The file", top_keys()) + table("`host`", host_keys()) +
         table("A component", component_keys()) +
         "\nAll other keys of a component are the options of its kind: `backplane kinds KIND` and\n"
         "[kinds.md](kinds.md). Where a kind has an option of its own with one of these names, that option "
         "counts.\nAn option with a dot in its name stands in a section of the component: `results.path` is "
         "written\n`results: {path: kept.db}`, in no other way.\n" +
         table("A route", route_keys()) + table("An include", include_keys()) +
         table("A parameter", parameter_keys()) + limits();
}

}  // namespace backplane::host
