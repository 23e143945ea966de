"""The cost of a change against the number of hosts that it concerns, drawn as a small SVG from the rows of `scale`."""

import re
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.report import Row

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 320, 60, 40, 30, 20
_ROW = re.compile(r"a port on a network of (\d+) hosts?: (.*)")
LINES: Mapping[str, tuple[str, str]] = {
    "request to the last agent (median)": ("#1f77b4", "request to the last agent (median), ms"),
    "CPU of the controller": ("#d62728", "CPU of the controller, ms"),
}


def points(rows: Iterable[Row]) -> dict[str, list[tuple[int, float]]]:
    """Name of a line → hosts and milliseconds, in order."""
    found: dict[str, list[tuple[int, float]]] = {name: [] for name in LINES}
    for row in rows:
        match = _ROW.fullmatch(row.what)
        if match is not None and match[2] in found:
            found[match[2]].append((int(match[1]), row.value))
    return {name: sorted(line) for name, line in found.items()}


def drawn(rows: Iterable[Row]) -> str:
    """The picture; empty where there are no such rows."""
    lines = points(rows)
    every = [point for line in lines.values() for point in line]
    if not every:
        return ""
    most_hosts, most_ms = max(x for x, _ in every), max(y for _, y in every) * 1.1

    def place(point: tuple[float, float]) -> str:
        x = LEFT + (WIDTH - LEFT - RIGHT) * point[0] / most_hosts
        y = HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * point[1] / most_ms
        return f"{x:.1f},{y:.1f}"

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
            f'font-size="11">'
        ),
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        (
            f'<polyline points="{place((0, most_ms))} {place((0, 0))} {place((most_hosts, 0))}" fill="none" '
            f'stroke="black"/>'
        ),
        *(_label(place((0, most_ms * part / 4)), f"{most_ms * part / 4:.0f}", -30, 4) for part in range(5)),
        *(
            _label(place((x, 0)), str(x), -8, 16)
            for x in sorted({x for x, _ in every if x == 1 or x >= most_hosts / 10})
        ),
        _label(place((most_hosts / 2, 0)), "hosts that the network spans", -60, 32),
    ]
    for number, (name, (colour, title)) in enumerate(LINES.items()):
        parts += _line([place(point) for point in lines[name]], colour)
        parts.append(f'<text x="{LEFT + 20}" y="{TOP + 14 * number}" fill="{colour}">{title}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _line(places: Sequence[str], colour: str) -> list[str]:
    dots = [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in (one.split(",") for one in places)]
    return [f'<polyline points="{" ".join(places)}" fill="none" stroke="{colour}"/>', *dots]


def _label(place: str, text: str, right: int, down: int) -> str:
    x, y = (float(one) for one in place.split(","))
    return f'<text x="{x + right:.1f}" y="{y + down:.1f}">{text}</text>'
