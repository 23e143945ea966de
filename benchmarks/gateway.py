"""A cold host: routers with a gateway, translation and two floating IPs each, from a view to kernel state that was read
back, against the floor that packs exactly the same objects by hand; as `benchmarks.realise` does for routers without.
"""

import subprocess
from collections.abc import Callable, Iterator

from benchmarks import floor_north, scenario_north
from benchmarks.host import Host, NotRealisedError
from benchmarks.realise import in_new_host, timed
from benchmarks.report import Row, against_floor, main, say

ROUTERS = 50
TURNS = 5


def with_bridge(work: Callable[[], None]) -> Callable[[], None]:
    """Something to be done on a host that has a provider bridge."""

    def body() -> None:
        for words in (("add", scenario_north.BRIDGE, "type", "bridge"), ("set", scenario_north.BRIDGE, "up")):
            subprocess.run(["ip", "link", *words], check=True)
        work()

    return body


def turn_of_ours() -> tuple[float, float]:
    """One cold host by onehop; milliseconds a router, on the wall and of CPU."""
    view = scenario_north.view(ROUTERS)
    result: list[tuple[float, float]] = []

    def work() -> None:
        with Host(scenario_north.local(*range(ROUTERS))) as host:
            result.append(timed(ROUTERS, lambda: host.realise(view)))

    in_new_host(with_bridge(work))
    return result[0]


def turn_of_floor() -> tuple[float, float]:
    """One cold host by the floor; what it made is verified afterwards."""
    objects = floor_north.wanted(ROUTERS)
    result: list[tuple[float, float]] = []

    def work() -> None:
        bare = floor_north.NorthFloor()
        result.append(timed(ROUTERS, lambda: bare.realise_all(objects)))
        with Host(scenario_north.local(*range(ROUTERS))) as host:
            host.realise(scenario_north.view(ROUTERS))
            if host.engine.writes:
                raise NotRealisedError(
                    f"{host.engine.writes} ops were needed after the floor: it is no floor of these objects"
                )

    in_new_host(with_bridge(work))
    return result[0]


def measure() -> Iterator[Row]:
    """Wall clock and CPU."""
    say(f"realise {ROUTERS} routers with a gateway and two floating IPs, {TURNS} turns each of ours and the floor's")
    turns = [(turn_of_ours(), turn_of_floor()) for _ in range(TURNS)]
    yield from against_floor(f"realise {ROUTERS} routers with gateway, SNAT and 2 floating IPs, each", turns)


if __name__ == "__main__":
    main("benchmarks.gateway", measure)
