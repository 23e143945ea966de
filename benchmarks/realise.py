"""A cold host: from a view with a number of routers to kernel state that was read back, against the floor.

Ours is the agent's engine: it observes the empty host, compiles, diffs, executes, and reads back until nothing is left
to do. The floor packs and sends exactly the same objects and does nothing else; what it made is given to an engine,
untimed, which must find nothing to do. Each turn of either is in a host namespace of its own; turns are interleaved.
"""

import ctypes
import threading
import time
from collections.abc import Callable, Iterator

from benchmarks import floor, sandbox, scenario
from benchmarks.host import Host, NotRealisedError
from benchmarks.report import Row, against_floor, main, say

ROUTERS = 50
TURNS = 5
_libc = ctypes.CDLL(None, use_errno=True)


def in_new_host(work: Callable[[], None]) -> None:
    """Do something in a thread with a network namespace of its own, then take its routers away."""
    failures: list[BaseException] = []

    def body() -> None:
        try:
            floor.check(_libc.unshare(floor.CLONE_NEWNET), "unshare")
            work()
        except BaseException as error:  # noqa: BLE001 - carried to the caller's thread and raised there
            failures.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    for pin in sandbox.RUN.iterdir():
        _libc.umount2(str(pin).encode(), 2)
        pin.unlink()
    sandbox.wait_for_the_dead()
    if failures:
        raise failures[0]


def timed(routers: int, work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds a router, on the wall and of CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - wall) / routers * 1e3, (time.process_time() - cpu) / routers * 1e3


def turn_of_ours(routers: int) -> tuple[float, float]:
    """One cold host by onehop."""
    view = scenario.view(routers)
    result: list[tuple[float, float]] = []

    def work() -> None:
        with Host() as host:
            result.append(timed(routers, lambda: host.realise(view)))

    in_new_host(work)
    return result[0]


def turn_of_floor(routers: int) -> tuple[float, float]:
    """One cold host by the floor; what it made is verified afterwards."""
    objects = floor.wanted(routers)
    result: list[tuple[float, float]] = []

    def work() -> None:
        bare = floor.Floor()
        result.append(timed(routers, lambda: bare.realise_all(objects)))
        with Host() as host:
            host.realise(scenario.view(routers))
            if host.engine.writes:
                raise NotRealisedError(
                    f"{host.engine.writes} ops were needed after the floor: it is no floor of these objects"
                )

    in_new_host(work)
    return result[0]


def measure() -> Iterator[Row]:
    """Wall clock and CPU."""
    say(f"realise {ROUTERS} routers, {TURNS} turns each of ours and the floor's")
    turns = [(turn_of_ours(ROUTERS), turn_of_floor(ROUTERS)) for _ in range(TURNS)]
    yield from against_floor(f"realise {ROUTERS} routers, each", turns)


if __name__ == "__main__":
    main("benchmarks.realise", measure)
