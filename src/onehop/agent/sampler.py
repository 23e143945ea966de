"""The sampler: reads again and again what the kernel counted of what was dropped, a part of the host at a time.

The kernel counts since a table was made or replaced; here that is added up, so that a number only falls when the agent
starts. A change waits for one part at most: some ports, or two routers (1 to 4 ms).
"""

import asyncio
import time
from collections.abc import Callable, Container, Iterator, Mapping

from onehop.agent.engine import Engine
from onehop.agent.hub import Hub
from onehop.errors import KernelError
from onehop.log import logger
from onehop.metric.tally import Labels, Tally
from onehop.model.protection import REASONS
from onehop.net import naming
from onehop.net.identifier import PortId, RouterId
from onehop.objects.counter import Counts

LOG = logger("agent")
STEP_SECONDS = 0.2
ROUND_SECONDS = 2.0
"""How long a look at everything takes at least."""

PORTS, ROUTERS = 32, 2
"""Of so many in one part. A host with no more ports is read by one question, others by one for each port."""

Readings = dict[Labels, int]
Part = Callable[[Engine], tuple[str, Readings]]
"""Reads something in the engine's thread: which of the tallies, and what the kernel says now."""

ROUTER, LEG, PORT = "router", "leg", "port"


class Sampler:
    """Samples until cancelled.

    Args:
        hub: leads to the engine.

    Attributes:
        ports, routers, legs: packets dropped, by port and reason, by router and chain, by router and chain.
        reasons: the first, by reason alone.
    """

    def __init__(self, hub: Hub) -> None:
        self.ports = Tally()
        self.routers = Tally()
        self.legs = Tally()
        self.reasons = Tally((reason,) for reason in REASONS)
        self._hub = hub
        self._begun = time.monotonic()
        self._tallies = {PORT: self.ports, ROUTER: self.routers, LEG: self.legs}
        self._last: dict[str, Readings] = {PORT: {}, ROUTER: {}, LEG: {}}

    def age(self) -> float:
        """Seconds since the oldest of the numbers was read, at most."""
        return time.monotonic() - self._begun

    async def run(self) -> None:
        """Sample."""
        while True:
            begun = time.monotonic()
            seen: dict[str, set[str]] = {PORT: set(), ROUTER: set(), LEG: set()}
            for part in await self._hub.ask(parts):
                try:
                    of, readings = await self._hub.ask(part)
                except KernelError as error:
                    LOG.debug("what was dropped could not be read", why=str(error))
                    continue
                self.take(of, readings)
                seen[of].update(labels[0] for labels in readings)
                await asyncio.sleep(STEP_SECONDS)
            self.keep(seen)
            self._begun = begun
            await asyncio.sleep(max(STEP_SECONDS, begun + ROUND_SECONDS - time.monotonic()))

    def take(self, of: str, readings: Mapping[Labels, int]) -> None:
        """Add what the kernel counted since the last look; one that counts from 0 again has a new table."""
        tally, last = self._tallies[of], self._last[of]
        for labels, number in readings.items():
            before = last.get(labels, 0)
            if not number:
                last.pop(labels, None)
                continue
            last[labels] = number
            more = number - before if number >= before else number
            if more:
                tally.add(*labels, number=more)
                if of == PORT:
                    self.reasons.add(labels[-1], number=more)

    def keep(self, known: Mapping[str, Container[str]]) -> None:
        """All but these ports, and routers, are gone."""
        for of, tally in self._tallies.items():
            tally.keep(known[of])
            last = self._last[of]
            for gone in [labels for labels in last if labels[0] not in known[of]]:
                del last[gone]


def parts(engine: Engine) -> list[Part]:
    """All that is to be read, in parts."""
    plugged = sorted(engine.desire.local.plugs)
    held = sorted(name for name in engine.desire.partitions if name.startswith("router/"))
    routers = [RouterId(name.removeprefix("router/")) for name in held]
    found: list[Part] = [_ports(None)] if 0 < len(plugged) <= PORTS else []
    if len(plugged) > PORTS:
        found += [_ports(plugged[at : at + PORTS]) for at in range(0, len(plugged), PORTS)]
    found += [_routers(routers[at : at + ROUTERS]) for at in range(0, len(routers), ROUTERS)]
    gated = [router for router in routers if naming.gate_partition(router) in engine.desire.partitions]
    return found + [_legs(gated[at : at + PORTS]) for at in range(0, len(gated), PORTS)]


def _ports(ports: list[PortId] | None) -> Part:
    def read(engine: Engine) -> tuple[str, Readings]:
        found: Readings = {}
        for one in ports if ports is not None else (None,):
            for port, reasons in engine.drops(one).items():
                found.update({(port, reason): count.packets for reason, count in reasons.items()})
        return PORT, found

    return read


def _routers(routers: list[RouterId]) -> Part:
    def read(engine: Engine) -> tuple[str, Readings]:
        found: Readings = {}
        for router in routers:
            for chain, number in _by_chain(engine.dropped(naming.router_namespace(router))):
                found[router, chain] = found.get((router, chain), 0) + number
        return ROUTER, found

    return read


def _legs(routers: list[RouterId]) -> Part:
    def read(engine: Engine) -> tuple[str, Readings]:
        found: Readings = {}
        for router in routers:
            for chain, number in _by_chain(engine.dropped(naming.HOST, "netdev", naming.gate_table(router))):
                found[router, chain] = number
        return LEG, found

    return read


def _by_chain(counts: Counts) -> Iterator[tuple[str, int]]:
    for chains in counts.values():
        for chain, count in chains.items():
            yield chain, count.packets
