"""The advertiser: puts router advertisements on the legs that are here, and takes them back before a leg goes.

What is said is declared by the compiler; what a leg says begins when the kernel holds the leg. Nothing is kept open in
a router's namespace: an open socket would keep the namespace alive (ADR 0013).
"""

import random
from collections.abc import Callable, Iterable, Mapping

from onehop.agent.beacon import Beacon
from onehop.compiler.state import Partition
from onehop.errors import KernelError
from onehop.kernel.base import Kernel
from onehop.log import logger
from onehop.net import address
from onehop.net.advertisement import Solicitation, advertised, withdrawn
from onehop.objects import Address, KernelObject, Key, Link

LOG = logger("agent")
MOST = 32
"""Legs that are advertised at a time, so that nothing else waits long when all are new."""

NO_SOURCE = "::"
Objects = Mapping[Key, KernelObject]


class Advertiser:
    """The routers' voice towards instances.

    Args:
        kernel: this host's.
        chance: as of `onehop.agent.beacon.Beacon`.
    """

    def __init__(self, kernel: Kernel, chance: Callable[[], float] = random.random) -> None:
        self._kernel = kernel
        self._beacon = Beacon(chance)

    def soonest(self) -> float | None:
        """When something is to be said next."""
        return self._beacon.soonest()

    def heed(self, name: str, wanted: Partition | None, held: Objects, now: float) -> None:
        """Take what a partition should say and what it holds: a leg that is not there says nothing."""
        if name.startswith("router/"):
            said = wanted.advertisements if wanted is not None else ()
            self._beacon.know(name, (one for one in said if _speaks(held, one.namespace, one.link)), now)

    def withdraw(self, wanted: Partition | None, held: Objects, heard: Callable[[str], bool]) -> None:
        """Before a partition is changed: take back what its legs said that are to say nothing any more.

        Args:
            wanted: what it should hold.
            held: what it holds; also legs of an earlier life, of which nobody remembers what they said.
            heard: whether a leg of that name has anybody on its network here.
        """
        staying = {(one.namespace, one.link) for one in wanted.advertisements} if wanted is not None else set()
        claims = wanted.claims if wanted is not None else {}
        for key, found in held.items():
            if not isinstance(found, Link) or not found.name.startswith("qr-") or found.mac is None:
                continue
            leg = (found.namespace, found.name)
            goes = leg not in staying if self._beacon.knows(leg) else key not in claims
            if goes and _speaks(held, *leg) and heard(found.name):
                self._send(*leg, withdrawn(found.mac))

    def speak(self, now: float) -> None:
        """Say what is due, to all."""
        for one in self._beacon.due(now, MOST):
            self._send(one.namespace, one.link, advertised(one))

    def answer(self, solicitations: Iterable[Solicitation], now: float) -> None:
        """Answer who asked: those with an address at once and alone, the others with a word to all."""
        for asked in solicitations:
            if asked.source == NO_SOURCE:
                self._beacon.hurry(asked.network_id, now)
                continue
            for one in self._beacon.on(asked.network_id):
                self._send(one.namespace, one.link, advertised(one, asked.source))

    def _send(self, namespace: str, link: str, packet: bytes) -> None:
        try:
            self._kernel.emit(namespace, link, [packet])
        except KernelError as error:
            LOG.warning("a router could not be advertised", namespace=namespace, link=link, why=str(error))


def occupied(network: Partition | None) -> bool:
    """Whether a network that is wanted here has an instance, who would hear what is said on it."""
    claims = network.claims.values() if network is not None else ()
    return any(isinstance(claim.object, Link) and claim.object.name.startswith("tap") for claim in claims)


def _speaks(held: Objects, namespace: str, link: str) -> bool:
    """Whether a leg is there, up, with the address from which it speaks."""
    found = held.get(("link", namespace, link))
    if not isinstance(found, Link) or not found.up or found.mac is None:
        return False
    own = Address(namespace=namespace, link=link, address=f"{address.link_local(found.mac)}/64", scope="link")
    return own.key in held
