"""Tables for people: the same Markdown goes to the terminal and into the results file."""

from model import PROXY, RAW
from rows import bars


def number(value):
    if value is None:
        return "failed"
    if value >= 1e6:
        return f"{value / 1e6:.2f} M"
    if value >= 1e4:
        return f"{value / 1e3:.0f} k"
    if value >= 1e3:
        return f"{value / 1e3:.2f} k"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def size_name(size):
    return f"{size // 1024} KiB" if size and size % 1024 == 0 else f"{size} B"


def table(head, lines):
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(out + ["| " + " | ".join(line) + " |" for line in lines])


def ratio_cell(results, key, contender, other, figure):
    """Median and range over the rounds of contender / other."""
    if contender == other or (*key, other) not in results.runs:
        return ""
    found = sorted(results.ratios(*key, contender, other, figure))
    median = results.ratio(*key, contender, other, figure)
    return f"{median:.2f} ({found[0]:.2f}–{found[-1]:.2f})" if found else "failed"


def cpu_cell(results, key, contender):
    value = results.median(*key, contender, "device_cpu_us")
    return f"{value:.2f}" if value is not None else ""


def python_cell(results, row, key, contender):
    """Median of contender over what the Python system reached; a machine of its own, so no range."""
    reached, value = row.python.get(key[2]), results.median(*key, contender, "per_second")
    return f"{value / reached:.1f}" if reached and value is not None else ""


def throughput_table(results, row, load, size_list):
    lines = []
    for size in size_list:
        key = (row.name, load.name, size)
        for contender in row.contenders:
            line = [size_name(size), contender, number(results.median(*key, contender, "per_second"))]
            if row.python:
                line.append(python_cell(results, row, key, contender))
            line += [ratio_cell(results, key, contender, peer, "per_second") for peer in row.peers]
            if load.percentiles:
                line += [number(results.median(*key, contender, figure)) for figure in ("p50_us", "p99_us")]
            lines.append([*line, cpu_cell(results, key, contender)])
        if size in row.python:
            width = len(row.peers) + 2 * load.percentiles + 2
            lines.append([size_name(size), "Python system", number(row.python[size])] + [""] * width)
    head = ["size", "", f"{load.answers}/s"] + ["x Python"] * bool(row.python)
    head += ["x raw" if peer == RAW else f"x {peer.removeprefix('host, ')}" for peer in row.peers]
    head += ["p50 µs", "p99 µs"] * load.percentiles
    return table([*head, "device CPU, µs each"], lines)


def latency_table(results, row, load, size_list):
    def cell(key, contender, figure):
        value = results.median(*key, contender, figure)
        return f"{value:.1f}" if value is not None else "failed"

    lines = []
    for size in size_list:
        key = (row.name, load.name, size)
        for contender in row.contenders:
            added = results.difference(*key, contender, RAW, "p50_us")
            proxy_added = results.difference(*key, PROXY, RAW, "p50_us")
            of_proxy = "" if contender in (RAW, PROXY) else f"{added / proxy_added:.2f}" \
                if added is not None and proxy_added else "failed"
            lines.append([size_name(size), contender, cell(key, contender, "p50_us"),
                          cell(key, contender, "p99_us"), cell(key, contender, "p999_us"),
                          "" if contender == RAW else f"{added:.1f}" if added is not None else "failed",
                          of_proxy, cpu_cell(results, key, contender)])
    return table(["size", "", "p50 µs", "p99 µs", "p99.9 µs", "added p50 µs", "added, x zmq_proxy's",
                  "device CPU, µs each"], lines)


def start_table(results, row, load_name, size):
    lines = []
    for contender in row.contenders:
        ready = results.median(row.name, load_name, size, contender, "ready_ms")
        memory = results.median(row.name, load_name, size, contender, "memory_kib")
        if (row.name, load_name, size, contender) in results.runs and contender != RAW:
            lines.append([contender, f"{ready:.1f}" if ready is not None else "failed",
                          f"{memory / 1024:.1f}" if memory is not None else "failed"])
    return table(["", "ready after, ms", "resident then, MiB"], lines)


def bar_table(results, row_names):
    lines = []
    for bar in bars():
        if bar.row not in row_names:
            continue
        value = bar.measure(results)
        verdict = "not measured" if value is None else "met" if bar.holds(value) else "**missed**"
        lines.append([bar.claim, bar.text, "" if value is None else bar.format.format(value), verdict])
    return table(["claim", "bar", "measured", ""], lines) if lines else ""


def markdown(results, rows, sizes, facts):
    parts = ["# Benchmark results", "", facts_text(facts), ""]
    bar_lines = bar_table(results, [row.name for row in rows])
    if bar_lines:
        parts += ["## Bars", "", bar_lines, ""]
    for row in rows:
        parts += [f"## {row.title}", ""]
        if row.note:
            parts += [row.note, ""]
        for load in row.loads:
            make = throughput_table if load.unit == "per_second" else latency_table
            parts += [make(results, row, load, row.sizes or sizes), ""]
        if row.name in ("idle", "start"):
            load_name = row.loads[0].name if row.loads else "start"
            parts += [start_table(results, row, load_name, row.sizes[0]), ""]
    if results.failures:
        parts += ["## Failures", ""] + [f"- {failure}" for failure in results.failures] + [""]
    return "\n".join(parts)


def facts_text(facts):
    return (f"{facts['date']}, {facts['cpu']}, {facts['cores']} cores, Linux {facts['kernel']}, libzmq "
            f"{facts['libzmq']}, {facts['transport']} on loopback, commit {facts['commit']}, load "
            f"average before {facts['load_before']}. Medians of "
            f"{facts['rounds']} alternating rounds of {facts['seconds']} s each; ratios are taken within a "
            f"round, their range over the rounds in brackets.\n\n"
            "Sender, receiver and worker are threads of one process, each with a ZeroMQ context of its own; "
            "what stands between them is one other process, the same way for all. They compete for the same "
            "cores, so throughput also depends on what the ends cost; the CPU time that the process in the "
            "middle spends per message does not." +
            ("\n\n**Quick run: too short and too few rounds to quote.**" if facts["quick"] else ""))
