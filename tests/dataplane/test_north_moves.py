"""Walk 12, whole: what an instance and its peers outside notice when it moves, from API to packets."""

import os
import socket
import time
from collections.abc import Iterator

import pytest

from onehop.lab import plan
from onehop.lab.prober import probing
from onehop.lab.streaming import PORT, serving, streaming
from tests.dataplane.north import North, north_world
from tests.dataplane.site import Box

OUTSIDE = plan.OUTSIDE
TARGETS = ("host-1", "host-3", "host-2")
"""Where the instance of host-2 goes: to another gateway host, to one without an external leg, and back."""
ENOUGH = 100
"""Probes after a move, so that there are so many also of one that is quicker than that."""

MOST_LOST = 200
"""Probes of a millisecond each."""
AT_ONCE = 0.5
"""Seconds until an instance's first octets after a move are answered with a reset."""


@pytest.fixture(scope="module")
def north() -> Iterator[North]:
    with north_world(f"moves-{os.getpid()}") as made:
        yield made


@pytest.fixture
def box(north: North) -> Box:
    """The instance of host-2 that has a floating IP."""
    return north.boxes["b"]


def _lost(north: North, box: Box, address: str) -> list[int]:
    """Probes from outside that were lost in each of three moves."""
    lost = []
    for target in TARGETS:
        with probing(north.site.directory, "outside", box.name, address) as probes:
            north.move(box, target)
            probes.go_on(ENOUGH)
        assert probes.result.sent > ENOUGH
        assert probes.result.answered_from == (address,)
        lost.append(probes.result.lost)
    print(f"lost by the moves to {TARGETS}: {lost}")
    return lost


def _judge(lost: list[int]) -> None:
    assert max(lost) <= MOST_LOST, f"probes lost by three moves: {lost}"


def test_a_move_loses_at_most_200_ms_of_what_comes_to_a_floating_ip(north: North, box: Box) -> None:
    _judge(_lost(north, box, north.ip("b")))


def test_a_move_loses_at_most_200_ms_of_what_comes_in_by_ipv6(north: North, box: Box) -> None:
    ips = north.shown()["external_gateway_info"]["external_fixed_ips"]
    router = next(str(ip["ip_address"]) for ip in ips if ":" in ip["ip_address"])
    north.site.run("upstream", "ip", "route", "replace", box.net.v6["cidr"], "via", router)
    try:
        north.site.ping("outside", box.v6)
        lost = _lost(north, box, box.v6)
    finally:
        north.site.run("upstream", "ip", "route", "del", box.net.v6["cidr"])
    _judge(lost)


def test_a_connection_from_outside_goes_on_over_moves(north: North, box: Box) -> None:
    directory = north.site.directory
    with serving(directory, box.name), streaming(directory, "outside", north.ip("b")) as stream:
        for target in TARGETS:
            north.move(box, target)
        result = stream.end()
    print(f"longest gap of the stream over three moves {result.gap:.2f} s")
    assert (result.error, result.back) == ("", result.sent)


def _ask(caller: socket.socket, octets: bytes) -> bytes:
    """Say something and hear the answer; what the instance sent while it moved may have brought a reset before."""
    caller.sendall(octets)
    return caller.recv(len(octets))


def _called(north: North, box: Box) -> socket.socket:
    """A connection to the server outside, which begins by saying who calls."""
    caller = north.site.inside(box.name, lambda: socket.create_connection((OUTSIDE, PORT), timeout=5))
    assert caller.recv(100).decode().split()[0] == north.gateway
    assert _ask(caller, b"before") == b"before"
    return caller


def test_a_connection_through_shared_translation_is_reset_towards_the_instance_at_once(north: North) -> None:
    box = north.boxes["b2"]
    with serving(north.site.directory, "outside"):
        for target in TARGETS:
            with _called(north, box) as caller:
                north.move(box, target)
                begin = time.monotonic()
                with pytest.raises(ConnectionResetError):
                    _ask(caller, b"after")
                assert time.monotonic() - begin <= AT_ONCE
            _called(north, box).close()
