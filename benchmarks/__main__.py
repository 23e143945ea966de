"""`make bench`: every measurement, each in a process of its own; one table, and ``build/bench.json``.

usage: python -m benchmarks [--publish] [NAME ...]

Names are those of modules here, by default all; ``build/bench.json`` keeps the last numbers of each. With --publish
they are written into docs/performance.md as well.
"""

import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks.curve import drawn
from benchmarks.report import Row, table

MODULES = (
    "realise",
    "gateway",
    "change",
    "observe",
    "floating_ip",
    "east_west",
    "north_south",
    "protection",
    "security_groups",
    "api",
    "memory",
    "owner",
    "scale",
)
RESULT = Path("build/bench.json")
PAGE = Path("docs/performance.md")
CURVE = Path("docs/scale.svg")
BEGIN, END = "<!-- table: written by `python -m benchmarks --publish` -->\n", "<!-- end of table -->\n"


def machine() -> dict[str, str]:
    """What it ran on."""
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    count = Path("/proc/cpuinfo").read_text().count("processor\t")
    return {
        "cpu": f"{count} x {cpu.partition(':')[2].strip()}",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


def publish(text: str) -> None:
    """Write the table into the page."""
    page = PAGE.read_text()
    begin, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    PAGE.write_text(f"{page[:begin]}\n{text}\n\n{page[end:]}")


def kept() -> dict[str, list[Row]]:
    """Rows of earlier runs on this machine, by module."""
    if not RESULT.exists():
        return {}
    document = json.loads(RESULT.read_text())
    return msgspec.convert(document["rows"], dict[str, list[Row]])


def run(names: tuple[str, ...], published: bool) -> int:
    """Measure; returns the exit status: 0 where every measurement ran, whether or not it reached its goal."""
    results: dict[str, list[Row]] = {}
    broken: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            print(f"== {name}", file=sys.stderr, flush=True)
            result = Path(folder, f"{name}.json")
            words = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(result)]
            if subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False).returncode:
                broken.append(name)
            else:
                results[name] = msgspec.convert(json.loads(result.read_text()), list[Row])
    where = machine()
    head = f"{where['cpu']}, Linux {where['kernel']}, Python {where['python']}, {where['date']}:"
    print(f"{head}\n\n{table(row for rows in results.values() for row in rows)}")
    results = {**kept(), **results}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"machine": where, "rows": msgspec.to_builtins(results)}, indent=2) + "\n")
    if published:
        picture = drawn(results.get("scale", ()))
        if picture:
            CURVE.write_text(picture)
        publish(f"{head}\n\n{table(row for name in MODULES for row in results.get(name, ()))}")
    if broken:
        print(f"bench: did not run to their end: {', '.join(broken)}; their errors are above.", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(run(tuple(word for word in words if word != "--publish") or MODULES, "--publish" in words))
