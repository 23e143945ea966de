"""One more port on a host with 50, 200 or 500 routers: CPU from the change of the view until the kernel holds it.

The new port is bound and plugged here, so that all of it is in the number: the topology's next revision, compiling the
component, planning, a veth into the instance's namespace, FDB entry, neighbours, and reading back. The baseline is the
same made by hand on the same host (`benchmarks/port_floor.py`), in turns with it: the kernel's own work for a new link
grows a little with the number of links and chains of the namespace. What onehop adds must not grow.
"""

import statistics
import subprocess
import time
from collections.abc import Iterator

from benchmarks import scenario
from benchmarks.host import Host
from benchmarks.port_floor import PortFloor
from benchmarks.report import Row, main, say
from onehop.compiler.state import Local, Plug
from onehop.model.topology import ref
from onehop.net.identifier import PortId
from onehop.objects import KernelObject

COUNTS = (50, 200, 500)
PORTS = 11
LIMIT_MS = 20.0
GROWTH = 1.3


def with_plug(local: Local, port: PortId) -> Local:
    """An instance's namespace, and the wish to plug it."""
    name = f"instance-{len(local.plugs)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    return Local(plugs={**local.plugs, port: Plug(port, netns=name)})


def objects_of(host: Host, port: PortId) -> Iterator[KernelObject]:
    """What a port is made of on this host."""
    for partition in host.engine.desire.partitions.values():
        for claim in partition.claims.values():
            if claim.resource == ("port", port):
                yield claim.object


def measure() -> Iterator[Row]:
    """The same change on ever fuller hosts; the host is filled up from one count to the next."""
    medians: list[tuple[float, float]] = []
    view = scenario.view(0)
    by_hand = PortFloor()
    with Host() as host:
        for count in COUNTS:
            say(f"one more port with {count} routers: building them")
            more = [value for number in range(len(view.routers), count) for value in scenario.router(number)]
            view = view.apply(view.revision + 1, more, [])
            host.realise(view, map(ref, more))
            cpu: list[float] = []
            floor: list[float] = []
            for place in range(PORTS):
                # A router of its own for each count, so that all begin with the same network.
                port = scenario.instance(len(medians), 0, scenario.NEIGHBOURS + place, scenario.HERE)
                local = with_plug(host.engine.desire.local, port.id)
                begin = time.process_time()
                view = view.apply(view.revision + 1, [port], [])
                host.engine.equip(local)
                host.realise(view, [ref(port)])
                cpu.append((time.process_time() - begin) * 1e3)
                floor.append(by_hand.turn(objects_of(host, port.id)))
            ratios = [a / b for a, b in zip(cpu, floor, strict=True)]
            median = statistics.median(cpu)
            medians.append((median, statistics.median(floor)))
            yield Row(
                what=f"one more port with {count} routers (CPU)",
                value=median,
                unit="ms",
                baseline=medians[-1][1],
                ratio=statistics.median(ratios),
                spread=(min(ratios), max(ratios)),
                reach=f"≤ {LIMIT_MS:g} ms",
                met=median <= LIMIT_MS,
            )
        host.engine.doubt_all()
        host.settle()
    own = [ours - floor for ours, floor in medians]
    yield Row(
        what=f"one more port: what onehop adds with {COUNTS[-1]} routers, against {COUNTS[0]} (CPU)",
        value=own[-1],
        unit="ms",
        baseline=own[0],
        ratio=own[-1] / own[0],
        reach=f"≤ {GROWTH:g}: whatever the number of routers",
        met=own[-1] / own[0] <= GROWTH,
    )


if __name__ == "__main__":
    main("benchmarks.change", measure)
