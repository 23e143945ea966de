"""The border: this host's ear and voice on the external networks, by the provider bridges' own links.

The link of a bridge sees what is broadcast on it and what is sent to the bridge's own MAC, and nothing else. So what is
heard is announcements, questions, and the answers to our questions, which come from that MAC, or go to all nodes (IPv6,
of which the kernel passes on advertisements only); tenants' traffic costs nothing. What is heard of addresses that this
host wants to publish is told to the engine; until a controller has confirmed since that it still wants so, the other
one is right (`onehop.agent.permit`).
"""

import asyncio
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from onehop.agent.engine import Engine
from onehop.agent.hub import Hub
from onehop.agent.outcome import Outcome
from onehop.kernel.filter import only_advertisements
from onehop.log import logger
from onehop.net.announcement import advertiser, arp_sender, probe

LOG = logger("agent")
_ARP, _IPV6 = 0x0806, 0x86DD
TICK_SECONDS = 0.1
CONFIRM_SECONDS = 0.4
"""How long a controller may take to confirm; with the time to give up less than a second (the announcements' pace)."""

GATHER_SECONDS = 0.02

Said = tuple[str, str, str]
"""Bridge, address, and MAC of whoever says to have it."""


class Controller(Protocol):
    """What the border asks the stream.

    Attributes:
        syncs: how often a controller said that the view is whole.
    """

    syncs: int

    def fresh(self) -> bool:
        """Whether a controller spoke lately, and the view is complete."""
        ...

    async def confirms(self, seconds: float) -> bool:
        """Whether a controller answers now, after everything that it had to say before."""
        ...


class Border:
    """Hears and asks until cancelled.

    Args:
        hub: leads to the engine.
        controller: the stream.
        bridges: gives the provider bridges that are there.
    """

    def __init__(self, hub: Hub, controller: Controller, bridges: Callable[[], Iterable[str]]) -> None:
        self._hub = hub
        self._controller = controller
        self._bridges = bridges
        self._sockets: dict[tuple[str, int], socket.socket] = {}
        self._ears: Mapping[tuple[str, str], str] = {}
        self._said: set[Said] = set()
        self._confirmed = False
        self._syncs = 0
        self._heard = asyncio.Event()

    async def run(self) -> None:
        """Listen, and tell the engine."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep())
                group.create_task(self._tell())
        finally:
            for key in list(self._sockets):
                self._close(key)

    def outcome(self, outcome: Outcome) -> None:
        """A pass is done: ask what it wants to know, and listen for what it wants to hear of."""
        if outcome.ears is not None:
            self._ears = outcome.ears
        for bridge, address in outcome.questions:
            made = self._sockets.get((bridge, _IPV6 if ":" in address else _ARP))
            if made is None:
                continue
            try:
                made.send(probe(made.getsockname()[4].hex(":"), address))
            except OSError as error:
                LOG.debug("an address could not be asked for", address=address, bridge=bridge, why=error.strerror)

    async def _keep(self) -> None:
        """Keep a socket on each bridge, and the engine knowing whether a controller confirms."""
        while True:
            self._open(set(self._bridges()))
            fresh, syncs = self._controller.fresh(), self._controller.syncs
            # What a controller sends confirms itself; one that was there between two looks is gone all the same.
            if fresh != self._confirmed or (not fresh and syncs != self._syncs):
                self._confirmed, self._syncs = fresh, syncs
                await self._hub.ask(_confirmation(fresh))
            await asyncio.sleep(TICK_SECONDS)

    async def _tell(self) -> None:
        while True:
            await self._heard.wait()
            self._heard.clear()
            # What a new owner says of many addresses comes all at once.
            await asyncio.sleep(GATHER_SECONDS)
            said, self._said = self._said, set()
            # Who did not hear of one lately need not wait for it: what a peer says of an address counts at once.
            confirmed = self._controller.fresh() and await self._controller.confirms(CONFIRM_SECONDS)
            self._confirmed = self._confirmed and confirmed
            await self._hub.ask(_hearsay(said, confirmed))

    def _open(self, bridges: set[str]) -> None:
        keys = {(bridge, protocol) for bridge in bridges for protocol in (_ARP, _IPV6)}
        for gone in self._sockets.keys() - keys:
            self._close(gone)
        for key in keys - self._sockets.keys():
            bridge, protocol = key
            kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            try:
                made = socket.socket(socket.AF_PACKET, kind, 0)
                if protocol == _IPV6:
                    only_advertisements(made)
                made.bind(key)
            except OSError as error:
                LOG.warning("nothing can be heard on a provider bridge", bridge=bridge, why=error.strerror)
                continue
            self._sockets[key] = made
            asyncio.get_running_loop().add_reader(made, self._receive, key, made)

    def _close(self, key: tuple[str, int]) -> None:
        made = self._sockets.pop(key)
        asyncio.get_running_loop().remove_reader(made)
        made.close()

    def _receive(self, key: tuple[str, int], made: socket.socket) -> None:
        try:
            frame = made.recv(2048)
        except BlockingIOError:
            return
        except OSError:  # the bridge went down or away; one of that name is opened again
            self._close(key)
            return
        bridge, protocol = key
        said = arp_sender(frame) if protocol == _ARP else advertiser(frame)
        own = self._ears.get((bridge, said[1])) if said is not None else None
        if said is not None and own is not None and said[0] != own:
            self._said.add((bridge, said[1], said[0]))
            self._heard.set()


def _confirmation(fresh: bool) -> Callable[[Engine], None]:
    return lambda engine: engine.confirm(fresh)


def _hearsay(said: set[Said], confirmed: bool) -> Callable[[Engine], None]:
    return lambda engine: engine.heard(said, confirmed)
