"""Effects on a namespace that leave no object behind: what is sent there, and connections that are cut."""

import socket
from collections.abc import Iterable

from onehop.errors import KernelError
from onehop.kernel.space import Space
from onehop.net import address
from onehop.objects import conntrack
from onehop.objects.conntrack import Load, Translations

_TARGET = slice(24, 40)
"""Of an IPv6 header: where the packet goes (RFC 8200, section 3)."""


def send(space: Space, link: str, frames: Iterable[bytes]) -> None:
    """Put whole Ethernet frames on a link.

    Raises:
        KernelError: the link is not there or not up.
    """
    try:
        raw = space.packet_socket(link)
        try:
            for frame in frames:
                raw.send(frame)
        finally:
            space.give_back(raw)
    except OSError as error:
        raise KernelError(f"nothing can be announced on {link}: {error.strerror}", error.errno or 0) from error


def emit(space: Space, link: str, packets: Iterable[bytes]) -> None:
    """Send whole IPv6 packets by a link; the kernel puts the Ethernet header before them.

    Not by a packet socket: to close one of these waits until no CPU can be in it (``synchronize_net`` in
    net/packet/af_packet.c), 14 ms here, where this takes 0.3.

    Raises:
        KernelError: the link is not there or not up.
    """
    space.enter()
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_RAW) as raw:
            index = socket.if_nametoindex(link)
            for packet in packets:
                raw.sendto(packet, (address.unpack(packet[_TARGET]), 0, 0, index))
    except OSError as error:
        raise KernelError(f"nothing can be sent by {link}: {error.strerror}", error.errno or 0) from error


def cut(space: Space, allowed: Translations) -> int:
    """Forget every IPv4 connection that is translated in a way that is not allowed (any more); returns how many.

    Raises:
        KernelError: the connections could not be read.
    """
    tracked = next(space.netfilter.ask([conntrack.how_many()]))
    if tracked is not None and conntrack.number(tracked) == 0:
        # A dump goes through the one table of all namespaces: 10 to 30 ms, however few are ours.
        return 0
    found = (conntrack.decode(message) for message in space.netfilter.dump(*conntrack.dump()))
    stale = [tracked for tracked in found if tracked is not None and not allowed.allow(tracked)]
    refusals = space.netfilter.carry([[conntrack.delete(tracked)] for tracked in stale])
    # One that ended by itself meanwhile is refused as not found: that is what was wanted.
    return sum(refusal is None for refusal in refusals)


def load(space: Space, gateway: str, enough: int, before: int | None) -> Load:
    """How far the source ports of an address are used; see `onehop.kernel.base.Kernel.load`.

    Raises:
        KernelError: it could not be read.
    """
    answer = next(space.netfilter.ask([conntrack.how_many()]))
    used = conntrack.number(answer) if answer is not None else 0
    failed = sum(map(conntrack.failed, space.netfilter.dump(*conntrack.failures())))
    if used < enough and (before is None or failed <= before):
        return Load(used, failed)
    decoded = (conntrack.decode(message) for message in space.netfilter.dump(*conntrack.dump()))
    found = [tracked for tracked in decoded if tracked is not None]
    return Load(conntrack.busiest(found, gateway), failed, conntrack.portless(found, gateway))
