"""Whatever the agents go through, packets of every path go on: nothing that carries them is the agents'."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from onehop.lab import plan, power
from onehop.lab.prober import Prober, probing
from tests.dataplane.north import North, north_world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def north() -> Iterator[North]:
    with north_world(f"restarts-{os.getpid()}") as made:
        yield made


def _paths(north: North) -> dict[str, tuple[str, str, str]]:
    """Who probes whom, by what address, for each kind of path."""
    a, b = north.boxes["a"], north.boxes["b"]
    other = "b2" if north.owner == "host-1" else "a2"
    return {
        "east-west": (a.name, north.name("b2"), north.boxes["b2"].v4),
        "east-west, IPv6": (b.name, north.name("c2"), north.boxes["c2"].v6),
        "floating IP on its instance's host": ("outside", a.name, north.ip("a")),
        "floating IP by the owner": ("outside", north.name("c"), north.ip("c")),
        "SNAT, answers steered by the owner": (north.name(other), "outside", plan.OUTSIDE),
        "IPv6 from outside": ("outside", b.name, b.v6),
    }


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_no_packet_of_any_path_is_lost_while_every_agent_restarts(north: North, how: str) -> None:
    site, owner = north.site, north.owner
    found: dict[str, Prober] = {}
    with north.known_outside(), ExitStack() as stack:
        for path, (source, sink, address) in _paths(north).items():
            found[path] = stack.enter_context(probing(site.directory, source, sink, address))
        for host in site.hosts:
            power.agent(site.directory, host, how)
            for probes in found.values():
                probes.settle()
            power.agent(site.directory, host, "start")
        north.ready()
        for probes in found.values():
            probes.settle()
    assert {path: probes.result.lost for path, probes in found.items()} == dict.fromkeys(found, 0)
    assert north.owner == owner, "nobody took over from an agent that was started again"
