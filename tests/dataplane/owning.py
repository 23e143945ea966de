"""What tests of owners ask: who has an address on its leg, and who answers for it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from onehop.lab import fabric, power
from tests.dataplane import answering
from tests.dataplane.north import North, north_world
from tests.dataplane.site import until

GATEWAYS = ("host-1", "host-2")


INTERVAL = 1.0
"""Seconds between two gratuitous ARPs: how long two may answer who can hear each other."""


@contextmanager
def owned_world(word: str) -> Iterator[North]:
    """A world for a module of tests; whatever they cut and stop, it ends whole."""
    with north_world(f"{word}-{os.getpid()}") as made:
        try:
            yield made
        finally:
            power.controller(made.site.directory, "start")
            mended(made)


def restored(north: North) -> North:
    """A world with everything running and connected, whatever the test before did."""
    power.controller(north.site.directory, "start")
    mended(north)
    north.restore()
    return north


def mended(north: North) -> None:
    """Plug every cable of the gateway hosts in."""
    for host in GATEWAYS:
        if north.site.directory.read().hosts[host].running:
            for switch in ("underlay", "external"):
                fabric.mend(north.site.directory, host, switch)


def other_than(host: str) -> str:
    """The other gateway host."""
    return next(name for name in GATEWAYS if name != host)


def holds(north: North, host: str, address: str) -> bool:
    """Whether a host has an address on a leg of the router."""
    namespace = f"qrouter-{north.router_id}"
    return f" {address}/" in north.site.run(host, "ip", "-n", namespace, "-o", "addr", check=False)


def alone(north: North, host: str, address: str, limit: float) -> float:
    """Seconds until one gateway host alone has an address; fails after `limit`."""
    begin = time.monotonic()
    other = other_than(host)
    assert until(lambda: holds(north, host, address) and not holds(north, other, address), limit)
    return time.monotonic() - begin


def answerers(north: North, address: str) -> set[str]:
    """MACs that answer when upstream asks for an address, which is then called."""
    north.site.run("upstream", "ip", "neigh", "flush", "dev", "ext0")
    north.site.ping("outside", address, answers=3)
    return answering.answerers(north.site, address)[address]
