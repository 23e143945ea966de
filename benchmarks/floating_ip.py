"""A floating IP: from the API's answer to the first reply from outside, with 1, 50 and 200 routers on the host.

The lab's own processes: a controller on SQLite, an agent, a host with a provider bridge, and outside it a router that
has just forgotten all neighbours and a machine behind it that asks once a millisecond (ICMP echo) from the answer on.
The baseline is the same by hand, in the same run and on the same switch: one `nft` that adds an element to each of two
maps of a namespace that translates, and `ip addr add`, timed from before the first command to the first reply.
"""

import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import north
from benchmarks.north import Town
from benchmarks.report import Row, main, say

COUNTS = (1, 50, 200)
SAMPLES = 120
"""Enough that one of them is beyond the 99th percentile."""

QUIET = 0.06

LIMITS = {50: 30.0, 99: 100.0}
BY_HAND, BEHIND, ADDRESS = "byhand", "behind", "203.0.113.250"

_RULES = """
table ip nat {
	map inwards { type ipv4_addr : ipv4_addr; }
	map outwards { type ipv4_addr : ipv4_addr; }
	chain in { type nat hook prerouting priority dstnat; dnat to ip daddr map @inwards; }
	chain out { type nat hook postrouting priority srcnat; snat to ip saddr map @outwards; }
}
"""


def percentile(values: list[float], percent: int) -> float:
    """The smallest of the values that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, -(-len(ordered) * percent // 100) - 1)]


def sample(town: Town) -> float:
    """Milliseconds from the API's answer to the first reply."""
    town.forget()
    north.pause(QUIET)
    town.associate(town.port)
    answered = time.perf_counter()
    took = (town.first_reply(town.address) - answered) * 1e3
    town.associate(None)
    while town.status() != "DOWN":
        north.pause(0.005)
    return took


def run(*words: str) -> None:
    """One command by hand."""
    subprocess.run(words, check=True, capture_output=True)


@contextmanager
def by_hand(town: Town) -> Iterator[None]:
    """A namespace that translates, on the same switch, with somebody behind it."""
    for name in (BY_HAND, BEHIND):
        run("ip", "netns", "add", name)
    pin = f"/run/netns/{BY_HAND}"
    town.node(lambda: run("ip", "link", "add", "byhand", "type", "veth", "peer", "name", "qg", "netns", pin))
    town.node(lambda: run("ip", "link", "set", "byhand", "master", "external", "up"))
    run("ip", "-n", BY_HAND, "link", "add", "qr", "type", "veth", "peer", "name", "eth0", "netns", BEHIND)
    for words in ("link set lo up", "addr add 10.9.9.1/24 dev qr", "link set qr up", "link set qg up"):
        run("ip", "-n", BY_HAND, *words.split())
    # Without an address that stays, the last one to go would take the routes along.
    run("ip", "-n", BY_HAND, "addr", "add", "169.254.1.1/32", "dev", "qg", "scope", "link")
    for words in ("route add 203.0.113.0/24 dev qg scope link", "route add default via 203.0.113.1 dev qg"):
        run("ip", "-n", BY_HAND, *words.split())
    for words in ("addr add 10.9.9.2/24 dev eth0", "link set eth0 up", "route add default via 10.9.9.1"):
        run("ip", "-n", BEHIND, *words.split())
    run("ip", "netns", "exec", BY_HAND, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.arp_ignore=1")
    run("ip", "netns", "exec", BY_HAND, "nft", _RULES)
    try:
        yield
    finally:
        for name in (BY_HAND, BEHIND):
            run("ip", "netns", "delete", name)


def sample_by_hand(town: Town) -> float:
    """The same by hand."""
    inside = ("ip", "netns", "exec", BY_HAND, "nft")
    town.forget()
    north.pause(QUIET)
    begin = time.perf_counter()
    elements = {"inwards": f"{ADDRESS} : 10.9.9.2", "outwards": f"10.9.9.2 : {ADDRESS}"}
    run(*inside, "; ".join(f"add element ip nat {name} {{ {element} }}" for name, element in elements.items()))
    run("ip", "-n", BY_HAND, "addr", "add", f"{ADDRESS}/32", "dev", "qg")
    took = (town.first_reply(ADDRESS) - begin) * 1e3
    run("ip", "-n", BY_HAND, "addr", "del", f"{ADDRESS}/32", "dev", "qg")
    run(*inside, f"delete element ip nat inwards {{ {ADDRESS} }}; delete element ip nat outwards {{ 10.9.9.2 }}")
    return took


def rows(count: int, ours: list[float], base: list[float]) -> Iterator[Row]:
    """Two lines for one number of routers."""
    for percent, limit in LIMITS.items():
        value, bare = percentile(ours, percent), percentile(base, percent)
        yield Row(
            what=f"floating IP, API answer to first reply, {count} router{'s' * (count > 1)} on the host (p{percent})",
            value=value,
            unit="ms",
            baseline=bare,
            ratio=value / bare,
            reach=f"≤ {limit:g} ms, flat in the number of routers",
            met=value <= limit,
        )


def measure() -> Iterator[Row]:
    """The same floating IP on an ever fuller host."""
    with north.town() as town, by_hand(town):
        for count in COUNTS:
            say(f"floating IP with {count} routers: building them")
            while town.routers < count:
                town.add_router()
            town.settle()
            sample(town)
            sample_by_hand(town)
            ours, base = [], []
            for _ in range(SAMPLES):
                ours.append(sample(town))
                base.append(sample_by_hand(town))
            say(f"{count}: {statistics.median(ours):.1f} ms, by hand {statistics.median(base):.1f} ms")
            yield from rows(count, ours, base)


if __name__ == "__main__":
    main("benchmarks.floating_ip", measure)
