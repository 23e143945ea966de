"""Port protection: two instances on one host and network, checked at their taps, against the same two unchecked.

Both ways are compiled and realised by the agent's engine; they differ in `port_security_enabled` and nothing else.
Pairs are interleaved, and the order within a pair alternates. Every packet is checked once, where it leaves its
instance; a round trip is two checks.
"""

import functools
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path as File

from msgspec.structs import replace

from benchmarks import path, scenario
from benchmarks.east_west import interleaved
from benchmarks.host import Host
from benchmarks.path import Path, run
from benchmarks.report import Row, main, pairs, say, spread
from onehop.compiler.state import Local, Plug
from onehop.model.subnet import Subnet
from onehop.model.topology import Topology, Value
from onehop.net.identifier import PortId, SubnetId

PINGS = 4000
SECONDS = 1
LIMIT_US = 2.5
SIDES = {"ours": 0, "by hand": 1}
"""Which router's first network: the protected one, and the one without, which is the baseline."""


def topology() -> Topology:
    """Two networks with two instances each; those of the second are not protected."""
    values: list[Value] = [scenario.OPEN, *scenario.hosts()]
    for number in SIDES.values():
        values += [value for value in scenario.router(number) if getattr(value, "bindings", None) in (None, ())]
        network = scenario.network_id(number, 0)
        six = SubnetId(scenario.identifier("subnet six", number))
        values.append(Subnet(id=six, network_id=network, cidr="fd00::/64", gateway_ip="fd00::1"))
        for place in range(2):
            port = scenario.instance(number, 0, place, scenario.HERE)
            address = replace(port.fixed_ips[0], subnet_id=six, ip_address=f"fd00::{10 + place:x}")
            values.append(replace(port, fixed_ips=(*port.fixed_ips, address), port_security_enabled=number == 0))
    return Topology(1, values)


def ways(view: Topology) -> dict[str, Path]:
    """Both ways, made by one engine."""
    plugs = {}
    for number in SIDES.values():
        for place in range(2):
            name = f"instance-{number}-{place}"
            run("ip", "netns", "add", name)
            port = PortId(scenario.identifier("port", number, 0, place))
            plugs[port] = Plug(port, netns=name)
    with Host(Local(plugs=plugs)) as host:
        host.realise(view)
    for number in SIDES.values():
        for place in range(2):
            _address(f"instance-{number}-{place}", place)
    return {side: Path(f"instance-{n}-0", f"instance-{n}-1", "10.0.0.11") for side, n in SIDES.items()}


def _address(namespace: str, place: int) -> None:
    run("ip", "-n", namespace, "link", "set", "lo", "up")
    run("ip", "-n", namespace, "link", "set", "eth0", "up")
    run("ip", "-n", namespace, "address", "add", f"10.0.0.{10 + place}/24", "dev", "eth0")
    run("ip", "-n", namespace, "address", "add", f"fd00::{10 + place:x}/64", "dev", "eth0", "nodad")


def measure() -> Iterator[Row]:
    """Throughput and packets with and without segmentation offload, and what is added to a round trip."""
    File("/proc/sys/net/bridge/bridge-nf-call-iptables").write_text("0")
    File("/proc/sys/net/bridge/bridge-nf-call-ip6tables").write_text("0")
    sides = ways(topology())
    six = {name: replace(side, target="fd00::b") for name, side in sides.items()}
    what: tuple[tuple[str, str, Callable[[Path], float]], ...] = (
        ("TCP throughput", "Gbit/s", functools.partial(path.throughput, seconds=SECONDS)),
        ("small packets", "kpps", functools.partial(path.packet_rate, seconds=SECONDS)),
    )
    with path.server(sides["ours"]), path.server(sides["by hand"]):
        for offload in (True, False):
            suffix = "with segmentation offload" if offload else "without segmentation offload"
            for side in sides.values():
                path.set_offload(side, offload)
            for version, way in (("IPv4", sides), ("IPv6", six)):
                for name, unit, one in what:
                    say(f"protection: {name}, {version}, {suffix}")
                    yield pairs(f"protected {name}, {version}, {suffix}", unit, *interleaved(way, one), 0.95)
        for version, way in (("IPv4", sides), ("IPv6", six)):
            say(f"protection: round trip, {version}")
            yield added(version, *interleaved(way, functools.partial(path.round_trip, count=PINGS)))


def added(version: str, ours: list[float], base: list[float]) -> Row:
    """What protection adds to a round trip: the median of the differences."""
    more = statistics.median(a - b for a, b in zip(ours, base, strict=True))
    what, reach = f"protected round trip, {version}: {more:+.2f} µs", f"≤ {LIMIT_US:g} µs more"
    return spread(what, "µs", ours, base, reach=reach, met=more <= LIMIT_US)


if __name__ == "__main__":
    main("benchmarks.protection", measure)
