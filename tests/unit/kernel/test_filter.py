"""Filters let through what they say, and nothing else."""

import socket
from collections.abc import Callable, Iterable

from onehop.kernel.filter import only_advertisements, without_octet
from onehop.net.announcement import arp_probe, gratuitous_arp, neighbour_probe, unsolicited_advertisement

MAC, FOUR, SIX = "fa:16:3e:02:01:01", "203.0.113.10", "2001:db8::10"


def _passed(attach: Callable[[socket.socket], None], frames: Iterable[bytes]) -> list[bytes]:
    """A socket of another family obeys filters as well, and needs no root."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far:
        attach(near)
        near.setblocking(False)
        found: list[bytes] = []
        for frame in frames:
            far.send(frame)
            try:
                found.append(near.recv(2048))
            except BlockingIOError:
                continue
        return found


def test_of_ipv6_only_neighbour_advertisements_are_heard() -> None:
    good = unsolicited_advertisement(MAC, SIX)
    others = [gratuitous_arp(MAC, FOUR), arp_probe(MAC, FOUR), neighbour_probe(MAC, SIX), bytes(20), bytes(60), b""]
    assert _passed(only_advertisements, [*others, good, *others]) == [good]


def test_what_has_a_value_in_an_octet_is_dropped() -> None:
    assert _passed(lambda made: without_octet(made, 2, 7), [b"\0\0\7", b"\0\7\0", b"\0\0\6"]) == [b"\0\7\0", b"\0\0\6"]
