"""One more port on a host with 50, 200 or 500 routers: CPU from the change of the view until the kernel holds it.

The new port is bound and plugged here, so that all of it is in the number: the topology's next revision, compiling the
component, reading the affected partitions, planning, a veth into the instance's namespace, FDB entry, neighbours, and
reading back. Independent of the number of routers means that the last row is about the first.
"""

import statistics
import subprocess
import time
from collections.abc import Iterator

from benchmarks import scenario
from benchmarks.host import Host
from benchmarks.report import Row, main, say
from onehop.compiler.state import Local, Plug
from onehop.model.topology import ref

COUNTS = (50, 200, 500)
PORTS = 11
LIMIT_MS = 20.0


def with_plug(local: Local, place: int) -> Local:
    """An instance's namespace, and the wish to plug it."""
    port = scenario.instance(0, 0, scenario.NEIGHBOURS + place, scenario.HERE)
    name = f"instance-{place}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    return Local(plugs={**local.plugs, port.id: Plug(port.id, netns=name)})


def measure() -> Iterator[Row]:
    """The same change on ever fuller hosts; the host is filled up from one count to the next."""
    first = 0.0
    view = scenario.view(0)
    with Host() as host:
        for count in COUNTS:
            say(f"one more port with {count} routers: building them")
            more = [value for number in range(len(view.routers), count) for value in scenario.router(number)]
            view = view.apply(view.revision + 1, more, [])
            host.realise(view, map(ref, more))
            cpu: list[float] = []
            for _ in range(PORTS):
                place = len(host.engine.desire.local.plugs)
                local = with_plug(host.engine.desire.local, place)
                port = scenario.instance(0, 0, scenario.NEIGHBOURS + place, scenario.HERE)
                begin = time.process_time()
                view = view.apply(view.revision + 1, [port], [])
                host.engine.equip(local)
                host.realise(view, [ref(port)])
                cpu.append((time.process_time() - begin) * 1e3)
            median = statistics.median(cpu)
            first = first or median
            yield Row(
                what=f"one more port with {count} routers (CPU)",
                value=median,
                unit="ms",
                baseline=first,
                ratio=median / first,
                reach=f"≤ {LIMIT_MS:g} ms, whatever the number of routers",
                met=median <= LIMIT_MS,
            )


if __name__ == "__main__":
    main("benchmarks.change", measure)
