"""Looking after 500 routers that nobody changed: observe everything, diff, and write nothing.

This is what the agent does once in a while to find drift that the kernel did not tell of.
"""

import time
from collections.abc import Iterator

from benchmarks import scenario
from benchmarks.host import Host
from benchmarks.report import Row, main, say

ROUTERS = 500
LIMIT_S = 2.0


def measure() -> Iterator[Row]:
    """CPU seconds of one round; the second round is the one that counts, as in a running agent."""
    say(f"observe and diff {ROUTERS} routers: building them")
    with Host() as host:
        host.realise(scenario.view(ROUTERS))
        engine = host.engine
        objects = sum(len(part.claims) for part in engine.desire.partitions.values())
        written = engine.writes
        rounds = []
        for _ in range(3):
            begin = time.process_time()
            engine.doubt_all()
            host.settle()
            rounds.append(time.process_time() - begin)
        if engine.writes != written:
            raise AssertionError(f"{engine.writes - written} ops were carried out on a host that nobody changed")
    yield Row(
        what=f"observe and diff {ROUTERS} unchanged routers ({objects:,} objects, CPU, no write)",
        value=rounds[-1],
        unit="s",
        baseline=rounds[0],
        ratio=rounds[-1] / rounds[0],
        reach=f"≤ {LIMIT_S:g} s",
        met=rounds[-1] <= LIMIT_S,
    )


if __name__ == "__main__":
    main("benchmarks.observe", measure)
