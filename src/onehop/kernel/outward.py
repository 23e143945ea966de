"""Effects on a namespace that leave no object behind: what is sent, connections cut or barred, counters read."""

import errno
import socket
from collections.abc import Callable, Iterable

from onehop.errors import KernelError
from onehop.kernel.space import Space
from onehop.net import address
from onehop.objects import conntrack, counter, nftables, tracked
from onehop.objects.admission import Admissions
from onehop.objects.conntrack import Load, Translations
from onehop.objects.counter import Count, Counts
from onehop.objects.netlink import Found

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
    if not _are_any(space):
        return 0
    found = (conntrack.decode(message) for message in space.netfilter.dump(*conntrack.dump()))
    stale = [one for one in found if one is not None and not allowed.allow(one)]
    refusals = space.netfilter.carry([[conntrack.delete(one)] for one in stale])
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
    found = [one for one in decoded if one is not None]
    return Load(conntrack.busiest(found, gateway), failed, conntrack.portless(found, gateway))


def bar(space: Space, admissions: Admissions) -> int:
    """Bar every connection that would not be let begin (any more), let go all others; returns how many are barred.

    Raises:
        KernelError: the connections could not be read.
    """
    if not _are_any(space):
        return 0
    barred = 0
    requests = []
    for message in space.netfilter.dump(*tracked.dump()):
        found = tracked.decode(message)
        if found is None:
            continue
        wrong = not admissions.allow(found.zone, found.begun)
        barred += wrong
        if wrong != found.barred:
            requests.append([tracked.bar(found, wrong)])
    # One that ended by itself meanwhile is refused as not found: nothing of it is left to pass.
    space.netfilter.carry(requests)
    return barred


def _are_any(space: Space) -> bool:
    """Whether anything is tracked: a dump goes through the one table of all namespaces, 10 to 30 ms for few as well."""
    count = next(space.netfilter.ask([conntrack.how_many()]))
    return count is None or conntrack.number(count) > 0


def count(space: Space, family: str, table: str | None) -> Counts:
    """What the named counters of a table of ours say, or of all of ours of a family.

    Raises:
        KernelError: they could not be read.
    """
    return _summed(space, counter.dump(family, table), counter.decode)


def drops(space: Space, family: str | None, table: str | None) -> Counts:
    """What the rules of a table of ours have dropped by chain, or of all of ours, of a family or of all.

    Raises:
        KernelError: they could not be read.
    """
    return _summed(space, counter.rules(family, table), counter.dropped)


def _summed(
    space: Space, question: tuple[int, bytes], decode: Callable[[Found], tuple[str, str, Count] | None]
) -> Counts:
    """Counts by table of ours and name."""
    try:
        messages = space.netfilter.dump(*question)
    except KernelError as error:
        if error.errno == errno.ENOENT:
            return {}
        raise
    counts: Counts = {}
    for found in filter(None, map(decode, messages)):
        table, name, value = found
        if nftables.is_ours(table):
            before = counts.setdefault(table, {}).get(name, Count())
            counts[table][name] = Count(before.packets + value.packets, before.octets + value.octets)
    return counts
