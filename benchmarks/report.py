"""Rows: what was measured, beside its baseline of the same run, and what there was to reach."""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from benchmarks import sandbox


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table.

    Attributes:
        what: in words.
        value, unit: as measured.
        baseline: the same unit, measured in the same run, or None.
        ratio: value / baseline, or the median ratio of pairs.
        spread: smallest and largest ratio of pairs.
        reach: what there was to reach, in words; "" where the number is only shown.
        met: whether it was reached; None where nothing was to reach.
    """

    what: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    reach: str = ""
    met: bool | None = None


def spread(what: str, unit: str, ours: Sequence[float], base: Sequence[float], *, reach: str, met: bool | None) -> Row:
    """The row of interleaved pairs, whatever there was to reach: medians, the median ratio, and its spread."""
    ratios = [a / b for a, b in zip(ours, base, strict=True)]
    return Row(
        what=what,
        value=statistics.median(ours),
        unit=unit,
        baseline=statistics.median(base),
        ratio=statistics.median(ratios),
        spread=(min(ratios), max(ratios)),
        reach=reach,
        met=met,
    )


def pairs(what: str, unit: str, ours: Sequence[float], base: Sequence[float], at_least: float | None) -> Row:
    """The row of interleaved pairs: median ratio, and its spread.

    Args:
        what, unit: as in `Row`.
        ours, base: one of each for every pair, in order.
        at_least: smallest median ratio to reach; a negative one is a largest (``-1.05``: at most 1.05).
    """
    if at_least is None:
        return spread(what, unit, ours, base, reach="", met=None)
    median = statistics.median(a / b for a, b in zip(ours, base, strict=True))
    bound = abs(at_least)
    met = median >= bound if at_least > 0 else median <= bound
    return spread(what, unit, ours, base, reach=f"{'≥' if at_least > 0 else '≤'} {bound:.0%} of the baseline", met=met)


def against_floor(what: str, turns: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Iterable[Row]:
    """Rows of wall clock and CPU, each in ms: at most 2.5 times the floor.

    Args:
        what: as in `Row`.
        turns: wall clock and CPU of ours and of the floor, in turns.
    """
    for column, name in ((0, "wall clock"), (1, "CPU")):
        ours = [mine[column] for mine, _ in turns]
        base = [bare[column] for _, bare in turns]
        met = statistics.median(a / b for a, b in zip(ours, base, strict=True)) <= 2.5
        yield spread(f"{what} ({name})", "ms", ours, base, reach="≤ 2.5 of the floor", met=met)


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table that is also easy to read as it is."""
    head = ("what", "measured", "baseline", "ratio (spread)", "to reach", "")
    body = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in body) for column in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in body
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _cells(row: Row) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    if row.spread is not None:
        ratio += f" ({row.spread[0]:.2f} to {row.spread[1]:.2f})"
    met = {True: "met", False: "MISSED", None: ""}[row.met]
    return (row.what, _number(row.value, row.unit), _number(row.baseline, row.unit), ratio, row.reach, met)


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def main(module: str, measure: Callable[[], Iterable[Row]], private: bool = True) -> None:
    """Run one measurement as a program.

    Args:
        module: its dotted name.
        measure: makes the rows.
        private: whether it needs namespaces of its own.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=sys.modules["__main__"].__doc__)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    chosen = parser.parse_args()
    if private:
        sandbox.enter(module)
    rows = list(measure())
    print(table(rows), flush=True)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(msgspec.to_builtins(rows), indent=2) + "\n")


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(f"  {text}", file=sys.stderr, flush=True)
