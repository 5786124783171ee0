"""Results as a table for the terminal and as a Markdown report."""

import statistics
from collections.abc import Sequence
from typing import Any

from offctx.evaluation.markdown import markdown_table
from tools.benchmark.result import RaceResult

HEADER = ("race", "ours", "peer", "result", "target", "met")


def format_time(value: float, unit: str) -> str:
    """Three digits; seconds as s, ms or µs, whichever gives a number of at least 1."""
    scales = {"s": 1.0, "ms": 1e3, "µs": 1e6} if unit == "s" else {unit: 1.0}
    name = next((name for name, factor in scales.items() if abs(value) * factor >= 1), list(scales)[-1])
    return f"{value * scales[name]:.3g} {name}"


def format_times(values: Sequence[float], unit: str) -> str:
    """The median; with several values also the smallest and the largest."""
    median = format_time(statistics.median(values), unit)
    return median if len(values) == 1 else f"{median} ({format_time(min(values), unit)} to {format_time(max(values), unit)})"


def row(race: RaceResult) -> tuple[str, ...]:
    """The cells of one race, in the order of HEADER."""
    number, sign = ("{:.2f} %", "<=") if race.percent else ("{:.2f}x", ">=")
    times = (format_times(race.ours, race.unit), format_times(race.peer, race.unit))
    target = f"{sign} {race.target:g}{' %' if race.percent else 'x'}"
    return (race.name, *times, number.format(race.result), target, "yes" if race.met else "no")


def text_table(races: Sequence[RaceResult]) -> str:
    """The table for the terminal; each column is as wide as its widest cell."""
    rows = [HEADER, *(row(race) for race in races)]
    widths = [max(len(line[k]) for line in rows) for k in range(len(HEADER))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in rows)


def markdown(races: Sequence[RaceResult], facts: dict[str, Any]) -> str:
    """The report: the table, what each race timed, and where the numbers come from.

    Args:
        races: the results.
        facts: what `tools.benchmark.command.provenance` returned when the races were run.
    """
    packages = ", ".join(f"{name} {number}" for name, number in facts["packages"].items())
    parts = [
        "# Benchmark\n",
        f"`{facts['command']}`\n",
        "Times are medians, with the least and the largest in brackets. A result in x is the peer's median over ours; a "
        "result in % is a cost. Ours and the peer took turns in one process.\n",
        *([] if not facts["quick"] else ["**Quick sizes: these numbers say only that it runs.**\n"]),
        "\n".join(markdown_table(HEADER, [row(race) for race in races])) + "\n",
        "\n".join(f"- **{race.name}**: {race.what}." for race in races) + "\n",
        f"Commit {facts['commit']}, {facts['date']}; {facts['platform']}, {facts['cpus']} CPUs, load average "
        f"{facts['load_average_at_start']} at the start, {facts['torch_threads']} torch thread(s); Python "
        f"{facts['python']}, {packages}.",
    ]
    return "\n".join(parts) + "\n"
