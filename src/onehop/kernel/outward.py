"""Two effects on a namespace that leave no object behind: frames that announce, and connections that are cut."""

from collections.abc import Iterable

from onehop.errors import KernelError
from onehop.kernel.space import Space
from onehop.objects import conntrack
from onehop.objects.conntrack import Translations


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


def cut(space: Space, allowed: Translations) -> int:
    """Forget every IPv4 connection that is translated in a way that is not allowed (any more); returns how many.

    Raises:
        KernelError: the connections could not be read.
    """
    found = (conntrack.decode(message) for message in space.netfilter.dump(*conntrack.dump()))
    stale = [tracked for tracked in found if tracked is not None and not allowed.allow(tracked)]
    refusals = space.netfilter.carry([[conntrack.delete(tracked)] for tracked in stale])
    # One that ended by itself meanwhile is refused as not found: that is what was wanted.
    return sum(refusal is None for refusal in refusals)
