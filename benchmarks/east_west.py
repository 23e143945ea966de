"""East-west: two instances on one host through a router of ours, against the same way built by hand.

The baseline is what one would build with `ip` alone: veth, bridge, veth, a namespace that forwards, veth, bridge, veth;
no VXLAN port on the bridges, no rulesets, no settings but forwarding. Pairs are interleaved, and the order within a
pair alternates. Our side is realised by the agent's engine.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path as File

from benchmarks import path, scenario
from benchmarks.host import Host
from benchmarks.path import Path, run
from benchmarks.report import Row, main, pairs, say
from onehop.compiler.state import Local, Plug
from onehop.net.identifier import PortId

PAIRS = 11
SECONDS = 1
PINGS = 2000


def by_hand() -> Path:
    """The baseline."""
    run("ip", "netns", "add", "hand-router")
    for side, name in enumerate(("hand-left", "hand-right")):
        run("ip", "netns", "add", name)
        run("ip", "link", "add", f"handbr{side}", "type", "bridge")
        run("ip", "link", "set", f"handbr{side}", "mtu", "1450", "up")
        _pair(f"handtap{side}", "eth0", name, f"handbr{side}")
        _pair(f"handleg{side}", f"leg{side}", "hand-router", f"handbr{side}")
        run("ip", "-n", "hand-router", "address", "add", f"10.{side}.0.1/24", "dev", f"leg{side}")
        _address(name, side)
    run("ip", "netns", "exec", "hand-router", "sysctl", "-qw", "net.ipv4.ip_forward=1")
    return Path("hand-left", "hand-right", "10.1.0.10")


def _pair(near: str, far: str, namespace: str, bridge: str) -> None:
    run(
        "ip", "link", "add", near, "mtu", "1450", "type", "veth", "peer", "name", far, "mtu", "1450", "netns", namespace
    )
    run("ip", "link", "set", near, "master", bridge, "up")
    run("ip", "-n", namespace, "link", "set", far, "up")


def _address(namespace: str, side: int) -> None:
    run("ip", "-n", namespace, "link", "set", "lo", "up")
    run("ip", "-n", namespace, "link", "set", "eth0", "mtu", "1450", "up")
    run("ip", "-n", namespace, "address", "replace", f"10.{side}.0.10/24", "dev", "eth0")
    run("ip", "-n", namespace, "route", "replace", "default", "via", f"10.{side}.0.1")


def ours(stack: ExitStack) -> Path:
    """What the compiler yields for a router and an instance plugged on each of its networks, short cut included."""
    names = ("our-left", "our-right")
    plugs = {}
    for side, name in enumerate(names):
        run("ip", "netns", "add", name)
        port = PortId(scenario.identifier("port", 0, side, 0))
        plugs[port] = Plug(port, netns=name)
    host = stack.enter_context(Host(Local(plugs=plugs), short=True))
    host.realise(scenario.view(1))
    host.settle_ways()
    for side, name in enumerate(names):
        _address(name, side)
    return Path(*names, "10.1.0.10")


def measure() -> Iterator[Row]:
    """Three numbers, with and without segmentation offload."""
    File("/proc/sys/net/bridge/bridge-nf-call-iptables").write_text("0")
    # As the package sets it (packaging/sysctl.d); else TCP takes the long way.
    File("/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal").write_text("1")
    with ExitStack() as stack:
        yield from _both({"ours": ours(stack), "by hand": by_hand()})


def _both(sides: dict[str, Path]) -> Iterator[Row]:
    what: tuple[tuple[str, str, Callable[[Path], float], float], ...] = (
        ("TCP throughput", "Gbit/s", functools.partial(path.throughput, seconds=SECONDS), 0.95),
        ("round trip", "µs", functools.partial(path.round_trip, count=PINGS), -1.05),
        ("small packets", "kpps", functools.partial(path.packet_rate, seconds=SECONDS), 0.95),
    )
    with path.server(sides["ours"]), path.server(sides["by hand"]):
        for offload in (True, False):
            for side in sides.values():
                path.set_offload(side, offload)
            suffix = "with segmentation offload" if offload else "without segmentation offload"
            for name, unit, one, reach in what:
                say(f"east-west {name}, {suffix}: {PAIRS} pairs")
                yield pairs(f"east-west {name}, {suffix}", unit, *interleaved(sides, one), reach)


def interleaved(sides: dict[str, Path], one: Callable[[Path], float]) -> tuple[list[float], list[float]]:
    """Measurements of ours and of the baseline, in turns."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(PAIRS):
        for name in sorted(sides, reverse=number % 2 == 0):
            found[name].append(one(sides[name]))
    return found["ours"], found["by hand"]


if __name__ == "__main__":
    main("benchmarks.east_west", measure)
