"""The kernel's numbers for namespaces, as another namespace knows them (RTM_GETNSID)."""

from collections.abc import Iterable, Iterator
from struct import pack, unpack

from onehop.kernel.connection import Connection
from onehop.objects import netlink
from onehop.objects.netlink import Request

_NSID, _FD = 1, 3
_UNKNOWN = b"\xff" * 4


def numbers(at: Connection, namespaces: Iterable[tuple[str, int]]) -> Iterator[tuple[int, str]]:
    """Number and name of each of some namespaces (name, descriptor) that the namespace of `at` has a number for."""
    asked = list(namespaces)
    questions = [Request(netlink.GETNSID, 0, _body(descriptor)) for _, descriptor in asked]
    for (name, _), answer in zip(asked, at.ask(questions), strict=True):
        if answer is not None:
            values = netlink.attributes(answer.data, answer.start + 4, answer.end)
            number = unpack("=i", values.get(_NSID, _UNKNOWN))[0]
            if number >= 0:
                yield number, name


def give(at: Connection, descriptor: int) -> None:
    """Let the namespace of `at` have a number for another, so that it can hear of what happens there."""
    # Refused with EEXIST where it has one.
    at.carry([[Request(netlink.NEWNSID, 0, _body(descriptor) + pack("=HHi", 8, _NSID, -1))]])


def number_of(body: bytes) -> int | None:
    """The number in a notification that a namespace got or lost its own."""
    value = netlink.attributes(body, 4, len(body)).get(_NSID)
    return None if value is None else int(unpack("=i", value)[0])


def _body(descriptor: int) -> bytes:
    return pack("=Bxxx", 0) + netlink.u32(_FD, descriptor)
